/* What a batch writes of items and leases. Of a row that has moved the whole goes to its new table:
 * what is in memory is what is stored, and one way serves new rows and moved ones. */

#include "tx_write.h"

#include <string.h>

#include "pg_sql.h"

/* Puts a column of the present rows as one array parameter. */
typedef void put_column(struct pg_params *params, const struct tx_row *row);

/* A column of a statement. */
struct writing {
    Oid type;
    put_column *put;
};

#define NUMBER(name, member)                                                                       \
    static void name(struct pg_params *params, const struct tx_row *row) {                         \
        pg_put_int8(params, row->item.member);                                                     \
    }

/* 0 is NULL. */
#define NUMBER_OR_NULL(name, member)                                                               \
    static void name(struct pg_params *params, const struct tx_row *row) {                         \
        if (row->item.member != 0)                                                                 \
            pg_put_int8(params, row->item.member);                                                 \
        else                                                                                       \
            pg_put_null(params);                                                                   \
    }

#define SMALL(name, member)                                                                        \
    static void name(struct pg_params *params, const struct tx_row *row) {                         \
        pg_put_int4(params, (int32_t)row->item.member);                                            \
    }

NUMBER(put_iterations, iterations)
NUMBER(put_remaining, remaining)
NUMBER(put_rank, rank)
NUMBER(put_since, since_ms)
NUMBER(put_enqueued_wall, enqueued_wall_ms)
NUMBER(put_client, client)
NUMBER(put_done_at, done_at_ms)
NUMBER(put_done_wall, done_wall_ms)
NUMBER(put_closed, closed_ms)
NUMBER_OR_NULL(put_worker, worker)
NUMBER_OR_NULL(put_deadline, deadline_ms)
NUMBER_OR_NULL(put_granted, granted)
NUMBER_OR_NULL(put_granted_at, granted_at_ms)
NUMBER_OR_NULL(put_granted_wall, granted_wall_ms)
NUMBER_OR_NULL(put_moved, moved_ms)
NUMBER_OR_NULL(put_done_at_or_null, done_at_ms)
NUMBER_OR_NULL(put_done_wall_or_null, done_wall_ms)
SMALL(put_state, state)
SMALL(put_home, home)
SMALL(put_strikes, strikes)

static void put_id(struct pg_params *params, const struct tx_row *row) {
    pg_put_uuid(params, row->item.id.bytes);
}

static void put_place(struct pg_params *params, const struct tx_row *row) {
    pg_put_text(params, row->place);
}

static void put_lease(struct pg_params *params, const struct tx_row *row) {
    if (row->item.has_lease)
        pg_put_uuid(params, row->item.lease.bytes);
    else
        pg_put_null(params);
}

static void put_pull(struct pg_params *params, const struct tx_row *row) {
    if (row->item.has_pull)
        pg_put_bytea(params, row->item.pull, PULL_TAG_SIZE);
    else
        pg_put_null(params);
}

static void put_digest(struct pg_params *params, const struct tx_row *row) {
    pg_put_bytea(params, row->item.digest, DIGEST_SIZE);
}

static void put_chain(struct pg_params *params, const struct tx_row *row) {
    pg_put_bytea(params, row->item.chain, DIGEST_SIZE);
}

/* While the digest still is the chain, it is not stored twice. */
static void put_chain_or_null(struct pg_params *params, const struct tx_row *row) {
    if (memcmp(row->item.chain, row->item.digest, DIGEST_SIZE) != 0)
        put_chain(params, row);
    else
        pg_put_null(params);
}

static const struct writing work_add[] = {{PG_UUID, put_id},
                                          {PG_INT8, put_iterations},
                                          {PG_INT8, put_remaining},
                                          {PG_INT8, put_rank},
                                          {PG_INT8, put_since},
                                          {PG_INT8, put_enqueued_wall},
                                          {PG_INT8, put_client},
                                          {PG_INT4, put_state},
                                          {PG_INT4, put_home},
                                          {PG_INT4, put_strikes},
                                          {PG_INT8, put_worker},
                                          {PG_INT8, put_deadline},
                                          {PG_INT8, put_granted},
                                          {PG_INT8, put_granted_at},
                                          {PG_INT8, put_granted_wall},
                                          {PG_INT8, put_moved},
                                          {PG_UUID, put_lease},
                                          {PG_BYTEA, put_digest},
                                          {PG_BYTEA, put_chain_or_null}};

