#include "prefork.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/certificates.h"
#include "base/keys.h"
#include "clock.h"
#include "log.h"
#include "notify.h"

enum {
    TICK_MS = 1000,     /* between looks at the children while nothing happens */
    STOP_TICK_MS = 200, /* between repeated SIGTERMs: one may have come at a bad moment */
    LOST_MS = 10000,    /* between attempts to restore what was removed from RUN_DIR */
    WARN_MS = 24 * 60 * 60 * 1000, /* between warnings of certificates that expire soon */
    KILL_GRACE_MS = 2000,          /* from the end of the drain time to SIGKILL of the writer */
    PATH_SIZE = SETTING_TEXT_SIZE + 32
};

struct master {
    const struct conf *conf;
    const struct sockets *sockets;
    const struct settings_files *files;
    const char *program;
    struct pool pool;
    int signals;
    int64_t warn_ms; /* steady time of the next look at certificates, */
    int64_t lost_ms; /* and of the next attempt to restore RUN_DIR */
    bool announced;  /* the pid file is in place */
    bool stopping;
    bool killed;         /* the drain time is over, SIGKILL was sent */
    int64_t drain_until; /* steady time: requests in hand are given up */
    enum prefork_end end;
    int exit_code;
};

static void pid_path(char path[PATH_SIZE], const struct conf *conf) {
    snprintf(path, PATH_SIZE, "%s/hashmill-fcgi.pid", conf->run_dir);
}

/* Puts the pid file in place by rename. Once it is there, requests can be sent. */
static void write_pid(const struct master *master) {
    char path[PATH_SIZE];
    char draft[PATH_SIZE + 8];
    pid_path(path, master->conf);
    snprintf(draft, sizeof draft, "%s.new", path);
    FILE *out = fopen(draft, "we");
    bool good = out && fprintf(out, "%d\n", (int)getpid()) > 0;
    if (out)
        good = fclose(out) == 0 && good;
    if (!good || rename(draft, path) != 0)
        log_error("cannot write %s: %m", path);
}

/* Announces that requests can be sent. */
static void announce(struct master *master) {
    write_pid(master);
    master->announced = true;
    log_info("ready: %d processes serve", master->pool.count);
    notify("READY=1\nSTATUS=%d processes serve", master->pool.count);
}

/* Tells the service manager why requests are being finished, and to wait until the last process
 * would be killed. */
static void tell_stopping(const struct master *master) {
    bool again = master->end == PREFORK_RELOAD;
    long long longest_us = (master->conf->drain_seconds * 1000 + 2 * KILL_GRACE_MS) * 1000LL;
    notify("%s=1\nEXTEND_TIMEOUT_USEC=%lld\nSTATUS=finishing the requests in hand%s",
           again ? "RELOADING" : "STOPPING", longest_us, again ? ", to start again" : "");
}

/* Begins to drain: the children get SIGTERM repeatedly until they are gone. */
static void stop(struct master *master, enum prefork_end end, int exit_code) {
    if (master->stopping) {
        if (end == PREFORK_FAILED || (end == PREFORK_STOPPED && master->end == PREFORK_RELOAD)) {
            master->end = end;
            master->exit_code = exit_code;
            tell_stopping(master);
        }
        return;
    }
    master->stopping = true;
    master->end = end;
    master->exit_code = exit_code;
    master->drain_until = clock_steady_ms() + master->conf->drain_seconds * 1000;
    tell_stopping(master);
}

/* Whether the program to execute is there. */
static bool can_execute(const struct master *master, char *why, size_t why_size) {
    if (access(master->program, X_OK) == 0)
        return true;
    snprintf(why, why_size, "cannot execute %.400s: %m", master->program);
    return false;
}

/* SIGHUP: drains and starts again, but only with valid settings and an executable program. */
static void reload(struct master *master) {
    struct conf *probe = calloc(1, sizeof *probe);
    char why[600] = "out of memory";
    if (probe && conf_load(probe, master->files, why, sizeof why) &&
        can_execute(master, why, sizeof why) && sockets_fit(probe, why, sizeof why)) {
        log_info("reloading");
        stop(master, PREFORK_RELOAD, 0);
    } else {
        log_error("not reloading: %s", why);
        notify("STATUS=serves with the settings from before; not reloaded: %s", why);
    }
    if (probe)
        keys_free(probe->keys);
    free(probe);
}

static void handle_signals(struct master *master) {
    struct signalfd_siginfo info;
    while (read(master->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            reload(master);
        } else if (info.ssi_signo != SIGCHLD) {
            log_info("stopping");
            stop(master, PREFORK_STOPPED, 0);
        }
    }
}

