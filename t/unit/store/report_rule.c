/* What a report does to its item: the queue's rule as a table. */
#include "fcgi/store/report_rule.h"

#include <string.h>

#include "tap.h"

enum { CHAIN_A = 'a', NO_LEASE = 0 };

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
        is_int(progress_of(&row, &report), cases[i].expected, cases[i].what);
    }
    return done_testing();
}
