/* What a writer counts, and which items it admits by that. */
#include "fcgi/store/ledger.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "fcgi/store/admission.h"
#include "tap.h"

static struct conf conf = {.items_max = 10, .remaining_max = 1000, .lease_seconds = 30};
static struct ledger ledger = {.conf = &conf};

static struct queue_enqueue item_of(const char *client, int64_t iterations) {
    struct queue_enqueue item = {.iterations = iterations};
    snprintf(item.client.name, sizeof item.client.name, "%s", client);
    return item;
}

/* Enqueues an item as an engine does. */
static enum queue_result enqueue(const struct queue_enqueue *item) {
    struct client *client = clients_named(&ledger.clients, item->client.name);
    enum queue_result result = admit_by_quota(&ledger, client, item);
    if (result == QUEUE_OK)
        result = admit_by_room(&ledger, item);
    if (result != QUEUE_OK)
        return result;
    if (!client)
        client = clients_add(&ledger.clients, ledger.clients.count, item->client.name);
    admit_rank(&ledger, client, item, clock_steady_ms());
    admit_count(&ledger, client, item);
    return QUEUE_OK;
}

static int64_t items(enum item_state state) {
    return ledger.counts.items[state];
}

static void test_batches(void) {
    const struct queue_enqueue item = item_of("alice", 5);
    ledger_begin(&ledger);
    is_int(enqueue(&item), QUEUE_OK, "an item");
    ledger_keep(&ledger);
    ledger_begin(&ledger);
    is_int(enqueue(&item), QUEUE_OK, "another one");
    is_int(items(ITEM_WAITING), 2, "both are counted");
    is_int(ledger.counts.remaining, 8, "with what remains of them");
    ledger_undo(&ledger);
    is_int(items(ITEM_WAITING), 1, "a batch that is undone leaves nothing");
    is_int(clients_named(&ledger.clients, "alice")->counts.remaining, 4, "of its client, either");
    ok(ledger_adds_up(&ledger), "clients add up to all");
}

static void test_moves(void) {
    int64_t done;
    int next = 0;
    ledger_begin(&ledger);
    ledger_move_items(&ledger, 0, 1, ITEM_WAITING, ITEM_LEASED);
    ok(!ledger_has_done(&ledger, "alice"), "nothing is done yet");
    ledger_move(&ledger, &(struct move){.from = ITEM_LEASED, .to = ITEM_DONE, .before = 4});
    ok(ledger_has_done(&ledger, "alice") && !ledger_has_done(&ledger, "bob"), "now alice's is");
    ok(strcmp(ledger_newly_done(&ledger, &next, &done), "alice") == 0, "and it is said whose");
    is_int(done, 1, "and how many");
    ok(!ledger_newly_done(&ledger, &next, &done), "nobody else's");
    is_int(ledger.counts.remaining, 0, "nothing remains");
    ledger_move_items(&ledger, 0, 1, ITEM_DONE, LEDGER_GONE);
    is_int(items(ITEM_DONE), 0, "what is gone is nowhere");
    ok(!ledger.wrong, "all of that fits");
    ledger_move_items(&ledger, 0, 1, ITEM_DONE, LEDGER_GONE);
    ok(ledger.wrong, "what is not there cannot go");
    ledger_undo(&ledger);
    ok(!ledger.wrong && items(ITEM_WAITING) == 1, "undone, the counts are right again");
    ledger.is_part = true;
    ledger_move_items(&ledger, 0, 2, ITEM_WAITING, ITEM_LEASED);
    ok(!ledger.wrong && items(ITEM_WAITING) == -1, "but a part of all may be less than nothing");
    ledger_undo(&ledger);
    ledger.is_part = false;
    ledger_move_items(&ledger, 7, 1, ITEM_WAITING, ITEM_LEASED);
    ok(ledger.wrong, "a client that nobody knows is wrong");
    ledger_undo(&ledger);
}

/* A row: a quota and an item, and what becomes of it. */
static void test_quotas(void) {
    const struct {
        struct queue_quota quota;
        int64_t iterations;
        enum queue_result result;
        const char *name;
    } rows[] = {
        {{.iterations = 5}, 5, QUEUE_OK, "as long as one may be"},
        {{.iterations = 5}, 6, QUEUE_TOO_LONG, "longer"},
        {{.items = 2}, 5, QUEUE_OK, "as many as there may be"},
        {{.items = 1}, 5, QUEUE_OVER_ITEMS, "more"},
        {{.work = 8}, 5, QUEUE_OK, "as much work as there may be"},
        {{.work = 7}, 5, QUEUE_OVER_WORK, "more work"},
        {{.rate = 1, .burst = 1}, 5, QUEUE_OK, "as fast as one may be"},
        {{0}, 998, QUEUE_FULL, "more work than the queue holds"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct queue_enqueue item = item_of("alice", rows[i].iterations);
        item.client.quota = rows[i].quota;
        ledger.retry_seconds = 0;
        ledger_begin(&ledger);
        is_int(enqueue(&item), rows[i].result, rows[i].name);
        if (queue_has_retry(rows[i].result))
            ok(ledger.retry_seconds >= 1 && ledger.retry_seconds <= 60, "and when to try again");
        ledger_undo(&ledger);
    }
    struct queue_enqueue fast = item_of("alice", 5);
    fast.client.quota = (struct queue_quota){.rate = 1, .burst = 1};
    is_int(enqueue(&fast), QUEUE_OK, "one of a client with a rate");
    is_int(enqueue(&fast), QUEUE_OVER_RATE, "the next is too early");
    ledger_undo(&ledger);
    for (int i = 0; i < 9; i++) {
        struct queue_enqueue item = item_of("bob", 2);
        enqueue(&item);
    }
    struct queue_enqueue last = item_of("carol", 2);
    is_int(enqueue(&last), QUEUE_FULL, "more items than the queue holds");
    ok(!clients_named(&ledger.clients, "carol"), "make nobody a client");
}

static void test_cancelled(void) {
    int64_t before = clients_named(&ledger.clients, "bob")->rank.finish;
    admit_cancelled(&ledger, &(struct cancelled_item){.client = 1,
                                                      .state = ITEM_WAITING,
                                                      .iterations = 2,
                                                      .remaining = 1,
                                                      .since_ms = clock_steady_ms()});
    is_int(items(ITEM_CANCELLED), 1, "a cancelled item is counted");
    is_int(ledger.done.counts[METRICS_CANCELLED], 1, "also for the metrics");
    ok(clients_named(&ledger.clients, "bob")->rank.finish < before, "its share is given back");
    struct queue_tally tally = {0};
    ledger_tally_client(&ledger, "bob", &tally);
    is_int(tally.items[ITEM_WAITING] + tally.items[ITEM_CANCELLED], 9, "a tally of one client");
    ledger_tally(&ledger, &tally);
    is_int(tally.items[ITEM_WAITING], 9, "and of all");
    ledger_forget(&ledger);
    ledger_found(&ledger, 1, ITEM_LEASED, 3);
    ledger_found(&ledger, 1, 17, 3);
    ok(items(ITEM_LEASED) == 1 && ledger.counts.remaining == 3 && ledger_adds_up(&ledger),
       "counted again, without what makes no sense");
}

int main(void) {
    test_batches();
    test_moves();
    test_quotas();
    test_cancelled();
    clients_free(&ledger.clients);
    return done_testing();
}
