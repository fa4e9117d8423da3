/*
 * hashmill-worker: leases items from its nodes, moves their chains forward on all cores, and
 * reports values and progress. This file reads the settings, starts the parts, and is the loop that
 * connects them.
 */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bench.h"
#include "certificate.h"
#include "clock.h"
#include "conf.h"
#include "exit_code.h"
#include "kernels/selftest.h"
#include "log.h"
#include "memory.h"
#include "node/node.h"
#include "notify.h"

enum {
    DRAIN_MS = 5000,     /* for giving everything back at the end */
    ONE_SIGNAL_MS = 500, /* signals that come within this time are one: see take_signal */
    RETIRE_MS = 5000,
    STATUS_NEEDED = 409 /* a node's answer to a worker that it still needs */
};

struct worker {
    struct worker_conf conf;
    struct kernels kernels; /* used by the mill as long as it lives */
    struct node_shared shared;
    int signals;        /* signalfd */
    bool stopping;      /* a signal has come, */
    int64_t stopped_ms; /* at this moment of the steady clock */
    int64_t busy_ms;    /* when something was last in hand, by the steady clock */
};

/* Reads a signal. The first asks for a drain. A later one ends the process at once: the leases
 * lapse, and the work since the last reports is lost. Signals within ONE_SIGNAL_MS of the first
 * count with it: whoever stops a program often signals it and then its group (timeout, npm), or it
 * and its terminal. */
static void take_signal(struct worker *worker) {
    struct signalfd_siginfo signal_info;
    int64_t now_ms = clock_steady_ms();
    if (read(worker->signals, &signal_info, sizeof signal_info) != sizeof signal_info)
        return;
    if (!worker->stopping)
        worker->stopped_ms = now_ms;
    worker->stopping = true;
    if (now_ms - worker->stopped_ms < ONE_SIGNAL_MS)
        return;
    log_warn("told to stop a second time: leaving at once; leases in hand will lapse");
    _exit(EXIT_TEMPORARY);
}

/* One turn of the loop: sends what is due, then waits for the next event or until_ms and deals with
 * it. */
static void turn(struct worker *worker, int64_t until_ms) {
    for (int i = 0; i < worker->shared.node_count; i++) {
        node_step(worker->shared.nodes[i]);
        int64_t due_ms = node_due_ms(worker->shared.nodes[i]);
        until_ms = due_ms < until_ms ? due_ms : until_ms;
    }
    int64_t alive_ms = notify_alive();
    until_ms = alive_ms < until_ms ? alive_ms : until_ms;
    struct http_watch watches[] = {{.fd = worker->signals},
                                   {.fd = mill_descriptor(worker->shared.mill)}};
    http_wait(worker->shared.http, watches, 2, clock_timeout_ms(until_ms));
    if (watches[0].readable)
        take_signal(worker);
    if (watches[1].readable)
        nodes_collect(&worker->shared);
}

static bool is_busy(const struct worker *worker) {
    for (int i = 0; i < worker->shared.node_count; i++) {
        if (node_is_busy(worker->shared.nodes[i]))
            return true;
    }
    return false;
}

struct retirement {
    bool over;
    int status;
};

static void retire_done(void *context, const struct http_reply *reply) {
    struct retirement *retirement = context;
    retirement->over = true;
    retirement->status = reply->status;
}

/* Tells the node that launched this worker that it retires. False when the node needs it. */
static bool retire(struct worker *worker) {
    struct node_shared *shared = &worker->shared;
    struct retirement retirement = {0};
    int64_t until_ms = clock_steady_ms() + RETIRE_MS;
    char url[SETTING_TEXT_SIZE + 10];
    snprintf(url, sizeof url, "%s/retire", worker->conf.retire_node);
    buffer_clear(&shared->body);
    protocol_put_retire(&shared->body, &shared->worker);
    struct http_request request = {.url = url,
                                   .bearer = shared->token,
                                   .body = shared->body.data,
                                   .length = shared->body.length,
                                   .timeout_ms = RETIRE_MS,
                                   .done = retire_done,
                                   .context = &retirement};
    struct http_call *call = http_post(shared->http, &request);
    while (!retirement.over && clock_steady_ms() < until_ms) {
        struct http_watch watch = {.fd = worker->signals};
        http_wait(shared->http, &watch, 1, clock_timeout_ms(until_ms));
        if (watch.readable)
            take_signal(worker);
    }
    if (!retirement.over)
        http_abort(shared->http, call);
    if (retirement.status == STATUS_NEEDED)
        return false;
    if (retirement.status < 200 || retirement.status > 299)
        log_warn("%s could not be told of the retirement (status %d)", worker->conf.retire_node,
                 retirement.status);
    return true;
}

