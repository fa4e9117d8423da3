/* What processes count: each in its place, summed over all; a place goes on with the next process;
 * histograms. */

#include "fcgi/metrics/metrics.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/http/reply.h"
#include "tap.h"

enum { PROCESSES = 3, ROUTES = 4, OK_COLUMN = 0, OTHER_COLUMN = METRICS_CODES - 1 };

static void count_something(void) {
    struct metrics_work work = {.counts = {[METRICS_ENQUEUED] = 3, [METRICS_ITERATIONS] = 1000}};
    metrics_note(&work.waits, &metrics_waits, 100);
    metrics_note(&work.waits, &metrics_waits, 101);
    metrics_add_work(&work);
    metrics_add_commit(500);
    metrics_add_request(1, 200, 1001);
}

/* Counts something in a process of its own, which is killed then. */
static void count_in(int process, int first_route) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        metrics_use(process, first_route);
        count_something();
        raise(SIGKILL);
    }
    waitpid(pid, &status, 0);
}

static void test_places(void) {
    count_something();
    ok(metrics_open(PROCESSES, ROUTES), "there is memory");
    count_something();
    is_int(metrics_counter(METRICS_ENQUEUED), 0, "a process without a place counts nothing");
    count_in(0, 0);
    is_int(metrics_counter(METRICS_ENQUEUED), 3,
           "one with a place does, and leaves it when killed");
    count_in(0, 0);
    count_in(PROCESSES - 1, 2);
    count_in(PROCESSES, 0);
    is_int(metrics_counter(METRICS_ENQUEUED), 9,
           "the next one goes on; others have places of their own");
    is_int(metrics_counter(METRICS_ITERATIONS), 3000, "each counter has its own");
    is_int(metrics_counter(METRICS_FAULTS), 0, "or nothing");
    is_int(metrics_requests(1, OK_COLUMN), 2, "a route of the first table");
    is_int(metrics_requests(3, OK_COLUMN), 1, "and of a later one");
    ok(metrics_open(PROCESSES, ROUTES), "another server");
    is_int(metrics_counter(METRICS_ENQUEUED), 0, "begins with 0");
}

static void test_histograms(void) {
    struct metrics_histogram waits = {.sum = 0};
    struct metrics_histogram took = {.sum = 0};
    struct metrics_histogram commits = {.sum = 0};
    metrics_use(0, 0);
    count_something();
    metrics_item_waits(&waits);
    is_int(waits.counts[0], 1, "a value that is a bound is in its bucket");
    is_int(waits.counts[1], 1, "one above it is in the next");
    is_int(waits.sum, 201, "the sum is exact");
    metrics_commits(&commits);
    is_int(commits.counts[0], 1, "a commit");
    metrics_requests_took(1, &took);
    metrics_requests_took(1, &took);
    is_int(took.counts[2], 2, "what is read is added");
    metrics_add_commit(INT64_MAX / 4);
    metrics_add_commit(-5);
    memset(&commits, 0, sizeof commits);
    metrics_commits(&commits);
    is_int(commits.counts[METRICS_BUCKETS - 1], 1, "the last bucket has no bound");
    is_int(commits.counts[0], 2, "a time before it began is none");
    is_int(commits.sum, INT64_MAX / 4 + 500, "and takes nothing away");
}

static void test_requests(void) {
    int good = 0;
    metrics_add_request(-1, 404, 10);
    metrics_add_request(ROUTES, 404, 10);
    metrics_add_request(0, 299, 10);
    is_int(metrics_requests(-1, 7), 2, "no route, or none that there is, is one place");
    is_int(metrics_requests(0, OTHER_COLUMN), 1, "another status is counted as such");
    for (int column = 0; column < OTHER_COLUMN; column++)
        good += strcmp(reply_reason(metrics_codes[column]), "Unknown") != 0;
    is_int(good, OTHER_COLUMN, "each column is a status that is answered");
    for (int status = 100; status < 600; status++)
        good -= strcmp(reply_reason(status), "Unknown") != 0;
    is_int(good, 0, "and each status that is answered has one");
}

int main(void) {
    test_places();
    test_histograms();
    test_requests();
    return done_testing();
}
