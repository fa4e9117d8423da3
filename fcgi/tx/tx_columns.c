/* The columns of items as they are read. */

#include "tx_columns.h"

#include "postgres/pg_answer.h"

/* Where a row of an answer is. */
struct at {
    struct pg_link *link;
    int answer;
    int row;
};

static bool read_int8(const struct at *at, int column, int64_t *to) {
    return pg_get_int8(at->link, at->answer, at->row, column, to);
}

static bool read_int2(const struct at *at, int column, int16_t *to) {
    int32_t wide = 0;
    bool good = pg_get_int4(at->link, at->answer, at->row, column, &wide);
    *to = (int16_t)wide;
    return good;
}

static bool read_digest(const struct at *at, int column, uint8_t *to) {
    return pg_get_bytes(at->link, at->answer, at->row, column, to, DIGEST_SIZE);
}

/* A value that may be NULL: then *has gets false and nothing is read. */
static bool has(const struct at *at, int column, bool *has) {
    bool null = true;
    bool good = pg_get_null(at->link, at->answer, at->row, column, &null);
    *has = !null;
    return good;
}

static bool read_common(const struct at *at, struct item_row *item, const char **place) {
    int32_t state = -1;
    bool good = pg_get_uuid(at->link, at->answer, at->row, 0, item->id.bytes) &&
                pg_get_text(at->link, at->answer, at->row, 1, place) &&
                pg_get_int4(at->link, at->answer, at->row, 2, &state) &&
                read_int8(at, 3, &item->client) && read_int8(at, 4, &item->worker) &&
                read_int8(at, 5, &item->iterations) && read_int8(at, 6, &item->remaining) &&
                read_int2(at, 7, &item->strikes) && read_int8(at, 8, &item->enqueued_wall_ms) &&
                has(at, 9, &item->has_lease) && read_digest(at, 10, item->digest) &&
                read_digest(at, 11, item->chain);
    item->state = (enum item_state)state;
    return good &&
           (!item->has_lease || pg_get_uuid(at->link, at->answer, at->row, 9, item->lease.bytes));
}

static bool read_work(const struct at *at, struct item_row *item) {
    return read_int2(at, 12, &item->home) && read_int8(at, 13, &item->rank) &&
           read_int8(at, 14, &item->since_ms) && read_int8(at, 15, &item->deadline_ms) &&
           read_int8(at, 16, &item->granted) && read_int8(at, 17, &item->granted_at_ms) &&
           read_int8(at, 18, &item->granted_wall_ms) && read_int8(at, 19, &item->moved_ms);
}

static bool read_done(const struct at *at, struct item_row *item) {
    return read_int8(at, 12, &item->done_at_ms) && read_int8(at, 13, &item->done_wall_ms);
}

static bool read_ended(const struct at *at, struct item_row *item) {
    return read_done(at, item) && read_int8(at, 14, &item->closed_ms) &&
           has(at, 15, &item->has_pull) &&
           (!item->has_pull ||
            pg_get_bytes(at->link, at->answer, at->row, 15, item->pull, PULL_TAG_SIZE));
}

bool tx_columns_read(struct pg_link *link, int answer, int row, struct item_row *item,
                     const char **place) {
    const struct at at = {link, answer, row};
    *item = (struct item_row){0};
    if (!read_common(&at, item, place))
        return false;
    switch (tx_table_of(item->state)) {
    case TX_WORK:
        return read_work(&at, item);
    case TX_DONE:
        return read_done(&at, item);
    default:
        return read_ended(&at, item);
    }
}