/* Whether an idle worker may go: always, unless the node that launched it needs it. It asks while
 * it still leases, so that no item that comes meanwhile is lost on the way. */
static bool may_go(struct worker *worker) {
    bool gone = worker->conf.retire_node[0] == '\0' || retire(worker);
    if (!gone)
        log_info("nothing to do, but needed: staying");
    return gone;
}

/* Works until told to stop, or until nothing has been in hand for IDLE_SECONDS and it may go; true
 * in the latter case. */
static bool work(struct worker *worker) {
    int64_t idle_ms = worker->conf.idle_seconds * 1000;
    worker->busy_ms = clock_steady_ms();
    while (!worker->stopping && !worker->shared.drain_requested) {
        int64_t now_ms = clock_steady_ms();
        if (is_busy(worker))
            worker->busy_ms = now_ms;
        if (idle_ms > 0 && now_ms - worker->busy_ms >= idle_ms) {
            if (may_go(worker))
                return true;
            worker->busy_ms = clock_steady_ms();
        }
        turn(worker, idle_ms > 0 ? worker->busy_ms + idle_ms : INT64_MAX);
    }
    return false;
}

static int count_unreported(const struct worker *worker) {
    int count = 0;
    for (int i = 0; i < worker->shared.node_count; i++)
        count += node_unreported(worker->shared.nodes[i]);
    return count;
}

/* Stops leasing and working, reports values, and gives everything else back with its progress. */
static void drain(struct worker *worker) {
    int64_t until_ms = clock_steady_ms() + DRAIN_MS;
    mill_halt(worker->shared.mill);
    nodes_collect(&worker->shared);
    for (int i = 0; i < worker->shared.node_count; i++)
        node_drain(worker->shared.nodes[i]);
    log_info("stopping: %d items to report or give back", count_unreported(worker));
    notify("STOPPING=1\nSTATUS=giving back what is in hand");
    while (count_unreported(worker) > 0 && clock_steady_ms() < until_ms)
        turn(worker, until_ms);
    for (int i = 0; i < worker->shared.node_count; i++) {
        int left = node_unreported(worker->shared.nodes[i]);
        if (left > 0)
            log_warn("%s: could not be told of %d items; their leases will lapse",
                     node_url(worker->shared.nodes[i]), left);
    }
}

/* Blocks the signals that end the worker, before any thread is started, and reads them from a
 * descriptor instead. */
static bool catch_signals(struct worker *worker) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGXCPU); /* this process has nearly used up its CPU time */
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
        worker->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (worker->signals < 0)
        log_error("cannot catch signals: %m");
    return worker->signals >= 0;
}

/* Starts the parts. Returns 0, or the exit code when one does not start. */
static int start(struct worker *worker) {
    struct node_shared *shared = &worker->shared;
    const struct worker_conf *conf = &worker->conf;
    struct http_tls tls = worker_conf_tls(conf);
    char why[500];
    mallopt(M_ARENA_MAX, 1); /* the threads hardly allocate; an arena for each would cost memory */
    if (!catch_signals(worker))
        return EXIT_TEMPORARY;
    if (!selftest_run(why, sizeof why)) {
        log_error("%s", why);
        return EXIT_UNSAFE;
    }
    if (!kernels_open(&worker->kernels, conf->kernel, why, sizeof why)) {
        log_error("WORKER_KERNEL: %s", why);
        return EXIT_CONFIG;
    }
    shared->mill = mill_open((int)conf->threads, &worker->kernels, (int)conf->check_percent);
    shared->http = shared->mill ? http_open(&tls) : NULL;
    if (!shared->http)
        return EXIT_TEMPORARY;
    shared->token = conf->machine_token[0] != '\0' ? conf->machine_token : conf->worker_token;
    shared->worker.name = conf->worker_name;
    shared->worker.machine = conf->worker_machine;
    shared->worker.kernel = kernels_name(&worker->kernels);
    shared->worker.cores = (int)conf->threads;
    shared->worker.rate = mill_rate(shared->mill);
    for (int i = 0; i < conf->url_count; i++)
        node_open(shared, conf->urls[i]);
    return 0;
}

/* Stops the parts that were started and frees everything. */
static void stop(struct worker *worker) {
    struct node_shared *shared = &worker->shared;
    for (int i = 0; i < shared->node_count; i++)
        node_close(shared->nodes[i]);
    if (shared->http)
        http_close(shared->http);
    if (shared->mill)
        mill_close(shared->mill);
    if (worker->signals >= 0)
        close(worker->signals);
    json_free(&shared->json);
    buffer_free(&shared->body);
    items_free(&shared->finished);
}

