#include "report_rule.h"

#include <string.h>

enum progress progress_of(const struct progress_row *row, const struct queue_report_item *report) {
    bool current = row->has_lease && memcmp(row->lease.bytes, report->lease.bytes, ID_SIZE) == 0;
    if (!current || row->state == ITEM_CANCELLED || report->remaining > row->remaining)
        return PROGRESS_LOST;
    bool open = row->state == ITEM_WAITING || row->state == ITEM_LEASED;
    if (report->remaining == row->remaining) {
        if (memcmp(row->chain, report->chain, DIGEST_SIZE) != 0)
            return PROGRESS_FAULT;
        if (!open)
            return PROGRESS_SAME;
        return report->release ? PROGRESS_RELEASE : PROGRESS_RENEW;
    }
    if (report->remaining == 0)
        return PROGRESS_DONE;
    return report->release ? PROGRESS_RELEASE : PROGRESS_ADVANCE;
}
