/* The rows of one batch: found by id in a table of twice as many places, and in order. */

#include "tx_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "row_order.h"

enum { SLOTS = 2 * TX_ROWS_MAX };

struct tx_rows *tx_rows_new(void) {
    struct tx_rows *rows = calloc(1, sizeof *rows);
    if (rows)
        rows->random = 1;
    return rows;
}

void tx_rows_clear(struct tx_rows *rows) {
    for (int i = 0; i < rows->count; i++)
        rows->slots[rows->rows[i].slot] = 0;
    memset(rows->first, 0, sizeof rows->first);
    rows->count = 0;
}

int tx_rows_room(const struct tx_rows *rows) {
    return TX_ROWS_MAX - rows->count;
}

/* The place of an id, or the free one where it belongs. Ids are random in their second half, but
 * for those of whoever asks for items that do not exist. */
static unsigned slot_of(const struct tx_rows *rows, const struct uuid *id) {
    uint64_t halves[2];
    memcpy(halves, id->bytes, sizeof halves);
    uint64_t hash = (halves[0] ^ (halves[1] << 1 | halves[1] >> 63)) * UINT64_C(0x9e3779b97f4a7c15);
    unsigned slot = (unsigned)(hash >> 40) % SLOTS;
    while (rows->slots[slot] > 0 &&
           memcmp(rows->rows[rows->slots[slot] - 1].item.id.bytes, id->bytes, ID_SIZE) != 0)
        slot = (slot + 1) % SLOTS;
    return slot;
}

struct tx_row *tx_rows_find(struct tx_rows *rows, const struct uuid *id) {
    uint16_t number = rows->slots[slot_of(rows, id)];
    return number > 0 ? &rows->rows[number - 1] : NULL;
}

/* A row without columns for an id that has none; NULL without room. */
static struct tx_row *new_row(struct tx_rows *rows, const struct uuid *id) {
    if (rows->count == TX_ROWS_MAX)
        return NULL;
    unsigned slot = slot_of(rows, id);
    struct tx_row *row = &rows->rows[rows->count++];
    memset(row, 0, sizeof *row);
    row->item.id = *id;
    row->slot = (uint16_t)slot;
    rows->slots[slot] = (uint16_t)rows->count;
    return row;
}

/* Puts a row into the order if its state has one. */
static void put_in_order(struct tx_rows *rows, struct tx_row *row) {
    const struct item_row *item = &row->item;
    row->key = (struct tx_order_key){.state = item->state, .id = item->id};
    if (item->state == ITEM_WAITING) {
        row->key.group = item->home;
        row->key.order = item->rank;
    } else if (item->state == ITEM_LEASED) {
        row->key.lease = item->lease;
    } else if (item->state == ITEM_DONE) {
        row->key.group = item->client;
        row->key.order = item->done_at_ms;
    } else {
        return;
    }
    row_order_insert(rows, row);
}

struct tx_row *tx_rows_read(struct tx_rows *rows, const struct item_row *item, const char *place,
                            bool is_locked) {
    struct tx_row *row = tx_rows_find(rows, &item->id);
    if (row && row->is_locked)
        return row;
    if (!row && !(row = new_row(rows, &item->id)))
        return NULL;
    row->item = *item;
    row->stored = tx_table_of(item->state);
    row->stored_deadline_ms = item->deadline_ms;
    row->stored_lease = item->has_lease ? item->lease : (struct uuid){{0}};
    row->is_absent = false;
    row->is_locked = is_locked;
    snprintf(row->place, sizeof row->place, "%s", place);
    if (is_locked)
        put_in_order(rows, row);
    return row;
}

bool tx_rows_read_absent(struct tx_rows *rows, const struct uuid *id) {
    struct tx_row *row = tx_rows_find(rows, id);
    if (!row && !(row = new_row(rows, id)))
        return false;
    row->is_absent = !row->is_locked;
    return true;
}

struct tx_row *tx_rows_add(struct tx_rows *rows, const struct item_row *item) {
    struct tx_row *row = tx_rows_find(rows, &item->id);
    if (row ? !row->is_absent : !(row = new_row(rows, &item->id)))
        return NULL;
    row->item = *item;
    row->is_absent = false;
    row->is_locked = true;
    tx_rows_put(rows, row);
    return row;
}

void tx_rows_edit(struct tx_rows *rows, struct tx_row *row) {
    if (row->is_ordered)
        row_order_remove(rows, row);
}

void tx_rows_put(struct tx_rows *rows, struct tx_row *row) {
    const struct tx_order_key before = row->key;
    bool was_leased = before.state == ITEM_LEASED;
    bool is_leased = row->item.state == ITEM_LEASED;
    bool same = memcmp(before.lease.bytes, row->item.lease.bytes, ID_SIZE) == 0;
    row->is_changed = true;
    put_in_order(rows, row);
    row->is_unlisted = is_leased && (row->is_unlisted || !was_leased || !same);
}

static struct tx_row *in_group(struct tx_row *row, enum item_state state, int64_t group) {
    return row && row->key.state == state && row->key.group == group ? row : NULL;
}

struct tx_row *tx_rows_next_waiting(struct tx_rows *rows, int16_t home) {
    const struct tx_order_key least = {.state = ITEM_WAITING, .group = home, .order = INT64_MIN};
    return in_group(row_order_from(rows, &least), ITEM_WAITING, home);
}

struct tx_row *tx_rows_next_done(struct tx_rows *rows, int64_t client, bool oldest) {
    struct tx_order_key end = {.state = ITEM_DONE, .group = client, .order = INT64_MIN};
    if (oldest)
        return in_group(row_order_from(rows, &end), ITEM_DONE, client);
    end.group = client + 1; /* seqs are far from the greatest number */
    return in_group(row_order_before(rows, &end), ITEM_DONE, client);
}

struct tx_row *tx_rows_leased(struct tx_rows *rows, const struct tx_row *after) {
    const struct tx_order_key least = {.state = ITEM_LEASED, .group = INT64_MIN};
    struct tx_row *row = after ? row_order_next(rows, after) : row_order_from(rows, &least);
    return row && row->key.state == ITEM_LEASED ? row : NULL;
}

struct tx_row *tx_rows_of_lease(struct tx_rows *rows, const struct uuid *lease,
                                const struct tx_row *after) {
    const struct tx_order_key least = {.state = ITEM_LEASED, .lease = *lease};
    struct tx_row *row = after ? row_order_next(rows, after) : row_order_from(rows, &least);
    bool its = row && row->key.state == ITEM_LEASED &&
               memcmp(row->key.lease.bytes, lease->bytes, ID_SIZE) == 0;
    return its ? row : NULL;
}

bool tx_row_is_given(const struct tx_row *row) {
    return memcmp(row->stored_lease.bytes, row->item.lease.bytes, ID_SIZE) != 0;
}

enum tx_table tx_table_of(enum item_state state) {
    if (state == ITEM_WAITING || state == ITEM_LEASED)
        return TX_WORK;
    return state == ITEM_DONE ? TX_DONE : TX_ENDED;
}

enum tx_table tx_row_from(const struct tx_row *row) {
    return row->is_changed ? row->stored : TX_NOWHERE;
}

enum tx_table tx_row_to(const struct tx_row *row) {
    return row->is_changed ? tx_table_of(row->item.state) : TX_NOWHERE;
}
