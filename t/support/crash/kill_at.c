/*
 * Kills a server at one of its system calls:
 *
 *     kill_at N PID [PID ...]
 *
 * Waits until the first process waits for events, says "ready", and lets that process run until it
 * is about to make its Nth system call from then on. Then SIGKILL goes to the other processes, then
 * to the first, so that the call is not made, and it says "killed CALL", the number of the system
 * call. On SIGTERM it waits until the process waits for events again, lets go of it and says
 * "finished COUNT", the number of calls seen.
 */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SYSCALL_STOP = SIGTRAP | 0x80 };

static volatile sig_atomic_t told_to_finish;

static void on_term(int signal) {
    (void)signal;
    told_to_finish = 1;
}

_Noreturn static void fail(const char *what) {
    fprintf(stderr, "kill_at: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* Lets the process run to its next stop and returns that. False when it waits for events and it is
 * time to finish. */
static bool next_stop(pid_t pid, int signal, bool waits, int *status) {
    if (ptrace(PTRACE_SYSCALL, pid, 0, signal) != 0)
        fail("PTRACE_SYSCALL");
    for (;;) {
        pid_t got = waitpid(pid, status, __WALL | (waits ? WNOHANG : 0));
        if (got < 0 && errno != EINTR)
            fail("waitpid");
        if (got > 0 && !WIFSTOPPED(*status)) {
            puts("gone");
            exit(1);
        }
        if (got > 0)
            return true;
        if (waits && told_to_finish)
            return false;
        if (waits)
            nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

/* The signal to continue a stopped process with. */
static int signal_of(int status) {
    bool event = status >> 16 != 0 || WSTOPSIG(status) == SYSCALL_STOP;
    return event ? 0 : WSTOPSIG(status);
}

/* The call that the process is about to make, or -1 at any other stop. */
static long call_of(pid_t pid, int status) {
    struct __ptrace_syscall_info info = {.op = PTRACE_SYSCALL_INFO_NONE};
    if (WSTOPSIG(status) != SYSCALL_STOP)
        return -1;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0)
        fail("PTRACE_GET_SYSCALL_INFO");
    return info.op == PTRACE_SYSCALL_INFO_ENTRY ? (long)info.entry.nr : -1;
}

static bool is_wait(long call) {
#ifdef SYS_epoll_wait
    if (call == SYS_epoll_wait)
        return true;
#endif
    return call == SYS_epoll_pwait;
}

/* Attaches to the process and stops it as it is about to wait for events. */
static void attach(pid_t pid) {
    int status;
    if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) != 0 ||
        ptrace(PTRACE_INTERRUPT, pid, 0, 0) != 0 || waitpid(pid, &status, __WALL) != pid)
        fail("cannot trace the process");
    do
        next_stop(pid, signal_of(status), false, &status);
    while (!is_wait(call_of(pid, status)));
}

/* Detaches from a process that waits for events. */
static void detach(pid_t pid) {
    int status;
    if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) != 0 || waitpid(pid, &status, __WALL) != pid ||
        ptrace(PTRACE_DETACH, pid, 0, 0) != 0)
        fail("cannot let go of the process");
}

/* Runs the process to its call of this number; that call, or -1 when it was time to finish. */
static long run_to(pid_t pid, long when, long *count) {
    bool waits = true;
    int signal = 0;
    int status;
    while (next_stop(pid, signal, waits, &status)) {
        long call = call_of(pid, status);
        signal = signal_of(status);
        if (call < 0)
            continue;
        waits = is_wait(call);
        if (++*count == when)
            return call;
    }
    return -1;
}

int main(int argc, char **argv) {
    struct sigaction action = {.sa_handler = on_term};
    if (argc < 3) {
        fprintf(stderr, "usage: kill_at N PID [PID ...]\n");
        return 2;
    }
    long when = strtol(argv[1], NULL, 10);
    pid_t pid = (pid_t)strtol(argv[2], NULL, 10);
    long count = 0;
    sigaction(SIGTERM, &action, NULL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    attach(pid);
    puts("ready");
    long call = run_to(pid, when, &count);
    if (call < 0) {
        detach(pid);
        printf("finished %ld\n", count);
        return 0;
    }
    for (int i = 3; i < argc; i++)
        kill((pid_t)strtol(argv[i], NULL, 10), SIGKILL);
    kill(pid, SIGKILL);
    printf("killed %ld\n", call);
    return 0;
}
