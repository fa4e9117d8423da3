/* The rows of a batch in memory, beside a naive model: an array that is looked through. */
#include "fcgi/tx/tx_rows.h"

#include <stdlib.h>

#include "same_item.h"
#include "tap.h"

enum { IDS = 300, HOMES = 3, CLIENTS = 4, LEASES = 5, STEPS = 60000 };

/* What the model knows of an id. */
struct known {
    bool is_known;
    bool is_absent;
    bool is_locked;
    bool is_changed;
    struct item_row item;
};

static struct tx_rows *rows;
static struct known model[IDS];
static unsigned long long seed = 42;

static int any(int end) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (int)((seed >> 33) % (unsigned)end);
}

static struct uuid id_at(int n) {
    struct uuid id = {{0}};
    id.bytes[0] = (uint8_t)(n * 37); /* not the order of n */
    id.bytes[14] = (uint8_t)(n >> 8);
    id.bytes[15] = (uint8_t)n;
    return id;
}

static struct uuid lease_at(int n) {
    struct uuid id = {{0}};
    id.bytes[n] = 1;
    return id;
}

static int by_id(const struct item_row *a, const struct item_row *b) {
    return memcmp(a->id.bytes, b->id.bytes, ID_SIZE);
}

/* An item in some state, with few numbers to choose from, so that many are equal. */
static struct item_row any_item(int n, enum item_state state) {
    struct item_row item = {.id = id_at(n), .state = state, .home = (int16_t)(any(HOMES) - 1)};
    item.client = any(CLIENTS);
    item.rank = any(9);
    item.done_at_ms = state == ITEM_DONE ? any(9) : 0;
    item.has_lease = state == ITEM_LEASED;
    if (item.has_lease)
        item.lease = lease_at(any(LEASES));
    item.deadline_ms = item.has_lease ? 1 + any(9) : 0;
    return item;
}

static bool is_among(const struct known *known, enum item_state state) {
    return known->is_known && known->is_locked && known->item.state == state;
}

static bool same(const struct tx_row *row, const struct item_row *wanted) {
    return (row == NULL) == (wanted == NULL) && (!row || same_item(&row->item, wanted));
}

static const struct item_row *next_waiting(int home) {
    const struct item_row *best = NULL;
    for (int n = 0; n < IDS; n++) {
        const struct item_row *item = &model[n].item;
        if (is_among(&model[n], ITEM_WAITING) && item->home == home &&
            (!best || item->rank < best->rank ||
             (item->rank == best->rank && by_id(item, best) < 0)))
            best = item;
    }
    return best;
}

static const struct item_row *next_done(int client, bool oldest) {
    const struct item_row *best = NULL;
    for (int n = 0; n < IDS; n++) {
        const struct item_row *item = &model[n].item;
        if (!is_among(&model[n], ITEM_DONE) || item->client != client)
            continue;
        int64_t later = best ? item->done_at_ms - best->done_at_ms : 0;
        if (best && later == 0)
            later = by_id(item, best);
        if (!best || (oldest ? later < 0 : later > 0))
            best = item;
    }
    return best;
}

/* Whether the rows of a lease are those of the model, in the order of ids. */
static bool lease_is_right(const struct uuid *lease) {
    int wanted = 0, got = 0;
    const struct tx_row *row = NULL, *before = NULL;
    for (int n = 0; n < IDS; n++)
        wanted +=
            is_among(&model[n], ITEM_LEASED) && memcmp(&model[n].item.lease, lease, ID_SIZE) == 0;
    while ((row = tx_rows_of_lease(rows, lease, row))) {
        if (row->item.state != ITEM_LEASED || memcmp(&row->item.lease, lease, ID_SIZE) != 0 ||
            (before && by_id(&before->item, &row->item) >= 0))
            return false;
        before = row;
        got++;
    }
    return got == wanted;
}

