/* What items must be after each batch: all of them in an array that is looked through. */
#ifndef HASHMILL_T_BATCH_MODEL_H
#define HASHMILL_T_BATCH_MODEL_H

#include "fcgi/tx/tx.h"

#include <string.h>

#include "same_item.h"

enum { MODEL_MAX = 1500 };

struct model {
    int count;
    struct item_row items[MODEL_MAX];
};

static struct model model;

static unsigned long long model_seed = 7;

static inline int any(int end) {
    model_seed = model_seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (int)((model_seed >> 33) % (unsigned)end);
}

static inline struct uuid uuid_of(int kind, int n) {
    struct uuid id = {{(uint8_t)(n * 37)}};
    id.bytes[13] = (uint8_t)kind;
    id.bytes[14] = (uint8_t)(n >> 8);
    id.bytes[15] = (uint8_t)n;
    return id;
}

static inline struct item_row *model_find(const struct uuid *id) {
    for (int n = 0; n < model.count; n++) {
        if (memcmp(&model.items[n].id, id, ID_SIZE) == 0)
            return &model.items[n];
    }
    return NULL;
}

/* The item to lease next of a home. */
static inline struct item_row *model_next_waiting(int home) {
    struct item_row *best = NULL;
    for (int n = 0; n < model.count; n++) {
        struct item_row *item = &model.items[n];
        if (item->state != ITEM_WAITING || item->home != home)
            continue;
        if (!best || item->rank < best->rank ||
            (item->rank == best->rank && memcmp(&item->id, &best->id, ID_SIZE) < 0))
            best = item;
    }
    return best;
}

/* The item to pull next of a client. */
static inline struct item_row *model_next_done(int64_t client, enum tx_order order) {
    struct item_row *best = NULL;
    for (int n = 0; n < model.count; n++) {
        struct item_row *item = &model.items[n];
        if (item->state != ITEM_DONE || item->client != client)
            continue;
        int64_t later = best ? item->done_at_ms - best->done_at_ms : 0;
        if (best && later == 0)
            later = memcmp(&item->id, &best->id, ID_SIZE);
        if (!best || (order == TX_OLDEST ? later < 0 : later > 0))
            best = item;
    }
    return best;
}

/* An item as its table has it: without the columns that are of other tables. */
static inline struct item_row stored_of(const struct item_row *item) {
    struct item_row stored = *item;
    if (tx_table_of(item->state) != TX_WORK) {
        stored.home = 0;
        stored.rank = stored.since_ms = stored.deadline_ms = stored.granted = 0;
        stored.granted_at_ms = stored.granted_wall_ms = stored.moved_ms = 0;
    }
    return stored;
}

#endif
