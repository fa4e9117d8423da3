/*
 * hashmill-sim [-v] [--seed N] [--seeds N] [--steps N] [--seconds N] [--jobs N] [--shrink]
 *              [--history FILE] ...
 *
 * Runs histories drawn from seeds, each in a process of its own, or one from a file. A run that
 * breaks a promise is named with its seed; --shrink then leaves out steps as long as the run still
 * fails, and prints those that are left.
 */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "compare.h"
#include "log.h"
#include "steps.h"

enum { FAILED = 3, RUN_SECONDS = 60, TEXT_SIZE = 400, FAILURE_SIZE = 48, PROGRESS_SEEDS = 1000 };

struct options {
    uint64_t seed;
    int64_t seeds;
    int steps;
    int seconds;
    int jobs;
    bool shrink;
    const char *file;
};

/* What the processes have done together. */
struct totals {
    int64_t next; /* seed to be run */
    int64_t seeds;
    int64_t operations;
    int64_t compared;
    int64_t failures;
    volatile sig_atomic_t stopped; /* no seed is begun any more */
    int64_t counts[STEP_COUNT];
};

bool sim_verbose;
static bool quiet;
static struct totals *totals;
static char *failure; /* of the run that failed last, without its numbers; of this job */

int __real_clock_gettime(clockid_t id, struct timespec *now);