static bool orders_are_right(void) {
    bool right = true;
    int leased = 0;
    for (int home = -1; home < HOMES; home++)
        right = right && same(tx_rows_next_waiting(rows, (int16_t)home), next_waiting(home));
    for (int client = -1; client <= CLIENTS; client++)
        right = right && same(tx_rows_next_done(rows, client, true), next_done(client, true)) &&
                same(tx_rows_next_done(rows, client, false), next_done(client, false));
    for (int n = 0; n < LEASES; n++) {
        const struct uuid lease = lease_at(n);
        right = right && lease_is_right(&lease);
    }
    for (const struct tx_row *row = NULL; (row = tx_rows_leased(rows, row));)
        leased++;
    for (int n = 0; n < IDS; n++)
        leased -= is_among(&model[n], ITEM_LEASED);
    return right && leased == 0;
}

static bool row_is_right(int n) {
    const struct uuid id = id_at(n);
    const struct known *known = &model[n];
    const struct tx_row *row = tx_rows_find(rows, &id);
    if (!row || !known->is_known)
        return !row && !known->is_known;
    if (known->is_absent || row->is_absent)
        return known->is_absent && row->is_absent;
    return same(row, &known->item) && row->is_locked == known->is_locked &&
           row->is_changed == known->is_changed;
}

static enum item_state any_state(void) {
    return (enum item_state)any(ITEM_STATES);
}

/* Reads a row, with or without a lock. */
static void step_read(int n) {
    struct known *known = &model[n];
    const struct item_row item = any_item(n, any_state());
    bool is_locked = any(2) && item.state < ITEM_PULLED;
    tx_rows_read(rows, &item, "(1,2)", is_locked);
    if (!known->is_locked)
        *known = (struct known){true, false, is_locked, false, item};
}

static void step_absent(int n) {
    const struct uuid id = id_at(n);
    tx_rows_read_absent(rows, &id);
    if (!model[n].is_locked)
        model[n] = (struct known){.is_known = true, .is_absent = true};
}

static void step_add(int n) {
    const struct item_row item = any_item(n, any(2) ? ITEM_WAITING : ITEM_DONE);
    const bool may = !model[n].is_known || model[n].is_absent;
    if ((tx_rows_add(rows, &item) != NULL) == may && may)
        model[n] = (struct known){true, false, true, true, item};
}

static void step_change(int n) {
    struct known *known = &model[n];
    const struct uuid id = id_at(n);
    struct tx_row *row = tx_rows_find(rows, &id);
    if (!known->is_locked || known->item.state >= ITEM_PULLED)
        return;
    known->item = any_item(n, known->item.state == ITEM_DONE ? ITEM_PULLED : any_state());
    known->is_changed = true;
    tx_rows_edit(rows, row);
    row->item = known->item;
    tx_rows_put(rows, row);
}

static void test_random(void) {
    static void (*const steps[])(int) = {step_read, step_absent, step_add, step_change,
                                         step_change};
    int wrong = 0;
    for (int step = 0; step < STEPS && wrong == 0; step++) {
        int n = any(IDS);
        steps[any(5)](n);
        wrong += !row_is_right(n) || (step % 16 == 0 && !orders_are_right());
        if (any(3000) == 0) {
            tx_rows_clear(rows);
            memset(model, 0, sizeof model);
        }
    }
    for (int n = 0; n < IDS; n++)
        wrong += !row_is_right(n);
    is_int(wrong, 0, "rows and orders are those of the model after any operations");
}

/* What is to be written of a row that is changed from one state to another; -1: it is new. */
static bool writes(int from, enum item_state to, enum tx_table out, enum tx_table in) {
    tx_rows_clear(rows);
    struct item_row item = any_item(1, from < 0 ? to : (enum item_state)from);
    struct tx_row *row =
        from < 0 ? tx_rows_add(rows, &item) : tx_rows_read(rows, &item, "(0,1)", true);
    if (from >= 0) {
        if (tx_row_from(row) != TX_NOWHERE || tx_row_to(row) != TX_NOWHERE)
            return false;
        tx_rows_edit(rows, row);
        row->item.state = to;
        tx_rows_put(rows, row);
    }
    return tx_row_from(row) == out && tx_row_to(row) == in;
}

