#include "queue.h"

#include <stdlib.h>
#include <string.h>

#include "queue_operators.h"
#include "queue_peers.h"

const int queue_span_seconds[QUEUE_SPANS] = {1, 10, 60};

const char *item_state_name(enum item_state state) {
    static const char *const names[ITEM_STATES] = {"waiting", "leased", "done", "pulled",
                                                   "cancelled"};
    return names[state];
}

int32_t item_state_named(const char *name, size_t length) {
    for (int32_t state = 0; state < ITEM_STATES; state++) {
        const char *known = item_state_name((enum item_state)state);
        if (strlen(known) == length && memcmp(known, name, length) == 0)
            return state;
    }
    return -1;
}

bool queue_has_retry(enum queue_result result) {
    return result == QUEUE_FULL || result == QUEUE_OVER_ITEMS || result == QUEUE_OVER_WORK ||
           result == QUEUE_OVER_RATE;
}

const char *const queue_part_names[QUEUE_PARTS] = {"intake", "leasing", "scaling"};

bool queue_is_name(const char *text) {
    static const char characters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = strspn(text, characters);
    return length > 0 && length < QUEUE_NAME_SIZE && text[length] == '\0';
}

bool queue_is_current(const struct queue_identity *met, const struct queue_identity *now) {
    bool same = memcmp(met->database.bytes, now->database.bytes, ID_SIZE) == 0;
    return now->epoch > met->epoch || (same && now->epoch == met->epoch);
}

static int earlier(const void *a, const void *b) {
    const struct queue_item *x = a;
    const struct queue_item *y = b;
    if (x->completed_wall_ms != y->completed_wall_ms)
        return x->completed_wall_ms < y->completed_wall_ms ? -1 : 1;
    return memcmp(x->id.bytes, y->id.bytes, sizeof x->id.bytes);
}

static int later(const void *a, const void *b) {
    return earlier(b, a);
}

void queue_sort_batch(struct queue_batch *batch, int oldest) {
    qsort(batch->items, (size_t)batch->count, sizeof batch->items[0], oldest ? earlier : later);
}

const struct queue_whose queue_everybodys = {.all = 1};

bool queue_whose_equal(const struct queue_whose *one, const struct queue_whose *other) {
    return one->all == other->all && (one->all || strcmp(one->client, other->client) == 0);
}