static double real_seconds(void) {
    struct timespec now;
    __real_clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#if defined(__SANITIZE_ADDRESS__)
/* Leaks are expected: nothing frees the memory of a killed process. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=0";
}
#endif

/* --- What is said --- */

/* Notes the kind of failure: shrinking must not end with another. */
static void note_failure(const char *text) {
    size_t length = 0;
    for (; *text != '\0' && length + 1 < (size_t)FAILURE_SIZE; text++) {
        if (*text < '0' || *text > '9')
            failure[length++] = *text;
    }
    failure[length] = '\0';
}

void sim_fail(const char *format, ...) {
    char text[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    note_failure(text);
    if (!quiet)
        fprintf(stderr, "%.3f s: BROKEN: %s\n", (double)sim_now_us / 1e6, text);
    _exit(FAILED);
}

static void say(const char *what, const char *format, va_list arguments) {
    char text[TEXT_SIZE];
    if (!sim_verbose || quiet)
        return;
    vsnprintf(text, sizeof text, format, arguments);
    fprintf(stderr, "%.6f %d %s%s%s\n", (double)sim_now_us / 1e6, fiber_node(), fiber_role(), what,
            text);
}

void sim_trace(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    say(": ", format, arguments);
    va_end(arguments);
}

#define LOG(name)                                                                                  \
    void log_##name(const char *format, ...) {                                                     \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        say(" " #name ": ", format, arguments);                                                    \
        va_end(arguments);                                                                         \
    }
LOG(error)
LOG(warn)
LOG(info)
LOG(debug)

void log_open(const char *program, const char *role) {
    (void)program;
    (void)role;
}

void log_set_format(enum log_format format) {
    (void)format;
}

bool log_format_named(const char *name, enum log_format *format) {
    (void)name;
    *format = LOG_FORMAT_TEXT;
    return true;
}

void log_set_request(const char *id) {
    (void)id;
}

struct log_request log_get_request(void) {
    return (struct log_request){0};
}

void log_set_level(enum log_level level) {
    (void)level;
}

bool log_level_named(const char *name, enum log_level *level) {
    (void)name;
    *level = LOG_LEVEL_INFO;
    return true;
}

/* --- Runs --- */

static void run_here(const struct history *history) {
    char path[60];
    const char *parent = getenv("TMPDIR");
    int64_t counts[STEP_COUNT] = {0};
    const char *name = parent ? strrchr(parent, '/') : NULL;
    snprintf(path, sizeof path, "/dev/shm%.24s-sim-%d", name ? name : "/hm", (int)getpid());
    remove_all(path); /* of a run that was killed */
    if (mkdir(path, 0700) != 0)
        sim_fail("cannot make %s", path);
    alarm(RUN_SECONDS);
    disk_open();
    history_run(history, path, counts);
    __atomic_add_fetch(&totals->operations, client_operations, __ATOMIC_RELAXED);
    __atomic_add_fetch(&totals->compared, compare_found, __ATOMIC_RELAXED);
    for (int i = 0; i < STEP_COUNT; i++)
        __atomic_add_fetch(&totals->counts[i], counts[i], __ATOMIC_RELAXED);
}

static void remove_directory(pid_t pid) {
    char path[120];
    const char *parent = getenv("TMPDIR");
    const char *name = parent ? strrchr(parent, '/') : NULL;
    snprintf(path, sizeof path, "/dev/shm%.24s-sim-%d", name ? name : "/hm", (int)pid);
    remove_all(path);
}

/* Runs a history in a process of its own. Whether all promises were kept. */
static bool run_apart(const struct history *history) {
    int status;
    failure[0] = '\0';
    pid_t pid = fork();
    if (pid == 0) {
        run_here(history);
        exit(0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    remove_directory(pid);
    if (!quiet && WIFSIGNALED(status))
        fprintf(stderr, "ended by signal %d\n", WTERMSIG(status));
    return false;
}

/* --- Shrinking --- */

/* Leaves steps [at, at + length) out. False when that mends it. */
static bool leave_out(struct history *history, const char *wanted, int at, int length) {
    struct history less = {.seed = history->seed};
    less.steps = malloc((size_t)history->count * sizeof *less.steps);
    if (!less.steps)
        abort();
    for (int i = 0; i < history->count; i++) {
        if (i >= at && i < at + length)
            continue;
        less.steps[less.count++] = history->steps[i];
    }
    if (run_apart(&less) || strcmp(failure, wanted) != 0) {
        free(less.steps);
        return false;
    }
    free(history->steps);
    *history = less;
    return true;
}

static void shrink(struct history *history) {
    char wanted[FAILURE_SIZE];
    snprintf(wanted, sizeof wanted, "%s", failure);
    quiet = true;
    for (int length = history->count / 2; length > 0; length /= 2) {
        for (int at = history->count - length; at > -length; at -= length) {
            int from = at < 0 ? 0 : at;
            leave_out(history, wanted, from, at < 0 ? at + length : length);
        }
    }
    quiet = false;
    printf("# what is left of seed %llu\n", (unsigned long long)history->seed);
    history_write(history, stdout);
    fflush(stdout);
    run_apart(history);
}

/* --- Seeds --- */

static bool run_seed(const struct options *options, uint64_t seed) {
    struct history history;
    history_draw(&history, seed, options->steps);
    bool good = run_apart(&history);
    int64_t seeds = __atomic_add_fetch(&totals->seeds, 1, __ATOMIC_RELAXED);
    if (seeds % PROGRESS_SEEDS == 0)
        fprintf(stderr, "%lld seeds, %lld operations\n", (long long)seeds,
                (long long)totals->operations);
    if (!good) {
        __atomic_add_fetch(&totals->failures, 1, __ATOMIC_RELAXED);
        fprintf(stderr, "seed %llu breaks a promise (--seed %llu --shrink)\n",
                (unsigned long long)seed, (unsigned long long)seed);
        if (options->shrink)
            shrink(&history);
    }
    free(history.steps);
    return good;
}

static void *shared(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(2);
    return memory;
}

static void run_job(const struct options *options, double until) {
    failure = shared(FAILURE_SIZE);
    for (;;) {
        int64_t next = __atomic_fetch_add(&totals->next, 1, __ATOMIC_RELAXED);
        if (next >= options->seeds || real_seconds() > until || totals->stopped)
            return;
        run_seed(options, options->seed + (uint64_t)next);
    }
}

/* Told to stop: begins no more histories, and reports those that were run. */
static void stop(int number) {
    (void)number;
    totals->stopped = 1;
}

static int run_seeds(const struct options *options) {
    double before = real_seconds();
    double until = options->seconds > 0 ? before + options->seconds : before + 1e9;
    for (int i = 0; i < options->jobs; i++) {
        if (fork() == 0) {
            run_job(options, until);
            exit(0);
        }
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    while (wait(NULL) > 0 || errno == EINTR)
        continue;
    double seconds = real_seconds() - before;
    printf("%lld seeds from %llu, %lld operations, %.0f a second, %lld replicas compared, %lld "
           "failures\n",
           (long long)totals->seeds, (unsigned long long)options->seed,
           (long long)totals->operations, (double)totals->operations / seconds,
           (long long)totals->compared, (long long)totals->failures);
    for (int i = 0; i < STEP_COUNT; i++)
        printf("%s %lld%s", step_name(i), (long long)totals->counts[i],
               i + 1 < STEP_COUNT ? ", " : "\n");
    return totals->failures > 0;
}

static int run_file(const struct options *options) {
    struct history history;
    FILE *file = fopen(options->file, "r");
    if (!file || !history_read(&history, file)) {
        fprintf(stderr, "%s cannot be read\n", options->file);
        return 2;
    }
    fclose(file);
    bool good = run_apart(&history);
    if (!good && options->shrink)
        shrink(&history);
    free(history.steps);
    return !good;
}

static bool parse(int argc, char **argv, struct options *options) {
    static const struct option names[] = {
        {"seed", required_argument, NULL, 's'},    {"seeds", required_argument, NULL, 'n'},
        {"steps", required_argument, NULL, 'c'},   {"seconds", required_argument, NULL, 't'},
        {"jobs", required_argument, NULL, 'j'},    {"shrink", no_argument, NULL, 'k'},
        {"history", required_argument, NULL, 'f'}, {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "v", names, NULL)) != -1) {
        switch (letter) {
        case 'v':
            sim_verbose = true;
            break;
        case 's':
            options->seed = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            options->seeds = strtoll(optarg, NULL, 10);
            break;
        case 'c':
            options->steps = (int)strtol(optarg, NULL, 10);
            break;
        case 't':
            options->seconds = (int)strtol(optarg, NULL, 10);
            break;
        case 'j':
            options->jobs = (int)strtol(optarg, NULL, 10);
            break;
        case 'k':
            options->shrink = true;
            break;
        case 'f':
            options->file = optarg;
            break;
        default:
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv) {
    struct options options = {.seed = 1, .seeds = 1, .steps = 600, .jobs = 1};
    if (!parse(argc, argv, &options))
        return 2;
    signal(SIGPIPE, SIG_IGN);
    totals = shared(sizeof *totals);
    failure = shared(FAILURE_SIZE);
    return options.file ? run_file(&options) : run_seeds(&options);
}
