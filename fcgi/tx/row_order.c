/* The order of rows, as a skip list. Each fourth row of a level is in the next one, too. */

#include "row_order.h"

#include <string.h>

/* The last row before a key on each level; NULL: the list's beginning. */
struct path {
    struct tx_row *at[TX_LEVELS];
};

static int compare_numbers(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

int row_order_compare(const struct tx_order_key *a, const struct tx_order_key *b) {
    int way = compare_numbers(a->state, b->state);
    if (way == 0)
        way = compare_numbers(a->group, b->group);
    if (way == 0)
        way = compare_numbers(a->order, b->order);
    if (way == 0)
        way = memcmp(a->lease.bytes, b->lease.bytes, ID_SIZE);
    return way != 0 ? way : memcmp(a->id.bytes, b->id.bytes, ID_SIZE);
}

static struct tx_row *numbered(struct tx_rows *rows, uint16_t number) {
    return number > 0 ? &rows->rows[number - 1] : NULL;
}

/* The links behind a row, or those of the list's beginning. */
static uint16_t *links(struct tx_rows *rows, struct tx_row *row) {
    return row ? row->next : rows->first;
}

static struct path find(struct tx_rows *rows, const struct tx_order_key *key) {
    struct path path = {{NULL}};
    struct tx_row *at = NULL;
    for (int level = TX_LEVELS - 1; level >= 0; level--) {
        struct tx_row *next;
        while ((next = numbered(rows, links(rows, at)[level])) &&
               row_order_compare(&next->key, key) < 0)
            at = next;
        path.at[level] = at;
    }
    return path;
}

static uint8_t random_levels(struct tx_rows *rows) {
    uint8_t levels = 1;
    rows->random = rows->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    for (uint64_t bits = rows->random >> 32; levels < TX_LEVELS && (bits & 3) == 0; bits >>= 2)
        levels++;
    return levels;
}

void row_order_insert(struct tx_rows *rows, struct tx_row *row) {
    struct path path = find(rows, &row->key);
    uint16_t number = (uint16_t)(row - rows->rows + 1);
    row->levels = random_levels(rows);
    for (int level = 0; level < row->levels; level++) {
        uint16_t *link = &links(rows, path.at[level])[level];
        row->next[level] = *link;
        *link = number;
    }
    row->is_ordered = true;
}

void row_order_remove(struct tx_rows *rows, struct tx_row *row) {
    struct path path = find(rows, &row->key);
    for (int level = 0; level < row->levels; level++)
        links(rows, path.at[level])[level] = row->next[level];
    row->is_ordered = false;
}

struct tx_row *row_order_from(struct tx_rows *rows, const struct tx_order_key *key) {
    struct path path = find(rows, key);
    return numbered(rows, links(rows, path.at[0])[0]);
}

struct tx_row *row_order_before(struct tx_rows *rows, const struct tx_order_key *key) {
    return find(rows, key).at[0];
}

struct tx_row *row_order_next(struct tx_rows *rows, const struct tx_row *row) {
    return numbered(rows, row->next[0]);
}
