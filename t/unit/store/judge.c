/* What becomes of the items of a report. */
#include "fcgi/store/judge.h"

#include <string.h>

#include "tap.h"

enum { LEASE_SECONDS = 30, NOT_IDLE = 0, IDLE = 91000 };

static const struct uuid LEASE = {{1}};

/* An item of which 60 of 100 links remained when it was leased. */
static struct progress_row row_of(enum item_state state, int64_t idle_ms) {
    struct progress_row row = {.state = state,
                               .has_lease = true,
                               .lease = LEASE,
                               .remaining = 50,
                               .has_grant = true,
                               .granted = 60,
                               .elapsed_ms = 1000,
                               .idle_ms = idle_ms};
    return row;
}

static void test_items(void) {
    const struct {
        const char *name;
        enum item_state from;
        int64_t idle_ms;
        int64_t remaining;
        bool release;
        bool may_hold;
        enum item_state to;
        bool taken;
        bool strike;
        bool on_way;
        int in_hand;
    } rows[] = {
        {"progress", ITEM_LEASED, NOT_IDLE, 40, false, true, ITEM_LEASED, true, false, true, 0},
        {"no progress yet", ITEM_LEASED, NOT_IDLE, 50, false, true, ITEM_LEASED, true, false, false,
         0},
        {"none for too long", ITEM_LEASED, IDLE, 50, false, true, ITEM_WAITING, false, true, true,
         -1},
        {"the value", ITEM_LEASED, NOT_IDLE, 0, false, true, ITEM_DONE, true, false, false, -1},
        {"given back", ITEM_LEASED, NOT_IDLE, 40, true, true, ITEM_WAITING, true, false, true, -1},
        {"given back as it was", ITEM_LEASED, NOT_IDLE, 50, true, true, ITEM_WAITING, true, false,
         true, -1},
        {"after it lapsed", ITEM_WAITING, NOT_IDLE, 40, false, true, ITEM_LEASED, true, false, true,
         1},
        {"after it lapsed, by one who holds enough", ITEM_WAITING, NOT_IDLE, 40, false, false,
         ITEM_WAITING, false, false, true, 0},
        {"the value after it lapsed", ITEM_WAITING, NOT_IDLE, 0, false, false, ITEM_DONE, true,
         false, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct progress_row row = row_of(rows[i].from, rows[i].idle_ms);
        struct queue_report_item item = {
            .lease = LEASE, .remaining = rows[i].remaining, .release = rows[i].release};
        struct judge judge = {0};
        enum progress progress = progress_of(&row, &item, judge_idle_max_ms(LEASE_SECONDS));
        ok(!judge_refuses(progress), "%s", rows[i].name);
        ok(judge_takes_up(&row, progress) == (rows[i].from == ITEM_WAITING && item.remaining > 0),
           "only what has lapsed is taken up");
        struct judged judged = judge_item(&judge, &row, &item, progress, rows[i].may_hold);
        ok(judged.changes && judged.to == rows[i].to && judged.taken == rows[i].taken &&
               judged.strike == rows[i].strike,
           "its state");
        ok(judge.on_way == rows[i].on_way && judge.in_hand == rows[i].in_hand &&
               judge.results == (rows[i].to == ITEM_DONE) && judge.others != judge.results,
           "what the report has");
        is_int(judge.work.links, 50 - item.remaining, "the links that were computed");
        is_int(judge.work.finished, rows[i].to == ITEM_DONE, "and how many are finished");
    }
}

static void test_refused(void) {
    struct progress_row row = row_of(ITEM_LEASED, NOT_IDLE);
    struct queue_report_item item = {.lease = {{2}}, .remaining = 40};
    ok(judge_refuses(progress_of(&row, &item, 1)), "another lease is refused");
    item = (struct queue_report_item){.lease = LEASE, .remaining = 50, .chain = {1}};
    ok(judge_refuses(progress_of(&row, &item, 1)), "another chain is");
    row = row_of(ITEM_DONE, NOT_IDLE);
    row.remaining = 0;
    item = (struct queue_report_item){.lease = LEASE};
    enum progress progress = progress_of(&row, &item, 1);
    struct judge judge = {0};
    struct judged judged = judge_item(&judge, &row, &item, progress, true);
    ok(judged.taken && !judged.changes, "a result that is repeated is taken and changes nothing");
}

static void test_runs(void) {
    static struct queue_report report = {.count = 5};
    for (int i = 0; i < 5; i++)
        report.items[i].id.bytes[ID_SIZE - 1] = (uint8_t)i;
    is_int(judge_end_of_run(&report, 0), 5, "all ids differ: one run");
    report.items[3].id = report.items[1].id;
    is_int(judge_end_of_run(&report, 0), 3, "it ends before an id that was there");
    is_int(judge_end_of_run(&report, 3), 5, "and the next begins with it");
}

static void test_quarantine(void) {
    struct progress_row row = row_of(ITEM_LEASED, NOT_IDLE);
    struct queue_report_item item = {.remaining = 10};
    struct queue_worker worker = {.name = "w1", .identity = "liar"};
    struct queue_quarantine quarantine = judge_quarantine(&worker, &item, &row);
    ok(quarantine.begins && strcmp(quarantine.identity, "liar") == 0, "whose quarantine it is");
    ok(strstr(quarantine.why, "worker w1 reported 50 links") &&
           strstr(quarantine.why, "within 1000 ms"),
       "and why");
}

int main(void) {
    test_items();
    test_refused();
    test_runs();
    test_quarantine();
    return done_testing();
}
