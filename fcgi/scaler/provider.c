#include "provider.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/machine_token.h"
#include "clock.h"
#include "log.h"

enum {
    OUTPUT_MAX = 256 * 1024, /* bytes of standard output; more is a fault */
    ERROR_MAX = 64 * 1024,   /* of standard error */
    CHUNK = 4096,
    ARGUMENTS_MAX = PROVIDER_IDS_MAX + 3
};

const char *provider_verb_name(enum provider_verb verb) {
    static const char *const names[] = {"launch", "list", "terminate"};
    return names[verb];
}

void provider_open(struct provider *provider, const struct conf *conf) {
    *provider = (struct provider){.conf = conf};
    for (int i = 0; i < PROVIDER_CALLS_MAX; i++)
        provider->calls[i].output_fd = provider->calls[i].error_fd = -1;
}

static void close_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void free_call(struct provider_call *call) {
    close_fd(&call->output_fd);
    close_fd(&call->error_fd);
    if (call->pid > 0)
        close(call->pidfd);
    call->pid = 0;
    buffer_clear(&call->output);
    buffer_clear(&call->error);
}

void provider_close(struct provider *provider) {
    for (int i = 0; i < PROVIDER_CALLS_MAX; i++) {
        struct provider_call *call = &provider->calls[i];
        if (call->pid > 0) {
            kill(-call->pid, SIGKILL);
            waitpid(call->pid, NULL, 0);
        }
        free_call(call);
        buffer_free(&call->output);
        buffer_free(&call->error);
    }
}

/* Gives the new process its environment: the machine's token, and none of the secrets that only
 * nodes may have. */
static void set_environment(const char *machine_token) {
    static const char *const secrets[] = {"MACHINE_SECRET", "MACHINE_SECRET_OLD", "PEER_TOKEN"};
    char variable[64];
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        unsetenv(secrets[i]);
        snprintf(variable, sizeof variable, "HASHMILL_%s", secrets[i]);
        unsetenv(variable);
    }
    if (machine_token)
        setenv("MACHINE_TOKEN", machine_token, 1);
}

/* Executes the program in the new process: in a group of its own, with default signals and no open
 * files but the standard three. It is killed when the scaler ends. */
static _Noreturn void become(const char *program, char *const *arguments, const char *machine_token,
                             int output, int error, pid_t parent) {
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    set_environment(machine_token);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
        dup2(error, STDERR_FILENO) >= 0 && close_range(STDERR_FILENO + 1, ~0U, 0) == 0)
        execv(program, arguments);
    dprintf(STDERR_FILENO, "cannot execute %s: %s\n", program, strerror(errno));
    _exit(127);
}

/* Makes the pipes for the two outputs; this process's ends do not block. */
static bool make_pipes(int output[2], int error[2]) {
    if (pipe2(output, O_CLOEXEC) != 0)
        return false;
    if (pipe2(error, O_CLOEXEC) == 0 && fcntl(output[0], F_SETFL, O_NONBLOCK) == 0 &&
        fcntl(error[0], F_SETFL, O_NONBLOCK) == 0)
        return true;
    close(output[0]);
    close(output[1]);
    return false;
}

static struct provider_call *free_place(struct provider *provider) {
    for (int i = 0; i < PROVIDER_CALLS_MAX; i++) {
        if (provider->calls[i].pid == 0)
            return &provider->calls[i];
    }
    return NULL;
}

/* Starts the program with these arguments: its path, the verb, and the verb's own. */
static bool start(struct provider *provider, enum provider_verb verb, const char *name,
                  const char *const *arguments, const char *machine_token) {
    struct provider_call *call = free_place(provider);
    int output[2];
    int error[2];
    pid_t parent = getpid();
    if (!call || !make_pipes(output, error))
        return false;
    pid_t pid = fork();
    if (pid == 0)
        become(provider->conf->provider, (char *const *)arguments, machine_token, output[1],
               error[1], parent);
    close(output[1]);
    close(error[1]);
    call->pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
    if (call->pidfd < 0) {
        log_warn("cannot start the provider: %m");
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        close(output[0]);
        close(error[0]);
        return false;
    }
    setpgid(pid, pid); /* both processes do it, as either may run first */
    buffer_clear(&call->output);
    buffer_clear(&call->error);
    call->verb = verb;
    snprintf(call->name, sizeof call->name, "%s", name);
    call->pid = pid;
    call->output_fd = output[0];
    call->error_fd = error[0];
    call->begun_ms = clock_steady_ms();
    call->until_ms = call->begun_ms + provider->conf->provider_seconds * 1000;
    call->killed = false;
    call->too_long = false;
    return true;
}

bool provider_launch(struct provider *provider, const char *name) {
    const char *arguments[] = {provider->conf->provider, "launch", name, NULL};
    char token[MACHINE_TOKEN_SIZE];
    machine_token_make(provider->conf, name, token);
    return start(provider, PROVIDER_LAUNCH, name, arguments, token);
}

bool provider_list(struct provider *provider) {
    const char *arguments[] = {provider->conf->provider, "list", NULL};
    return start(provider, PROVIDER_LIST, "", arguments, NULL);
}

bool provider_terminate(struct provider *provider, const char *name, const char *const *ids,
                        int count) {
    const char *arguments[ARGUMENTS_MAX] = {provider->conf->provider, "terminate"};
    for (int i = 0; i < count && i < PROVIDER_IDS_MAX; i++)
        arguments[2 + i] = ids[i];
    return start(provider, PROVIDER_TERMINATE, name, arguments, NULL);
}

