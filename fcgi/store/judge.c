#include "judge.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "queue/id.h"

enum { IDLE_LEASES = 3 /* of this many LEASE_SECONDS without progress comes a strike */ };

int64_t judge_idle_max_ms(int64_t lease_seconds) {
    return IDLE_LEASES * lease_seconds * 1000;
}

bool judge_refuses(enum progress progress) {
    return progress == PROGRESS_LOST || progress == PROGRESS_FAULT ||
           progress == PROGRESS_IMPOSSIBLE;
}

bool judge_takes_up(const struct progress_row *row, enum progress progress) {
    return row->state != ITEM_LEASED &&
           (progress == PROGRESS_RENEW || progress == PROGRESS_ADVANCE);
}

struct judged judge_item(struct judge *judge, const struct progress_row *row,
                         const struct queue_report_item *item, enum progress progress,
                         bool may_hold) {
    struct judged judged = {.taken = true, .to = row->state};
    if (progress == PROGRESS_SAME)
        return judged;
    judged.changes = true;
    judged.strike = progress == PROGRESS_IDLE;
    judged.to = ITEM_LEASED;
    if (progress == PROGRESS_DONE)
        judged.to = ITEM_DONE;
    else if (progress == PROGRESS_RELEASE || progress == PROGRESS_IDLE || !may_hold)
        judged.to = ITEM_WAITING;
    judged.taken = judged.to != ITEM_WAITING || progress == PROGRESS_RELEASE;
    judge->work.links += row->remaining - item->remaining;
    judge->work.finished += progress == PROGRESS_DONE;
    judge->results |= judged.to == ITEM_DONE;
    judge->others |= judged.to != ITEM_DONE;
    judge->on_way |=
        item->remaining > 0 && (item->remaining < row->remaining ||
                                (judged.to == ITEM_WAITING && item->remaining < row->granted));
    judge->in_hand += (judged.to == ITEM_LEASED) - (row->state == ITEM_LEASED);
    return judged;
}

int judge_end_of_run(const struct queue_report *report, int first) {
    enum { PLACES = 2048 };
    int16_t places[PLACES] = {0}; /* number of an item, plus 1 */
    for (int n = first; n < report->count; n++) {
        const uint8_t *id = report->items[n].id.bytes;
        unsigned place = (id[ID_SIZE - 1] | (unsigned)id[ID_SIZE - 2] << 8) % PLACES;
        while (places[place] != 0) {
            if (memcmp(report->items[places[place] - 1].id.bytes, id, ID_SIZE) == 0)
                return n;
            place = (place + 1) % PLACES;
        }
        places[place] = (int16_t)(n + 1);
    }
    return report->count;
}

void judge_log_fault(struct log_limit *limit, const struct queue_report_item *item,
                     const struct queue_worker *worker) {
    char text[ID_TEXT_SIZE];
    int64_t left_out;
    if (!log_limit_passes(limit, worker->identity, &left_out))
        return;
    id_format(text, item->id);
    log_error("item %s: worker %s of %s (kernel %s) reports another chain than is stored for %lld "
              "iterations remaining; it was refused: check that worker's machine (%lld more since "
              "the last such line)",
              text, worker->name, worker->identity, worker->kernel, (long long)item->remaining,
              (long long)left_out);
}

struct queue_quarantine judge_quarantine(const struct queue_worker *worker,
                                         const struct queue_report_item *item,
                                         const struct progress_row *row) {
    char text[ID_TEXT_SIZE];
    struct queue_quarantine quarantine = {.begins = 1};
    id_format(text, item->id);
    snprintf(quarantine.identity, sizeof quarantine.identity, "%s", worker->identity);
    snprintf(quarantine.why, sizeof quarantine.why,
             "worker %s reported %lld links of item %s within %lld ms, more than any machine "
             "computes",
             worker->name, (long long)(row->granted - item->remaining), text,
             (long long)row->elapsed_ms);
    return quarantine;
}

void judge_log_quarantine(const struct queue_quarantine *quarantine) {
    log_error("%s is in quarantine: %s; look at that machine, then run hashmill-fcgi --release %s",
              quarantine->identity, quarantine->why, quarantine->identity);
}
