#ifndef HASHMILL_FAKE_MILL_H
#define HASHMILL_FAKE_MILL_H

/*
 * A mill of a test's, in which items are finished when the test says so, for a conversation with a
 * fake node: what is checked then is counted, not timed.
 */
#include "fake_node.h"
#include "log.h"
#include "worker/node/node_parts.h"

enum {
    PREFETCH_ITEMS = 4096, /* the most that a worker holds */
    SHORT = 20000,         /* iterations of an item */
    RATE = 130000000
};

struct mill {
    struct items held, finished;
    int dropped;
};

static struct mill mill;

struct mill *mill_open(int threads, const struct kernels *kernels, int check_percent) {
    (void)threads;
    (void)kernels;
    (void)check_percent;
    mill = (struct mill){.dropped = 0};
    return &mill;
}

void mill_close(struct mill *self) {
    items_free(&self->held);
    items_free(&self->finished);
}

int mill_lanes(const struct mill *self) {
    (void)self;
    return 32;
}

int64_t mill_rate(struct mill *self) {
    (void)self;
    return RATE;
}

bool mill_feed(struct mill *self, const struct item *item) {
    struct item *held = items_find(&self->held, item->id);
    if (held)
        uuid_copy(held->lease, item->lease);
    else
        items_add(&self->held, item);
    return !held;
}

void mill_collect(struct mill *self, struct items *finished) {
    for (int i = 0; i < self->finished.count; i++)
        items_add(finished, &self->finished.list[i]);
    self->finished.count = 0;
}

void mill_snapshot(struct mill *self, int index, struct items *list) {
    (void)index;
    for (int i = 0; i < self->held.count; i++)
        items_add(list, &self->held.list[i]);
}

struct mill_load mill_load(struct mill *self, int index, int64_t cap) {
    struct mill_load load = {.items = self->held.count, .all_items = self->held.count};
    (void)index;
    for (int i = 0; i < self->held.count; i++) {
        int64_t remaining = self->held.list[i].remaining;
        load.iterations += remaining < cap ? remaining : cap;
        load.long_items += remaining >= cap;
    }
    load.all_iterations = load.iterations;
    return load;
}

void mill_drop(struct mill *self, int index, const uuid_t id, const uuid_t lease) {
    (void)index;
    struct item *held = items_find(&self->held, id);
    if (!held || !same_id(held->lease, lease))
        return;
    *held = self->held.list[--self->held.count];
    self->dropped++;
}

/* Finishes the items that were fed first. */
static void finish(int count) {
    if (count > mill.held.count)
        count = mill.held.count;
    for (int i = 0; i < count; i++) {
        mill.held.list[i].remaining = 0;
        items_add(&mill.finished, &mill.held.list[i]);
    }
    items_drop_first(&mill.held, count);
}

static void start(void) {
    start_with(mill_open(1, NULL, 0));
}

/* Puts all requests for a path aside that come within some turns; *list gets them. */
static int hold_all(const char *path, struct connection *list[CONNECTIONS]) {
    int count = 0;
    for (int turn = 0; turn < 40; turn++) {
        struct connection *connection;
        pump();
        while ((connection = find_request(path)) != NULL) {
            connection->held = true;
            list[count++] = connection;
        }
    }
    return count;
}

/* Answers a lease request that was put aside with the next count items. */
static void give(struct connection *connection, int *next, int count, int64_t remaining) {
    struct buffer body = {0};
    parse_request(connection);
    put_grant(&body, *next, count, remaining, 60);
    *next += count;
    answer(connection, "200 OK", body.data);
    buffer_free(&body);
}

/* Fills the hand; returns how many items were asked for in all. */
static int fill(int *next) {
    struct connection *list[CONNECTIONS];
    int count;
    int asked = 0;
    while ((count = hold_all("/lease", list)) > 0) {
        for (int i = 0; i < count; i++) {
            parse_request(list[i]);
            int items = (int)number_of(0, "items");
            asked += items;
            give(list[i], next, items, SHORT);
        }
    }
    return asked;
}

#endif
