/*
 * Kills a command at one of its system calls:
 *
 *     kill_child all|late|changes N COMMAND [ARGUMENT ...]
 *
 * Runs the command until it is about to make its Nth call. Then SIGKILL goes to it, so that the
 * call is not made, and kill_child exits with 137. A command that makes fewer of them runs to its
 * end, and its exit code is that of kill_child. What counts:
 *
 *     all      each call, from its exec on
 *     late     each call, from the first on by which it changes something outside of itself
 *     changes  each call by which it does so
 *
 * A kill after a call is one before the next. For commands of one thread: one that starts another
 * thread or a child is killed, and kill_child exits with 125.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SYSCALL_STOP = SIGTRAP | 0x80, KILLED = 128 + SIGKILL, FAILED = 125 };

enum kind { ALL, LATE, CHANGES, KINDS };

static const char *const kinds[KINDS] = {"all", "late", "changes"};

_Noreturn static void fail(const char *what) {
    fprintf(stderr, "kill_child: %s: %s\n", what, strerror(errno));
    exit(FAILED);
}

/* Whether a call changes a file, or reaches a node. */
static bool changes(const struct __ptrace_syscall_info *info) {
    switch (info->entry.nr) {
    case SYS_openat:
        return (info->entry.args[2] & O_CREAT) != 0;
    case SYS_connect:
    case SYS_fdatasync:
    case SYS_flock:
    case SYS_fsync:
    case SYS_ftruncate:
    case SYS_mkdir:
    case SYS_rename:
    case SYS_sendmsg:
    case SYS_sendto:
    case SYS_unlink:
    case SYS_write:
    case SYS_exit_group:
        return true;
    default:
        return false;
    }
}

/* Whether the process stands before a call that counts. After the first change all late ones do. */
static bool is_at_call(pid_t pid, enum kind *kind) {
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) < 0)
        fail("PTRACE_GET_SYSCALL_INFO");
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY || (*kind != ALL && !changes(&info)))
        return false;
    if (*kind == LATE)
        *kind = ALL;
    return true;
}

/* Lets the process run to its Nth call that counts. */
static int run(pid_t pid, enum kind kind, long number) {
    int status;
    int signal = 0;
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, pid, 0, signal) != 0)
            fail("PTRACE_SYSCALL");
        if (waitpid(pid, &status, 0) != pid)
            fail("waitpid");
        if (WIFEXITED(status))
            return WEXITSTATUS(status);
        if (WIFSIGNALED(status))
            return 128 + WTERMSIG(status);
        if (status >> 16 != 0) {
            fprintf(stderr, "kill_child: the command has more than one thread\n");
            return FAILED; /* which is its end */
        }
        signal = WSTOPSIG(status);
        if (signal != SYSCALL_STOP)
            continue;
        signal = 0;
        if (!is_at_call(pid, &kind) || --number > 0)
            continue;
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return KILLED;
    }
}

int main(int argc, char **argv) {
    const int options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE |
                        PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
    int status;
    int kind = 0;
    while (kind < KINDS && (argc < 4 || strcmp(argv[1], kinds[kind]) != 0))
        kind++;
    if (kind == KINDS) {
        fprintf(stderr, "usage: kill_child all|late|changes N COMMAND [ARGUMENT ...]\n");
        return FAILED;
    }
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
            execvp(argv[3], argv + 3);
        fail(argv[3]);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        fail("the command does not start");
    if (ptrace(PTRACE_SETOPTIONS, pid, 0, options) != 0)
        fail("PTRACE_SETOPTIONS");
    return run(pid, (enum kind)kind, strtol(argv[2], NULL, 10));
}