/* No writer will come any more: processes waiting for an accept learn of that at once. */
static void close_channel(struct pool_child *writer) {
    close(writer->job.listen_fd);
    writer->job.listen_fd = -1;
}

/* Reaps the dead children; some deaths end the service. */
static void reap(struct master *master) {
    struct pool_child *child;
    int code;
    while (pool_reap(&master->pool, master->stopping, &child, &code)) {
        bool writer = child == master->pool.children;
        if (code == EXIT_UNSAFE || code == EXIT_CONFIG) {
            stop(master, PREFORK_FAILED, code);
            if (writer)
                close_channel(child);
        } else if (writer && code == EXIT_TEMPORARY && !master->announced) {
            log_error("the writer could not start; see its lines above");
            stop(master, PREFORK_FAILED, code);
        }
    }
}

/* One round of draining: first all processes that take requests, then the writer. Returns whether
 * all are gone. */
static bool drain(struct master *master) {
    int64_t now = clock_steady_ms();
    int signal = SIGTERM;
    if (now >= master->drain_until) {
        if (!master->killed)
            log_warn("some requests did not finish in time; killing their processes");
        master->killed = true;
        signal = SIGKILL;
    }
    if (pool_signal(&master->pool, false, signal) > 0)
        return false;
    bool late = now >= master->drain_until + KILL_GRACE_MS;
    return pool_signal(&master->pool, true, late ? SIGKILL : SIGTERM) == 0;
}

/* How long the master may sleep, until alive_ms at most. */
static int sleep_ms(const struct master *master, int64_t alive_ms) {
    int64_t now = clock_steady_ms();
    int64_t next = now + (master->stopping ? STOP_TICK_MS : TICK_MS);
    int64_t start = master->stopping ? INT64_MAX : pool_next_start(&master->pool);
    if (start < next)
        next = start;
    if (alive_ms < next)
        next = alive_ms;
    return next > now ? (int)(next - now) : 0;
}

/* Warns at the start, and then once a day, of certificates that expire soon. */
static void watch_certificates(struct master *master) {
    int64_t now = clock_steady_ms();
    if (now < master->warn_ms)
        return;
    certificates_warn(master->conf);
    master->warn_ms = now + WARN_MS;
}

/* Restores RUN_DIR after somebody, such as a cleaner of /tmp, has removed files: reloads to make
 * new sockets, or writes the pid file again. */
static void watch_run_dir(struct master *master) {
    char path[PATH_SIZE];
    int64_t now = clock_steady_ms();
    if (!master->announced || master->stopping || now < master->lost_ms)
        return;
    pid_path(path, master->conf);
    const char *lost = sockets_lost(master->sockets, master->conf);
    bool pid_lost = access(path, F_OK) != 0 && errno == ENOENT;
    if (!lost && !pid_lost)
        return;
    master->lost_ms = now + LOST_MS;
    log_warn("%s/%s was removed or replaced: making it again", master->conf->run_dir,
             lost ? lost : "hashmill-fcgi.pid");
    if (lost)
        reload(master);
    else
        write_pid(master);
}

static void loop(struct master *master) {
    struct pollfd fds[] = {{.fd = master->signals, .events = POLLIN},
                           {.fd = master->pool.ready_pipe[0], .events = POLLIN}};
    for (;;) {
        if (!master->stopping)
            pool_start(&master->pool);
        if (poll(fds, 2, sleep_ms(master, notify_alive())) < 0 && errno != EINTR)
            log_error("poll: %m");
        handle_signals(master);
        reap(master);
        bool ready = pool_ready(&master->pool);
        if (ready && !master->announced && !master->stopping)
            announce(master);
        watch_certificates(master);
        watch_run_dir(master);
        pool_watch(&master->pool, master->conf->busy_seconds * 1000);
        if (master->stopping && drain(master))
            return;
    }
}

/* Blocks the signals that the master handles. Returns a descriptor to read them from. */
static int catch_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

enum prefork_end prefork_run(const struct roles *roles, const struct conf *conf,
                             const struct sockets *sockets, const struct settings_files *files,
                             const char *program, int *exit_code) {
    struct master master = {.conf = conf, .sockets = sockets, .files = files, .program = program};
    char path[PATH_SIZE];
    *exit_code = EXIT_TEMPORARY;
    master.signals = catch_signals();
    if (master.signals < 0 || !pool_open(&master.pool, roles, conf, sockets))
        return PREFORK_FAILED;
    loop(&master);
    pid_path(path, conf);
    unlink(path);
    pool_close(&master.pool);
    close(master.signals);
    *exit_code = master.exit_code;
    return master.end;
}
