#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

enum {
    EARLY_MS = 1000,     /* a death sooner than this after being ready is early */
    BACKOFF_MIN_MS = 50, /* after the second early death in a row; then doubled each time */
    BACKOFF_MAX_MS = 800 /* so that service resumes within a second once the cause is gone */
};

static void lay_out(struct pool *pool, const struct roles *roles, const struct conf *conf,
                    const struct sockets *sockets) {
    struct child_slot *slots = pool->children[0].slot;
    for (const struct role *role = roles->list; role < roles->list + roles->count; role++) {
        struct child_job job = {.conf = conf,
                                .channel = sockets->channel,
                                .peering = sockets->peering,
                                .listener = role->listener,
                                .listen_fd =
                                    role->socket < SOCKET_COUNT ? sockets->fd[role->socket] : -1};
        for (int64_t i = 0; i < role->count; i++) {
            job.process = pool->count;
            pool->children[pool->count] = (struct pool_child){
                .role = role->name, .serve = role->serve, .job = job, .slot = slots + pool->count};
            pool->count++;
        }
    }
}

int roles_children(const struct roles *roles) {
    int children = 1; /* the writer */
    for (int i = 1; i < roles->count; i++)
        children += (int)roles->list[i].count;
    return children;
}

bool pool_open(struct pool *pool, const struct roles *roles, const struct conf *conf,
               const struct sockets *sockets) {
    *pool = (struct pool){.ready_pipe = {-1, -1}};
    size_t most = (size_t)roles_children(roles);
    pool->children = calloc(most, sizeof *pool->children);
    void *page = mmap(NULL, most * sizeof(struct child_slot), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!pool->children || page == MAP_FAILED ||
        pipe2(pool->ready_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
        log_error("cannot set up the processes: %m");
        if (page != MAP_FAILED)
            munmap(page, most * sizeof(struct child_slot));
        free(pool->children);
        return false;
    }
    pool->children[0].slot = page;
    lay_out(pool, roles, conf, sockets);
    return true;
}

void pool_close(struct pool *pool) {
    munmap(pool->children[0].slot, (size_t)pool->count * sizeof(struct child_slot));
    close(pool->ready_pipe[0]);
    close(pool->ready_pipe[1]);
    free(pool->children);
}

/* Runs a child until it exits. Closes the listening sockets of other roles: each process holds only
 * the one that it serves. */
static void run_child(const struct pool *pool, const struct pool_child *child, pid_t master) {
    child_start(child->slot, pool->ready_pipe[1], child->role, master);
    close(pool->ready_pipe[0]);
    for (int i = 0; i < pool->count; i++) {
        int fd = pool->children[i].job.listen_fd;
        bool seen = i > 0 && fd == pool->children[i - 1].job.listen_fd;
        if (fd >= 0 && fd != child->job.listen_fd && !seen)
            close(fd);
    }
    exit(child->serve(&child->job));
}

static void start_child(struct pool *pool, struct pool_child *child) {
    pid_t master = getpid();
    child->slot->busy_since_ms = 0;
    child->slot->ready = false;
    child->ready_ms = 0;
    child->suspect_ms = 0;
    pid_t pid = fork();
    if (pid == 0)
        run_child(pool, child, master);
    if (pid > 0) {
        child->pid = pid;
        return;
    }
    log_warn("cannot fork the process %s: %m", child->role);
    child->start_ms = clock_steady_ms() + BACKOFF_MAX_MS;
}

void pool_start(struct pool *pool) {
    int64_t now = clock_steady_ms();
    for (int i = 0; i < pool->count; i++) {
        if (pool->children[i].pid == 0 && pool->children[i].start_ms <= now)
            start_child(pool, &pool->children[i]);
    }
}

int64_t pool_next_start(const struct pool *pool) {
    int64_t next = INT64_MAX;
    for (int i = 0; i < pool->count; i++) {
        if (pool->children[i].pid == 0 && pool->children[i].start_ms < next)
            next = pool->children[i].start_ms;
    }
    return next;
}

bool pool_ready(struct pool *pool) {
    char bytes[64];
    bool all = true;
    while (read(pool->ready_pipe[0], bytes, sizeof bytes) > 0)
        continue;
    for (int i = 0; i < pool->count; i++) {
        struct pool_child *child = &pool->children[i];
        bool ready = child->pid > 0 && child->slot->ready;
        if (ready && child->ready_ms == 0)
            child->ready_ms = clock_steady_ms();
        all = all && ready;
    }
    return all;
}

/* Plans when to start a dead child again. */
static void plan_restart(struct pool_child *child) {
    int64_t now = clock_steady_ms();
    bool early = child->ready_ms == 0 || now - child->ready_ms < EARLY_MS;
    child->early_deaths = early ? child->early_deaths + 1 : 0;
    int64_t pause = 0;
    if (child->early_deaths > 1) {
        pause = BACKOFF_MIN_MS;
        for (int i = 2; i < child->early_deaths && pause < BACKOFF_MAX_MS; i++)
            pause *= 2;
    }
    child->start_ms = now + (pause < BACKOFF_MAX_MS ? pause : BACKOFF_MAX_MS);
}

/* Logs how a child died, unless stopping and with code 0. */
static void log_death(const struct pool_child *child, pid_t pid, int status, bool stopping) {
    if (WIFSIGNALED(status))
        log_warn("the process %s (pid %d) was killed by SIG%s", child->role, (int)pid,
                 sigabbrev_np(WTERMSIG(status)));
    else if (!stopping || WEXITSTATUS(status) != 0)
        log_warn("the process %s (pid %d) exited with code %d", child->role, (int)pid,
                 WEXITSTATUS(status));
}

bool pool_reap(struct pool *pool, bool stopping, struct pool_child **found, int *exit_code) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < pool->count; i++) {
            struct pool_child *child = &pool->children[i];
            if (child->pid != pid)
                continue;
            log_death(child, pid, status, stopping);
            child->pid = 0;
            plan_restart(child);
            *found = child;
            *exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
            return true;
        }
    }
    return false;
}

void pool_watch(struct pool *pool, int64_t busy_ms) {
    int64_t now = clock_steady_ms();
    for (int i = 0; i < pool->count; i++) {
        struct pool_child *child = &pool->children[i];
        int64_t since = child->slot->busy_since_ms;
        bool late = child->pid > 0 && since != 0 && now - since > busy_ms;
        /* Requires two looks at the same piece of work: the clock may have been moved just before
         * one. */
        if (late && child->suspect_ms == since) {
            log_warn("the process %s (pid %d) has been busy with one thing for %lld ms; killing it",
                     child->role, (int)child->pid, (long long)(now - since));
            kill(child->pid, SIGKILL);
        }
        child->suspect_ms = late ? since : 0;
    }
}

int pool_signal(const struct pool *pool, bool writer, int signal) {
    int running = 0;
    for (int i = writer ? 0 : 1; i < (writer ? 1 : pool->count); i++) {
        if (pool->children[i].pid > 0) {
            kill(pool->children[i].pid, signal);
            running++;
        }
    }
    return running;
}
