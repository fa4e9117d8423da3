/* A batch of the writer: entering, beginning, committing, and what became of it. */

#include "tx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg_sql.h"
#include "postgres/pg_answer.h"
#include "tx_claims.h"
#include "tx_write.h"

struct tx *tx_new(int node) {
    struct tx *tx = calloc(1, sizeof *tx);
    if (!tx)
        return NULL;
    tx->rows = tx_rows_new();
    tx->node = node;
    tx->lock = -1;
    if (tx->rows)
        return tx;
    free(tx);
    return NULL;
}

void tx_free(struct tx *tx) {
    if (!tx)
        return;
    pg_params_free(&tx->params);
    free(tx->rows);
    free(tx);
}

static void forget(struct tx *tx) {
    struct tx_wants *wants = &tx->wants;
    tx_rows_clear(tx->rows);
    tx->leases.count = 0;
    tx_keys_clear(&tx->keys);
    wants->locked_count = wants->seen_count = wants->lease_count = wants->cursor_count = 0;
    wants->has_keys = false;
    tx->lock = -1;
}

/* Adds a statement whose only parameter is the node. */
static int add_node(struct tx *tx, int sql) {
    pg_params_clear(&tx->params);
    pg_put_int4(&tx->params, tx->node);
    return pg_add(tx->link, sql, &tx->params);
}

/* Keeps where the row of the node is. */
static bool read_place(struct tx *tx, int answer) {
    const char *place;
    if (!pg_get_text(tx->link, answer, 0, 0, &place))
        return false;
    snprintf(tx->place, sizeof tx->place, "%s", place);
    return true;
}

bool tx_enter(struct tx *tx, struct pg_link *link, struct tx_counts *counts) {
    tx->link = link;
    forget(tx);
    pg_begin(link);
    pg_add(link, PG_SQL_BATCH_PLANS, NULL);
    int answer = add_node(tx, PG_SQL_NODE_ENTER);
    if (!pg_run(link, PG_COMMITS, TX_LIMIT_MS) || !read_place(tx, answer) ||
        !pg_get_int8(link, answer, 0, 1, &tx->epoch) ||
        !pg_get_int8(link, answer, 0, 2, &tx->number))
        return false;
    bool good = true;
    for (int state = 0; state < ITEM_STATES; state++)
        good = good && pg_get_int8(link, answer, 0, 3 + state, &counts->items[state]);
    return good && pg_get_int8(link, answer, 0, 8, &counts->remaining) &&
           pg_get_int8(link, answer, 0, 9, &counts->now) &&
           pg_get_int8(link, answer, 0, 10, &counts->top);
}

enum tx_outcome tx_resolve(struct tx *tx, struct pg_link *link) {
    int64_t epoch;
    int64_t number;
    int64_t tried = tx->number + 1;
    tx->link = link;
    forget(tx);
    pg_begin(link);
    pg_add(link, PG_SQL_BATCH_PLANS, NULL);
    int answer = add_node(tx, PG_SQL_NODE_READ);
    if (!pg_run(link, PG_COMMITS, TX_LIMIT_MS))
        return TX_UNRESOLVED;
    if (pg_rows(link, answer) == 0)
        return TX_BEHIND;
    if (!read_place(tx, answer) || !pg_get_int8(link, answer, 0, 1, &epoch) ||
        !pg_get_int8(link, answer, 0, 2, &number))
        return TX_UNRESOLVED;
    if (epoch < tx->epoch || (epoch == tx->epoch && number < tried - 1))
        return TX_BEHIND;
    if (epoch > tx->epoch || number > tried)
        return TX_REPLACED;
    tx->number = number;
    return number == tried ? TX_COMMITTED : TX_NOT_DONE;
}

void tx_begin(struct tx *tx) {
    forget(tx);
    pg_begin(tx->link);
    pg_params_clear(&tx->params);
    pg_put_text(&tx->params, tx->place);
    pg_put_int4(&tx->params, tx->node);
    pg_put_int8(&tx->params, tx->epoch);
    pg_put_int8(&tx->params, tx->number);
    tx->lock = pg_add(tx->link, PG_SQL_MARKER_LOCK, &tx->params);
}

/* Adds the statement by which the node's row says that the batch is done. */
static int add_marker(struct tx *tx, const struct tx_counts *counts) {
    struct pg_params *params = &tx->params;
    pg_params_clear(params);
    pg_put_text(params, tx->place);
    pg_put_int4(params, tx->node);
    pg_put_int8(params, tx->epoch);
    pg_put_int8(params, tx->number + 1);
    for (int state = 0; state < ITEM_STATES; state++)
        pg_put_int8(params, counts->items[state]);
    pg_put_int8(params, counts->remaining);
    pg_put_int8(params, counts->now);
    pg_put_int8(params, counts->top);
    return pg_add(tx->link, PG_SQL_MARKER, params);
}

bool tx_commit(struct tx *tx, const struct tx_counts *counts) {
    if ((tx->lock >= 0 && !tx_read(tx)) || !tx_write_items(tx) || !tx_write_leases(tx)) {
        tx_give_up(tx);
        return false;
    }
    tx_claims_write(tx);
    int answer = add_marker(tx, counts);
    if (!pg_run(tx->link, PG_COMMITS, TX_LIMIT_MS)) {
        if (strcmp(tx->link->fault.state, "23505") == 0) /* unique_violation */
            tx->link->fault.kind = PG_AGAIN;
        return false;
    }
    tx->number++;
    bool good = read_place(tx, answer);
    forget(tx);
    return good;
}

void tx_give_up(struct tx *tx) {
    pg_rollback(tx->link, TX_LIMIT_MS);
    forget(tx);
}