static void test_tables(void) {
    ok(writes(-1, ITEM_WAITING, TX_NOWHERE, TX_WORK), "a new item goes to work");
    ok(writes(-1, ITEM_DONE, TX_NOWHERE, TX_DONE), "one of one iteration to done");
    ok(writes(-1, ITEM_PULLED, TX_NOWHERE, TX_ENDED), "one that is pulled at once to ended");
    ok(writes(ITEM_WAITING, ITEM_LEASED, TX_WORK, TX_WORK), "a lease changes work");
    ok(writes(ITEM_LEASED, ITEM_DONE, TX_WORK, TX_DONE), "a result moves to done");
    ok(writes(ITEM_LEASED, ITEM_CANCELLED, TX_WORK, TX_ENDED), "a cancelled one to ended");
    ok(writes(ITEM_DONE, ITEM_PULLED, TX_DONE, TX_ENDED), "a pulled one to ended");
}

/* Leases a waiting row. */
static void lease(struct tx_row *row, int lease) {
    tx_rows_edit(rows, row);
    row->item.state = ITEM_LEASED;
    row->item.has_lease = true;
    row->item.lease = lease_at(lease);
    tx_rows_put(rows, row);
}

static void test_leases(void) {
    tx_rows_clear(rows);
    const struct item_row waiting = any_item(1, ITEM_WAITING);
    struct item_row leased = any_item(2, ITEM_LEASED);
    leased.lease = lease_at(3);
    struct tx_row *row = tx_rows_read(rows, &waiting, "(0,1)", true);
    lease(row, 2);
    ok(row->is_unlisted && tx_row_is_given(row), "an item that is leased is to be listed");
    row = tx_rows_read(rows, &leased, "(0,2)", true);
    ok(!row->is_unlisted, "one that was leased before is listed");
    lease(row, 3);
    ok(!row->is_unlisted, "also when it is renewed");
    lease(row, 4);
    ok(row->is_unlisted, "by another lease anew");
    lease(row, 3);
    tx_rows_edit(rows, row);
    row->item.state = ITEM_WAITING;
    tx_rows_put(rows, row);
    lease(row, 3);
    ok(row->is_unlisted && !tx_row_is_given(row), "one that had lapsed is listed again");
    tx_rows_edit(rows, row);
    row->item.state = ITEM_DONE;
    tx_rows_put(rows, row);
    ok(!row->is_unlisted, "one that is done is not");
}

static void test_room(void) {
    struct item_row item = {.state = ITEM_WAITING};
    int added = 0, order = 0;
    tx_rows_clear(rows);
    for (; added < TX_ROWS_MAX + 1; added++) {
        item.id = (struct uuid){{(uint8_t)(added >> 8), (uint8_t)added}};
        item.rank = added * 7919 % TX_ROWS_MAX;
        if (!tx_rows_add(rows, &item))
            break;
    }
    is_int(added, TX_ROWS_MAX, "there is room for so many rows");
    is_int(tx_rows_room(rows), 0, "then for none");
    const struct uuid id = {{0xff}};
    ok(!tx_rows_find(rows, &id) && !tx_rows_read_absent(rows, &id) &&
           !tx_rows_read(rows, &(struct item_row){.id = id}, "(0,1)", true),
       "nor for one that is read");
    for (struct tx_row *row; (row = tx_rows_next_waiting(rows, 0)); order++) {
        if (row->item.rank != order)
            break;
        tx_rows_edit(rows, row);
        row->item.state = ITEM_CANCELLED;
        tx_rows_put(rows, row);
    }
    is_int(order, TX_ROWS_MAX, "all come in their order");
    tx_rows_clear(rows);
    is_int(tx_rows_room(rows), TX_ROWS_MAX, "all go at once");
    ok(!tx_rows_find(rows, &item.id), "and are forgotten");
}

int main(void) {
    rows = tx_rows_new();
    test_random();
    test_tables();
    test_leases();
    test_room();
    free(rows);
    return done_testing();
}
