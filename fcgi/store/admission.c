#include "admission.h"

#include "clock.h"
#include "retry_after.h"

enum item_state admit_state(const struct queue_enqueue *item) {
    return item->iterations == 1 ? ITEM_DONE : ITEM_WAITING;
}

enum queue_result admit_by_quota(struct ledger *ledger, struct client *client,
                                 const struct queue_enqueue *item) {
    static const struct client_counts none;
    const struct queue_quota *quota = &item->client.quota;
    const struct client_counts *has = client ? &client->counts : &none;
    if (quota->iterations > 0 && item->iterations > quota->iterations)
        return QUEUE_TOO_LONG;
    int64_t more_items = ledger_open(has->items) + 1 - quota->items;
    int64_t more_work = has->remaining + item->iterations - 1 - quota->work;
    bool over_items = quota->items > 0 && more_items > 0;
    bool over_work = quota->work > 0 && more_work > 0;
    if (client && quota->rate > 0 &&
        client_may_enqueue(client, clock_steady_ms(), quota->rate, quota->burst) < 1) {
        int64_t items = 1 + item->over_rate;
        ledger->retry_seconds =
            (int32_t)((client_wait_ms(client, items, quota->rate) + 999) / 1000);
        return QUEUE_OVER_RATE;
    }
    if (!over_items && !over_work)
        return QUEUE_OK;
    /* By what it did itself; a client that did nothing since the start may be as fast as all are.
     */
    ledger->retry_seconds =
        retry_after(client && client->rates ? client->rates : &ledger->rates, clock_steady_ms(),
                    over_items ? more_items : 0, over_work ? more_work : 0);
    return over_items ? QUEUE_OVER_ITEMS : QUEUE_OVER_WORK;
}

enum queue_result admit_by_room(struct ledger *ledger, const struct queue_enqueue *item) {
    const struct ledger_counts *counts = &ledger->counts;
    int64_t more_items = ledger_open(counts->items) + 1 - ledger->conf->items_max;
    int64_t more_work = counts->remaining + item->iterations - 1 - ledger->conf->remaining_max;
    if (more_items <= 0 && more_work <= 0 &&
        counts->remaining <= REMAINING_SUM_MAX - item->iterations)
        return QUEUE_OK;
    ledger->retry_seconds = retry_after(&ledger->rates, clock_steady_ms(), more_items, more_work);
    return QUEUE_FULL;
}

int64_t admit_rank(struct ledger *ledger, struct client *client, const struct queue_enqueue *item,
                   int64_t clock_ms) {
    struct ledger_counts *counts = &ledger->counts;
    if (counts->items[ITEM_WAITING] == 0)
        clients_idle(&ledger->clients, &counts->rank);
    clients_note(&ledger->clients, client);
    if (item->client.weight > 0)
        client->rank.weight = item->client.weight;
    if (admit_state(item) != ITEM_WAITING)
        return 0;
    int64_t own = client->counts.items[ITEM_WAITING];
    const struct rank_item ranked = {.clock_ms = clock_ms,
                                     .iterations = item->iterations,
                                     .penalty_ns = ledger->conf->size_penalty_ns,
                                     .own_wait = own > 0,
                                     .others_wait = counts->items[ITEM_WAITING] > own,
                                     .only_client = clients_is_only(&ledger->clients, client)};
    return rank_enqueue(&counts->rank, &client->rank, &ranked);
}

void admit_count(struct ledger *ledger, struct client *client, const struct queue_enqueue *item) {
    const struct queue_quota *quota = &item->client.quota;
    ledger_add(ledger, client->seq, admit_state(item), item->iterations - 1);
    if (quota->rate > 0) {
        client_may_enqueue(client, clock_steady_ms(), quota->rate, quota->burst);
        client_enqueued(client);
    }
}

/* What of an item costs nobody anything any more. The lane that has it goes on until its worker
 * hears of the end, when it renews its lease: LANE_RATE is about what it computes a second. */
static int64_t rest_of(const struct ledger *ledger, const struct cancelled_item *item) {
    enum { LANE_RATE = 5000000, RENEWS = 3 /* times in LEASE_SECONDS */ };
    int64_t lost =
        item->state == ITEM_LEASED ? ledger->conf->lease_seconds * LANE_RATE / RENEWS : 0;
    return item->remaining > lost ? item->remaining - lost : 0;
}

void admit_cancelled(struct ledger *ledger, const struct cancelled_item *item) {
    struct client *client = clients_at(&ledger->clients, item->client);
    if (client)
        rank_cancelled(&ledger->counts.rank, &client->rank,
                       &(struct rank_item){.clock_ms = item->since_ms,
                                           .iterations = item->iterations,
                                           .penalty_ns = ledger->conf->size_penalty_ns},
                       rest_of(ledger, item));
    ledger_move(ledger, &(struct move){.client = item->client,
                                       .from = item->state,
                                       .before = item->remaining,
                                       .to = ITEM_CANCELLED});
}