static const struct writing work_change[] = {
    {PG_TEXT, put_place},         {PG_INT8, put_remaining}, {PG_INT8, put_since},
    {PG_INT4, put_state},         {PG_INT4, put_strikes},   {PG_INT8, put_worker},
    {PG_INT8, put_deadline},      {PG_INT8, put_granted},   {PG_INT8, put_granted_at},
    {PG_INT8, put_granted_wall},  {PG_INT8, put_moved},     {PG_UUID, put_lease},
    {PG_BYTEA, put_chain_or_null}};

static const struct writing take[] = {{PG_TEXT, put_place}};

static const struct writing done_add[] = {
    {PG_UUID, put_id},        {PG_INT8, put_iterations},    {PG_INT8, put_done_at},
    {PG_INT8, put_done_wall}, {PG_INT8, put_enqueued_wall}, {PG_INT8, put_client},
    {PG_INT4, put_strikes},   {PG_INT8, put_worker},        {PG_UUID, put_lease},
    {PG_BYTEA, put_digest},   {PG_BYTEA, put_chain}};

static const struct writing ended_add[] = {{PG_UUID, put_id},
                                           {PG_INT8, put_closed},
                                           {PG_INT8, put_iterations},
                                           {PG_INT8, put_remaining},
                                           {PG_INT8, put_enqueued_wall},
                                           {PG_INT8, put_client},
                                           {PG_INT4, put_state},
                                           {PG_INT4, put_strikes},
                                           {PG_INT8, put_worker},
                                           {PG_INT8, put_done_at_or_null},
                                           {PG_INT8, put_done_wall_or_null},
                                           {PG_UUID, put_lease},
                                           {PG_BYTEA, put_pull},
                                           {PG_BYTEA, put_digest},
                                           {PG_BYTEA, put_chain}};

/* Which rows a statement is for: those that go from one of these tables to another. */
struct way {
    int sql;
    bool is_from_given; /* only those from `from`; */
    bool is_to_given;   /* only those to `to`; */
    bool is_moving;     /* only those whose tables differ */
    enum tx_table from;
    enum tx_table to;
    const struct writing *columns;
    int count;
};

#define COLUMNS(list) list, (int)(sizeof(list) / sizeof(list)[0])

/* First what goes: a table may have one row of an id. */
static const struct way ways[] = {
    {PG_SQL_WORK_TAKE, true, false, true, TX_WORK, 0, COLUMNS(take)},
    {PG_SQL_DONE_TAKE, true, false, true, TX_DONE, 0, COLUMNS(take)},
    {PG_SQL_WORK_CHANGE, true, true, false, TX_WORK, TX_WORK, COLUMNS(work_change)},
    {PG_SQL_WORK_ADD, false, true, true, 0, TX_WORK, COLUMNS(work_add)},
    {PG_SQL_DONE_ADD, false, true, true, 0, TX_DONE, COLUMNS(done_add)},
    {PG_SQL_ENDED_ADD, false, true, true, 0, TX_ENDED, COLUMNS(ended_add)}};

static bool is_of(const struct way *way, const struct tx_row *row) {
    enum tx_table from = tx_row_from(row);
    enum tx_table to = tx_row_to(row);
    return row->is_changed && (!way->is_from_given || from == way->from) &&
           (!way->is_to_given || to == way->to) && (!way->is_moving || from != to);
}

/* Adds the statement of a way if there are rows for it. */
static void write_way(struct tx *tx, const struct way *way) {
    struct pg_params *params = &tx->params;
    const struct tx_rows *rows = tx->rows;
    int first = 0;
    while (first < rows->count && !is_of(way, &rows->rows[first]))
        first++;
    if (first == rows->count)
        return;
    pg_params_clear(params);
    for (int column = 0; column < way->count; column++) {
        pg_open_array(params, way->columns[column].type);
        for (int i = first; i < rows->count; i++) {
            if (is_of(way, &rows->rows[i]))
                way->columns[column].put(params, &rows->rows[i]);
        }
        pg_close_array(params);
    }
    pg_add(tx->link, way->sql, params);
}

bool tx_write_items(struct tx *tx) {
    for (int i = 0; i < tx->rows->count; i++) {
        const struct tx_row *row = &tx->rows->rows[i];
        bool backwards = tx_row_to(row) < tx_row_from(row);
        if (row->is_changed && (!row->is_locked || row->stored == TX_ENDED || backwards)) {
            pg_fault_set(&tx->link->fault, PG_BUG,
                         "a batch has changed an item that it has not locked");
            return false;
        }
    }
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        write_way(tx, &ways[i]);
    return true;
}