bool provider_is_calling(const struct provider *provider, enum provider_verb verb,
                         const char *name) {
    for (int i = 0; i < PROVIDER_CALLS_MAX; i++) {
        const struct provider_call *call = &provider->calls[i];
        if (call->pid > 0 && call->verb == verb && (!name || strcmp(call->name, name) == 0))
            return true;
    }
    return false;
}

int provider_poll(const struct provider *provider, struct pollfd *fds, int64_t *until_ms) {
    int count = 0;
    for (int i = 0; i < PROVIDER_CALLS_MAX; i++) {
        const struct provider_call *call = &provider->calls[i];
        if (call->pid == 0)
            continue;
        fds[count++] = (struct pollfd){.fd = call->pidfd, .events = POLLIN};
        if (call->output_fd >= 0)
            fds[count++] = (struct pollfd){.fd = call->output_fd, .events = POLLIN};
        if (call->error_fd >= 0)
            fds[count++] = (struct pollfd){.fd = call->error_fd, .events = POLLIN};
        if (!call->killed && call->until_ms < *until_ms)
            *until_ms = call->until_ms;
    }
    return count;
}

/* Reads what has come, up to `most` bytes in all, and drops the rest. True when it dropped any. */
static bool read_some(int *fd, struct buffer *buffer, size_t most) {
    char chunk[CHUNK];
    bool dropped = false;
    while (*fd >= 0) {
        ssize_t got = read(*fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            break;
        if (got <= 0) {
            close_fd(fd);
            break;
        }
        size_t room = most - buffer->length;
        dropped |= (size_t)got > room;
        buffer_append(buffer, chunk, (size_t)got < room ? (size_t)got : room);
        if (dropped && buffer->length == most)
            break; /* endless output must not keep us here */
    }
    return dropped;
}

static void read_both(struct provider_call *call) {
    call->too_long |= read_some(&call->output_fd, &call->output, OUTPUT_MAX);
    call->too_long |= read_some(&call->error_fd, &call->error, ERROR_MAX);
}

/* The last line of its standard error that is not empty, for the log. */
static const char *last_line(struct buffer *error) {
    buffer_append(error, "", 1);
    size_t end = error->length - 1;
    while (end > 0 && (error->data[end - 1] == '\n' || error->data[end - 1] == ' '))
        error->data[--end] = '\0';
    while (end > 0 && error->data[end - 1] != '\n')
        end--;
    return error->data + end;
}

/* Makes the complaint about a call that ended with this status. */
static void complain(struct provider_call *call, int status, struct provider_result *result) {
    char how[60];
    const char *line = last_line(&call->error);
    if (call->killed)
        snprintf(how, sizeof how, "%s", call->too_long ? "printed too much" : "took too long");
    else if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        snprintf(how, sizeof how, "exit code %d", WEXITSTATUS(status));
    else
        snprintf(how, sizeof how, "did not print one id");
    snprintf(result->complaint, sizeof result->complaint, "%s%s%.120s", how, line[0] ? ": " : "",
             line);
}

/* Takes the id that a launch printed, as its only line. */
static bool take_id(const char *text, char id[PROVIDER_NAME_SIZE]) {
    size_t length = strcspn(text, "\n");
    if (length >= PROVIDER_NAME_SIZE || (text[length] == '\n' && text[length + 1] != '\0'))
        return false;
    snprintf(id, PROVIDER_NAME_SIZE, "%.*s", (int)length, text);
    return provider_is_id(id);
}

/* Makes the result of a call whose process has ended. Frees its place, but keeps the texts, which
 * the result points to. */
static void end_call(struct provider_call *call, struct provider_result *result) {
    int status = 0;
    waitpid(call->pid, &status, 0);
    read_both(call);
    buffer_append(&call->output, "", 1);
    *result = (struct provider_result){.verb = call->verb,
                                       .name = call->name,
                                       .begun_ms = call->begun_ms,
                                       .text = call->output.data};
    bool whole = strlen(call->output.data) == call->output.length - 1;
    result->good =
        !call->killed && !call->too_long && whole && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (result->good && call->verb == PROVIDER_LAUNCH)
        result->good = take_id(call->output.data, result->id);
    if (!result->good)
        complain(call, status, result);
    close_fd(&call->output_fd);
    close_fd(&call->error_fd);
    close(call->pidfd);
    call->pid = 0;
}

/* Whether a process has ended, without reaping it. */
static bool has_ended(const struct provider_call *call) {
    struct pollfd fd = {.fd = call->pidfd, .events = POLLIN};
    return poll(&fd, 1, 0) > 0;
}

bool provider_next(struct provider *provider, struct provider_result *result) {
    int64_t now_ms = clock_steady_ms();
    for (int i = 0; i < PROVIDER_CALLS_MAX; i++) {
        struct provider_call *call = &provider->calls[i];
        if (call->pid == 0) {
            free_call(call); /* the texts of a result that was given before */
            continue;
        }
        bool ended = has_ended(call);
        read_both(call);
        if (ended) {
            end_call(call, result);
            return true;
        }
        if (!call->killed && (call->too_long || call->until_ms <= now_ms)) {
            kill(-call->pid, SIGKILL);
            call->killed = true;
        }
    }
    return false;
}
