#include "ledger.h"

#include <string.h>

#include "clock.h"

/* --- Changes --- */

/* Adds to a count. One that would leave its range was wrong before, or the change is: the batch
 * does not end with it. */
static void add(struct ledger *ledger, int64_t *count, int64_t change, int64_t most) {
    int64_t least = ledger->is_part ? -most : 0;
    int64_t sum;
    if (__builtin_add_overflow(*count, change, &sum) || sum < least || sum > most)
        ledger->wrong = true;
    else
        *count = sum;
}

static void add_items(struct ledger *ledger, struct client *client, int state, int64_t items) {
    if (state == LEDGER_GONE)
        return;
    add(ledger, &ledger->counts.items[state], items, ITEMS_SUM_MAX);
    add(ledger, &client->counts.items[state], items, ITEMS_SUM_MAX);
}

static void add_remaining(struct ledger *ledger, struct client *client, int64_t change) {
    add(ledger, &ledger->counts.remaining, change, REMAINING_SUM_MAX);
    add(ledger, &client->counts.remaining, change, REMAINING_SUM_MAX);
}

/* A client whose counts are about to change; NULL, and the counts are wrong, when no such client is
 * known. */
static struct client *changing(struct ledger *ledger, int64_t client) {
    struct client *found = clients_at(&ledger->clients, client);
    if (found)
        clients_note(&ledger->clients, found);
    else
        ledger->wrong = true;
    return found;
}

void ledger_add(struct ledger *ledger, int64_t client, enum item_state state, int64_t remaining) {
    struct client *of = changing(ledger, client);
    if (!of)
        return;
    add_items(ledger, of, state, 1);
    add_remaining(ledger, of, remaining);
    of->work.enqueued++;
    of->work.done += state == ITEM_DONE;
    ledger->counts.work.enqueued++;
    ledger->counts.work.done += state == ITEM_DONE;
}

void ledger_move(struct ledger *ledger, const struct move *move) {
    int64_t before = move->from <= ITEM_LEASED ? move->before : 0;
    int64_t after = move->to <= ITEM_LEASED ? move->after : 0;
    struct client *of = changing(ledger, move->client);
    if (!of)
        return;
    add_items(ledger, of, move->from, -1);
    add_items(ledger, of, move->to, 1);
    add_remaining(ledger, of, after - before);
    of->work.done += move->to == ITEM_DONE;
    of->work.iterations += move->to == ITEM_CANCELLED ? 0 : move->before - move->after;
    ledger->counts.work.done += move->to == ITEM_DONE;
    ledger->done.counts[METRICS_CANCELLED] += move->to == ITEM_CANCELLED;
}

void ledger_move_items(struct ledger *ledger, int64_t client, int64_t items, enum item_state from,
                       int to) {
    struct client *of = changing(ledger, client);
    if (!of)
        return;
    add_items(ledger, of, from, -items);
    add_items(ledger, of, to, items);
}

void ledger_pulled(struct ledger *ledger, int64_t client, int64_t items) {
    struct client *of = changing(ledger, client);
    if (of)
        of->work.pulled += items;
    ledger->counts.work.pulled += items;
}

void ledger_found(struct ledger *ledger, int64_t client, int64_t state, int64_t remaining) {
    struct client *of = changing(ledger, client);
    if (!of || state < 0 || state >= ITEM_STATES)
        return;
    add_items(ledger, of, (int)state, 1);
    if (state <= ITEM_LEASED)
        add_remaining(ledger, of, remaining);
}

void ledger_forget(struct ledger *ledger) {
    struct ledger_counts *counts = &ledger->counts;
    memset(counts->items, 0, sizeof counts->items);
    counts->remaining = 0;
    ledger->wrong = false;
    for (int64_t i = 0; i < ledger->clients.count; i++) {
        struct client *client = clients_at(&ledger->clients, i);
        if (!client)
            continue;
        client->counts = (struct client_counts){0};
        clients_note(&ledger->clients, client);
    }
}

bool ledger_adds_up(const struct ledger *ledger) {
    const struct ledger_counts *counts = &ledger->counts;
    uint64_t rest[ITEM_STATES + 1]; /* unsigned, as sums that make no sense may wrap */
    for (int state = 0; state < ITEM_STATES; state++)
        rest[state] = (uint64_t)counts->items[state];
    rest[ITEM_STATES] = (uint64_t)counts->remaining;
    for (int64_t i = 0; i < ledger->clients.count; i++) {
        const struct client *of = clients_at(&ledger->clients, i);
        for (int state = 0; state < ITEM_STATES && of; state++)
            rest[state] -= (uint64_t)of->counts.items[state];
        rest[ITEM_STATES] -= of ? (uint64_t)of->counts.remaining : 0;
    }
    for (int i = 0; i <= ITEM_STATES; i++) {
        if (rest[i] != 0)
            return false;
    }
    return true;
}

