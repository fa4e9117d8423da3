#include "report_rule.h"

#include <string.h>

/* Whether a chain can have come so far since its lease was given. */
static bool is_possible(const struct progress_row *row, int64_t remaining) {
    int64_t ms = row->elapsed_ms > 0 ? row->elapsed_ms + 1 : 1;
    return !row->has_grant || ms > (row->granted - remaining) / PROGRESS_LINKS_A_MS_MAX;
}

enum progress progress_of(const struct progress_row *row, const struct queue_report_item *report,
                          int64_t idle_max_ms) {
    bool current = row->has_lease && memcmp(row->lease.bytes, report->lease.bytes, ID_SIZE) == 0;
    if (!current || row->state == ITEM_CANCELLED || report->remaining > row->remaining)
        return PROGRESS_LOST;
    bool open = row->state == ITEM_WAITING || row->state == ITEM_LEASED;
    if (report->remaining == row->remaining) {
        if (memcmp(row->chain, report->chain, DIGEST_SIZE) != 0)
            return PROGRESS_FAULT;
        if (!open)
            return PROGRESS_SAME;
        if (report->release)
            return PROGRESS_RELEASE;
        if (row->idle_ms <= idle_max_ms)
            return PROGRESS_RENEW;
        return row->state == ITEM_LEASED ? PROGRESS_IDLE : PROGRESS_LOST;
    }
    if (!is_possible(row, report->remaining))
        return PROGRESS_IMPOSSIBLE;
    if (report->remaining == 0)
        return PROGRESS_DONE;
    return report->release ? PROGRESS_RELEASE : PROGRESS_ADVANCE;
}