static int run(struct worker *worker) {
    worker->signals = -1;
    int failed = start(worker);
    if (failed == 0) {
        log_info("%s works for %d node%s with %d thread%s, kernel %s, %lld iterations/s",
                 worker->shared.worker.name, worker->shared.node_count,
                 worker->shared.node_count == 1 ? "" : "s", worker->shared.worker.cores,
                 worker->shared.worker.cores == 1 ? "" : "s", worker->shared.worker.kernel,
                 (long long)worker->shared.worker.rate);
        notify("READY=1\nSTATUS=computes %lld iterations/s with %s, %d at a time",
               (long long)worker->shared.worker.rate, worker->shared.worker.kernel,
               worker->shared.worker.cores);
        bool idle = work(worker);
        drain(worker);
        if (idle)
            log_info("nothing to do for %lld s", (long long)worker->conf.idle_seconds);
        if (worker->shared.drain_requested && worker->conf.retire_node[0] != '\0')
            retire(worker);
        log_info("stopped");
    }
    stop(worker);
    return failed;
}

static void help(void) {
    printf(
        "hashmill-worker %s: leases items from hashmill nodes and computes them\n\n"
        "usage: hashmill-worker [-c FILE]... [-t] [--bench[=short]]\n\n"
        "  -c FILE     read settings from FILE, lines of KEY=VALUE; of several a later one wins\n"
        "  -t          check the settings and exit: 0 when they are good, 1 when not\n"
        "  --bench     measure what this machine computes with, one core, and exit;\n"
        "              --bench=short only with full lanes\n"
        "  --help      print this\n"
        "  --version   print the version\n\n"
        "SIGTERM, SIGINT and SIGHUP: report everything in hand and exit within 5 seconds; a "
        "second\n"
        "one, half a second after the first or later, leaves at once.\n"
        "Exit codes: 0 stopped as told or idle, 75 try again later, 76 this machine computes\n"
        "wrongly (do not start it again), 78 bad settings (nor then).\n\n"
        "Settings, in FILE or (these win) in the environment, as HASHMILL_KEY or else as KEY:\n",
        HASHMILL_VERSION);
    worker_conf_help(stdout);
}

/* The command line's wishes. */
struct options {
    struct settings_files files;
    bool check;
    int instead;        /* of working: 'b' bench, 'h' help, 'v' version; 0: none */
    const char *extent; /* of the bench; NULL: all */
};

/* Reads the whole command line before anything is done. False, with a line on standard error, when
 * something in it is not understood. */
static bool read_options(struct options *options, int argc, char **argv) {
    static const struct option names[] = {{"bench", optional_argument, NULL, 'b'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "c:t", names, NULL)) != -1) {
        if (option == 'c') {
            if (!settings_add_file(&options->files, optarg)) {
                fprintf(stderr, "hashmill-worker: at most %d files can be given\n",
                        SETTINGS_FILES_MAX);
                return false;
            }
        } else if (option == 't') {
            options->check = true;
        } else if (option == '?') {
            return false;
        } else {
            options->instead = option;
            options->extent = optarg;
        }
    }
    if (optind < argc)
        fprintf(stderr, "hashmill-worker: %s is not an option; see --help\n", argv[optind]);
    return optind == argc;
}

/* Does what the options ask for instead of working. Returns the exit code. */
static int do_instead(const struct options *options) {
    if (options->instead == 'b')
        return print_bench(stdout, options->extent) ? EXIT_OK : EXIT_CONFIG;
    if (options->instead == 'h')
        help();
    else
        printf("hashmill-worker %s\n", HASHMILL_VERSION);
    return EXIT_OK;
}

int main(int argc, char **argv) {
    static struct worker worker;
    enum log_format format;
    char why[1500];
    log_open("hashmill-worker", "main");
    memory_keep_private();
    struct options options = {0};
    if (!read_options(&options, argc, argv))
        return EXIT_CONFIG;
    if (options.instead)
        return do_instead(&options);
    if (!worker_conf_load(&worker.conf, &options.files, why, sizeof why)) {
        if (log_format_named(worker.conf.log_format,
                             &format)) /* it was read before what is wrong */
            log_set_format(format);
        log_error("%s", why);
        return options.check ? EXIT_FAILURE : EXIT_CONFIG;
    }
    certificate_warn("TLS_CA", worker.conf.tls_ca);
    certificate_warn("TLS_CERT", worker.conf.tls_cert);
    if (options.check) {
        printf("hashmill-worker: the settings are good\n");
        return EXIT_OK;
    }
    return run(&worker);
}