/* --- Batches --- */

void ledger_begin(struct ledger *ledger) {
    ledger->done = (struct metrics_work){0};
}

void ledger_keep(struct ledger *ledger) {
    const struct queue_work *all = &ledger->counts.work;
    const struct queue_work *before = &ledger->saved.work;
    struct queue_work work = {.enqueued = all->enqueued - before->enqueued,
                              .done = all->done - before->done,
                              .pulled = all->pulled - before->pulled,
                              .iterations = all->iterations - before->iterations};
    int64_t now = clock_steady_ms();
    rates_add(&ledger->rates, now, &work);
    ledger->done.counts[METRICS_ENQUEUED] = work.enqueued;
    ledger->done.counts[METRICS_DONE] = work.done;
    ledger->done.counts[METRICS_PULLED] = work.pulled;
    ledger->done.counts[METRICS_ITERATIONS] = work.iterations;
    metrics_add_work(&ledger->done);
    ledger->saved = ledger->counts;
    clients_keep(&ledger->clients, now);
}

void ledger_undo(struct ledger *ledger) {
    ledger->counts = ledger->saved;
    ledger->wrong = false;
    clients_undo(&ledger->clients);
}

/* Adds what changed from one to the other. */
static void add_change(int64_t items[ITEM_STATES], int64_t *remaining,
                       const struct client_counts *from, const struct client_counts *to) {
    for (int state = 0; state < ITEM_STATES; state++)
        items[state] += to->items[state] - from->items[state];
    *remaining += to->remaining - from->remaining;
}

void ledger_hear(struct ledger *ledger, const struct client_counts *elsewhere) {
    struct ledger_counts *counts = &ledger->counts;
    struct ledger_counts *saved = &ledger->saved;
    add_change(counts->items, &counts->remaining, &ledger->elsewhere, elsewhere);
    add_change(saved->items, &saved->remaining, &ledger->elsewhere, elsewhere);
    ledger->elsewhere = *elsewhere;
}

void ledger_hear_of(struct client *client, const struct client_counts *elsewhere) {
    add_change(client->counts.items, &client->counts.remaining, &client->elsewhere, elsewhere);
    add_change(client->saved.items, &client->saved.remaining, &client->elsewhere, elsewhere);
    client->elsewhere = *elsewhere;
}

/* --- Questions --- */

int64_t ledger_open(const int64_t items[ITEM_STATES]) {
    return items[ITEM_WAITING] + items[ITEM_LEASED] + items[ITEM_DONE];
}

void ledger_left(struct ledger *ledger, const char *name, const struct queue_quota *quota,
                 struct queue_left *left) {
    struct client *client = clients_named(&ledger->clients, name);
    *left = (struct queue_left){.rate = quota->burst};
    if (!client) /* it has enqueued nothing yet */
        return;
    left->items = ledger_open(client->counts.items);
    left->work = client->counts.remaining;
    if (quota->rate == 0)
        return;
    left->rate = client_may_enqueue(client, clock_steady_ms(), quota->rate, quota->burst);
    left->whole_ms = client_wait_ms(client, quota->burst, quota->rate);
}

void ledger_tally_client(const struct ledger *ledger, const char *name, struct queue_tally *tally) {
    const struct client *client = clients_named(&ledger->clients, name);
    int64_t now = clock_steady_ms();
    memset(tally->items, 0, sizeof tally->items); /* it has the answer to another question */
    memset(tally->work, 0, sizeof tally->work);
    tally->remaining = 0;
    if (!client)
        return;
    memcpy(tally->items, client->counts.items, sizeof tally->items);
    tally->remaining = client->counts.remaining;
    for (int span = 0; span < QUEUE_SPANS && client->rates; span++)
        tally->work[span] = rates_sum(client->rates, now, queue_span_seconds[span]);
}

void ledger_tally(const struct ledger *ledger, struct queue_tally *tally) {
    memcpy(tally->items, ledger->counts.items, sizeof tally->items);
    tally->remaining = ledger->counts.remaining;
    for (int span = 0; span < QUEUE_SPANS; span++)
        tally->work[span] = rates_sum(&ledger->rates, clock_steady_ms(), queue_span_seconds[span]);
}

bool ledger_has_done(const struct ledger *ledger, const char *client) {
    const struct client *found = clients_named(&ledger->clients, client);
    return found && found->counts.items[ITEM_DONE] > 0;
}

const char *ledger_newly_done(const struct ledger *ledger, int *next, int64_t *items) {
    while (*next < ledger->clients.changed_count) {
        const struct client *client = ledger->clients.changed[(*next)++].client;
        *items = client->work.done;
        if (client->work.done > 0)
            return client->name;
    }
    return NULL;
}
