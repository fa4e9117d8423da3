/* What a report does to its item: the queue's rule as a table. */
#include "fcgi/store/report_rule.h"

#include <string.h>

#include "tap.h"

enum { CHAIN_A = 'a', NO_LEASE = 0, IDLE_MAX_MS = 180000 };

static const struct {
    const char *what;
    enum item_state state;
    int row_lease;
    int row_remaining;
    int lease; /* of the report, as all that follows */
    int remaining;
    int chain; /* the row's is CHAIN_A */
    int release;
    enum progress expected;
} cases[] = {
    {"a checkpoint", ITEM_LEASED, 1, 50, 1, 40, 'b', 0, PROGRESS_ADVANCE},
    {"a result", ITEM_LEASED, 1, 50, 1, 0, 'b', 0, PROGRESS_DONE},
    {"a result with release is a result", ITEM_LEASED, 1, 50, 1, 0, 'b', 1, PROGRESS_DONE},
    {"a plain renewal", ITEM_LEASED, 1, 50, 1, 50, 'a', 0, PROGRESS_RENEW},
    {"a release with progress", ITEM_LEASED, 1, 50, 1, 40, 'b', 1, PROGRESS_RELEASE},
    {"a release without progress", ITEM_LEASED, 1, 50, 1, 50, 'a', 1, PROGRESS_RELEASE},
    {"a step back", ITEM_LEASED, 1, 50, 1, 51, 'b', 0, PROGRESS_LOST},
    {"a step back as release", ITEM_LEASED, 1, 50, 1, 51, 'b', 1, PROGRESS_LOST},
    {"another chain for the same link", ITEM_LEASED, 1, 50, 1, 50, 'b', 0, PROGRESS_FAULT},
    {"another's lease", ITEM_LEASED, 1, 50, 2, 0, 'b', 0, PROGRESS_LOST},
    {"an item never leased", ITEM_WAITING, 0, 50, 1, 0, 'b', 0, PROGRESS_LOST},
    {"late, but nobody else has it: result", ITEM_WAITING, 1, 50, 1, 0, 'b', 0, PROGRESS_DONE},
    {"late, checkpoint", ITEM_WAITING, 1, 50, 1, 40, 'b', 0, PROGRESS_ADVANCE},
    {"late, renewal", ITEM_WAITING, 1, 50, 1, 50, 'a', 0, PROGRESS_RENEW},
    {"late, and leased to another", ITEM_LEASED, 2, 50, 1, 0, 'b', 0, PROGRESS_LOST},
    {"the result again", ITEM_DONE, 1, 0, 1, 0, 'a', 0, PROGRESS_SAME},
    {"the result again after the pull", ITEM_PULLED, 1, 0, 1, 0, 'a', 0, PROGRESS_SAME},
    {"another value", ITEM_DONE, 1, 0, 1, 0, 'b', 0, PROGRESS_FAULT},
    {"a checkpoint after the result", ITEM_DONE, 1, 0, 1, 40, 'b', 0, PROGRESS_LOST},
    {"done at intake, never leased", ITEM_DONE, 0, 0, 1, 0, 'a', 0, PROGRESS_LOST},
    {"cancelled", ITEM_CANCELLED, 1, 50, 1, 0, 'b', 0, PROGRESS_LOST},
    {"cancelled, equal", ITEM_CANCELLED, 1, 50, 1, 50, 'a', 0, PROGRESS_LOST},
};

/* What time makes of a report: too long without progress, and more progress than can be. */
static void by_time(void) {
    static const struct {
        const char *what;
        enum item_state state;
        int64_t elapsed_ms;
        int64_t idle_ms;
        int64_t remaining; /* of 10^9 when the lease was given, and now */
        bool release;
        enum progress expected;
    } times[] = {
        {"a renewal in time", ITEM_LEASED, 180000, 180000, 1000000000, false, PROGRESS_RENEW},
        {"one that is idle", ITEM_LEASED, 180001, 180001, 1000000000, false, PROGRESS_IDLE},
        {"idle, but given back", ITEM_LEASED, 180001, 180001, 1000000000, true, PROGRESS_RELEASE},
        {"idle and lapsed", ITEM_WAITING, 180001, 180001, 1000000000, false, PROGRESS_LOST},
        {"idle before, now progress", ITEM_LEASED, 180001, 180001, 999999999, false,
         PROGRESS_ADVANCE},
        {"all of it in ten seconds", ITEM_LEASED, 10000, 0, 0, false, PROGRESS_DONE},
        {"all of it in nine", ITEM_LEASED, 9000, 0, 0, false, PROGRESS_IMPOSSIBLE},
        {"part of it at once", ITEM_LEASED, 0, 0, 999900001, false, PROGRESS_ADVANCE},
        {"more of it at once", ITEM_LEASED, 0, 0, 999900000, false, PROGRESS_IMPOSSIBLE},
        {"more, given back", ITEM_LEASED, 0, 0, 1000, true, PROGRESS_IMPOSSIBLE},
        {"a clock that was set back", ITEM_LEASED, -5000, 0, 999900001, false, PROGRESS_ADVANCE},
    };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct progress_row row = {.state = times[i].state,
                                   .has_lease = true,
                                   .remaining = 1000000000,
                                   .has_grant = true,
                                   .granted = 1000000000,
                                   .elapsed_ms = times[i].elapsed_ms,
                                   .idle_ms = times[i].idle_ms};
        struct queue_report_item report = {.remaining = times[i].remaining,
                                           .release = times[i].release};
        is_int(progress_of(&row, &report, IDLE_MAX_MS), times[i].expected, times[i].what);
    }
    struct progress_row old = {
        .state = ITEM_LEASED, .has_lease = true, .remaining = 1000000000, .idle_ms = 0};
    is_int(progress_of(&old, &(struct queue_report_item){.remaining = 0}, IDLE_MAX_MS),
           PROGRESS_DONE, "a lease from before this was noted is believed");
}

int main(void) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct progress_row row = {.state = cases[i].state,
                                   .has_lease = cases[i].row_lease != NO_LEASE,
                                   .remaining = cases[i].row_remaining};
        struct queue_report_item report = {.remaining = cases[i].remaining,
                                           .release = cases[i].release};
        memset(row.lease.bytes, cases[i].row_lease, ID_SIZE);
        memset(row.chain, CHAIN_A, DIGEST_SIZE);
        memset(report.lease.bytes, cases[i].lease, ID_SIZE);
        memset(report.chain, cases[i].chain, DIGEST_SIZE);
        is_int(progress_of(&row, &report, IDLE_MAX_MS), cases[i].expected, cases[i].what);
    }
    by_time();
    return done_testing();
}
