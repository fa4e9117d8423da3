/* A batch of the writer: entering, beginning, committing, and what became of it. */

#include "batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch_claims.h"
#include "batch_write.h"
#include "pg_sql.h"
#include "postgres/pg_answer.h"

struct batch *batch_new(int node) {
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch->rows = batch_rows_new();
    batch->node = node;
    batch->lock = -1;
    if (batch->rows)
        return batch;
    free(batch);
    return NULL;
}

void batch_free(struct batch *batch) {
    if (!batch)
        return;
    pg_params_free(&batch->params);
    free(batch->rows);
    free(batch);
}

static void forget(struct batch *batch) {
    struct batch_wants *wants = &batch->wants;
    batch_rows_clear(batch->rows);
    batch->leases.count = 0;
    batch_keys_clear(&batch->keys);
    wants->locked_count = wants->seen_count = wants->lease_count = wants->cursor_count = 0;
    wants->has_keys = false;
    batch->lock = -1;
}

/* Adds a statement whose only parameter is the node. */
static int add_node(struct batch *batch, int sql) {
    pg_params_clear(&batch->params);
    pg_put_int4(&batch->params, batch->node);
    return pg_add(batch->link, sql, &batch->params);
}

/* Keeps where the row of the node is. */
static bool read_place(struct batch *batch, int answer) {
    const char *place;
    if (!pg_get_text(batch->link, answer, 0, 0, &place))
        return false;
    snprintf(batch->place, sizeof batch->place, "%s", place);
    return true;
}

bool batch_enter(struct batch *batch, struct pg_link *link, struct batch_counts *counts) {
    batch->link = link;
    forget(batch);
    pg_begin(link);
    pg_add(link, PG_SQL_BATCH_PLANS, NULL);
    int answer = add_node(batch, PG_SQL_NODE_ENTER);
    if (!pg_run(link, PG_COMMITS, BATCH_LIMIT_MS) || !read_place(batch, answer) ||
        !pg_get_int8(link, answer, 0, 1, &batch->epoch) ||
        !pg_get_int8(link, answer, 0, 2, &batch->number))
        return false;
    bool good = true;
    for (int state = 0; state < ITEM_STATES; state++)
        good = good && pg_get_int8(link, answer, 0, 3 + state, &counts->items[state]);
    return good && pg_get_int8(link, answer, 0, 8, &counts->remaining) &&
           pg_get_int8(link, answer, 0, 9, &counts->now) &&
           pg_get_int8(link, answer, 0, 10, &counts->top);
}

enum batch_outcome batch_resolve(struct batch *batch, struct pg_link *link) {
    int64_t epoch;
    int64_t number;
    int64_t tried = batch->number + 1;
    batch->link = link;
    forget(batch);
    pg_begin(link);
    pg_add(link, PG_SQL_BATCH_PLANS, NULL);
    int answer = add_node(batch, PG_SQL_NODE_READ);
    if (!pg_run(link, PG_COMMITS, BATCH_LIMIT_MS))
        return BATCH_UNRESOLVED;
    if (pg_rows(link, answer) == 0)
        return BATCH_BEHIND;
    if (!read_place(batch, answer) || !pg_get_int8(link, answer, 0, 1, &epoch) ||
        !pg_get_int8(link, answer, 0, 2, &number))
        return BATCH_UNRESOLVED;
    if (epoch < batch->epoch || (epoch == batch->epoch && number < tried - 1))
        return BATCH_BEHIND;
    if (epoch > batch->epoch || number > tried)
        return BATCH_REPLACED;
    batch->number = number;
    return number == tried ? BATCH_COMMITTED : BATCH_NOT_DONE;
}

void batch_begin(struct batch *batch) {
    forget(batch);
    pg_begin(batch->link);
    pg_params_clear(&batch->params);
    pg_put_text(&batch->params, batch->place);
    pg_put_int4(&batch->params, batch->node);
    pg_put_int8(&batch->params, batch->epoch);
    pg_put_int8(&batch->params, batch->number);
    batch->lock = pg_add(batch->link, PG_SQL_MARKER_LOCK, &batch->params);
}

/* Adds the statement by which the node's row says that the batch is done. */
static int add_marker(struct batch *batch, const struct batch_counts *counts) {
    struct pg_params *params = &batch->params;
    pg_params_clear(params);
    pg_put_text(params, batch->place);
    pg_put_int4(params, batch->node);
    pg_put_int8(params, batch->epoch);
    pg_put_int8(params, batch->number + 1);
    for (int state = 0; state < ITEM_STATES; state++)
        pg_put_int8(params, counts->items[state]);
    pg_put_int8(params, counts->remaining);
    pg_put_int8(params, counts->now);
    pg_put_int8(params, counts->top);
    return pg_add(batch->link, PG_SQL_MARKER, params);
}

bool batch_commit(struct batch *batch, const struct batch_counts *counts) {
    if ((batch->lock >= 0 && !batch_read(batch)) || !batch_write_items(batch) ||
        !batch_write_leases(batch)) {
        batch_give_up(batch);
        return false;
    }
    batch_claims_write(batch);
    int answer = add_marker(batch, counts);
    if (!pg_run(batch->link, PG_COMMITS, BATCH_LIMIT_MS)) {
        if (strcmp(batch->link->fault.state, "23505") == 0) /* unique_violation */
            batch->link->fault.kind = PG_AGAIN;
        return false;
    }
    batch->number++;
    bool good = read_place(batch, answer);
    forget(batch);
    return good;
}

void batch_give_up(struct batch *batch) {
    pg_rollback(batch->link, BATCH_LIMIT_MS);
    forget(batch);
}