/* The leases of one statement: their rows, and the items of all of them. */
struct lists {
    int count;
    struct {
        struct uuid id;
        int64_t due_ms;
        int64_t worker;
        int32_t items;
    } leases[TX_ROWS_MAX];
    int item_count;
    struct uuid items[TX_ROWS_MAX];
};

/* Adds a statement that takes lists. */
static void write_lists(struct tx *tx, int sql, const struct lists *lists) {
    struct pg_params *params = &tx->params;
    if (lists->count == 0)
        return;
    pg_params_clear(params);
    pg_open_array(params, PG_UUID);
    for (int i = 0; i < lists->count; i++)
        pg_put_uuid(params, lists->leases[i].id.bytes);
    pg_close_array(params);
    pg_open_array(params, PG_INT8);
    for (int i = 0; i < lists->count; i++)
        pg_put_int8(params, lists->leases[i].due_ms);
    pg_close_array(params);
    if (sql != PG_SQL_LEASES_EARLIER) {
        pg_open_array(params, PG_INT8);
        for (int i = 0; i < lists->count; i++)
            pg_put_int8(params, lists->leases[i].worker);
        pg_close_array(params);
        pg_open_array(params, PG_INT4);
        for (int i = 0; i < lists->count; i++)
            pg_put_int4(params, lists->leases[i].items);
        pg_close_array(params);
        pg_open_array(params, PG_UUID);
        for (int i = 0; i < lists->item_count; i++)
            pg_put_uuid(params, lists->items[i].bytes);
        pg_close_array(params);
    }
    pg_add(tx->link, sql, params);
}

/* Adds a leased row to the list of its lease, which is the last one or a new one. */
static void add_to_list(struct lists *lists, const struct tx_row *row) {
    const struct item_row *item = &row->item;
    int last = lists->count - 1;
    if (last < 0 || memcmp(lists->leases[last].id.bytes, item->lease.bytes, ID_SIZE) != 0) {
        last = lists->count++;
        lists->leases[last].id = item->lease;
        lists->leases[last].due_ms = item->deadline_ms;
        lists->leases[last].worker = item->worker;
        lists->leases[last].items = 0;
    }
    if (item->deadline_ms < lists->leases[last].due_ms)
        lists->leases[last].due_ms = item->deadline_ms;
    lists->leases[last].items++;
    lists->items[lists->item_count++] = item->id;
}

/* Adds the statements about leases that the batch has read. */
static void write_read_leases(struct tx *tx, bool is_over, int sql) {
    struct pg_params *params = &tx->params;
    const struct tx_leases *leases = &tx->leases;
    int count = 0;
    pg_params_clear(params);
    pg_open_array(params, PG_UUID);
    for (int i = 0; i < leases->count; i++) {
        if (is_over ? leases->list[i].is_over : leases->list[i].is_later) {
            pg_put_uuid(params, leases->list[i].id.bytes);
            count++;
        }
    }
    pg_close_array(params);
    if (!is_over) {
        pg_open_array(params, PG_INT8);
        for (int i = 0; i < leases->count; i++) {
            if (leases->list[i].is_later)
                pg_put_int8(params, leases->list[i].due_ms);
        }
        pg_close_array(params);
    }
    if (count > 0)
        pg_add(tx->link, sql, params);
}

bool tx_write_leases(struct tx *tx) {
    static struct lists new_ones; /* one writer is one process with one thread */
    static struct lists held;
    static struct lists earlier;
    new_ones.count = new_ones.item_count = held.count = held.item_count = 0;
    earlier.count = earlier.item_count = 0;
    for (const struct tx_row *row = NULL; (row = tx_rows_leased(tx->rows, row));) {
        bool is_known = tx_leases_find(&tx->leases, &row->item.lease) != NULL;
        if (row->is_unlisted)
            add_to_list(tx_row_is_given(row) && !is_known ? &new_ones : &held, row);
        else if (row->is_changed && row->item.deadline_ms < row->stored_deadline_ms)
            add_to_list(&earlier, row);
    }
    write_read_leases(tx, true, PG_SQL_LEASES_END);
    write_read_leases(tx, false, PG_SQL_LEASES_LATER);
    write_lists(tx, PG_SQL_LEASES_ADD, &new_ones);
    write_lists(tx, PG_SQL_LEASES_HOLD, &held);
    write_lists(tx, PG_SQL_LEASES_EARLIER, &earlier);
    return true;
}
