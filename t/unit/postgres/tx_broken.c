/* Batches on a server: who may write, what two writers take, rows that move meanwhile, and what is
 * known after a connection broke. */
#include "tx_writers.h"

#include "tx_model.h"

#include <sys/socket.h>

/* --- Who may write --- */

/* Begins a batch with one new item. */
static struct uuid begin_with_item(struct tx *of) {
    static int count;
    struct item_row item = {.id = uuid_of(4, ++count), .iterations = 9, .remaining = 8};
    item.home = 7;
    tx_begin(of);
    if (tx_read(of))
        tx_rows_add(of->rows, &item);
    return item.id;
}

static bool is_stored(const struct uuid *id) {
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM work WHERE get_byte(uuid_send(id), 13) = 4 AND "
             "get_byte(uuid_send(id), 15) = %d",
             id->bytes[15]);
    return number_of(sql) > 0;
}

static void test_second_writer(void) {
    struct tx_counts counts;
    struct tx *other = enter(1, &counts);
    struct uuid id = begin_with_item(tx);
    ok(tx->is_replaced && !tx_commit(tx, &counts) && !is_stored(&id),
       "a writer that was replaced is refused");
    tx_begin(tx);
    tx->lock = -1; /* it does not look */
    tx_rows_add(tx->rows, &(struct item_row){.id = id, .iterations = 9, .remaining = 8});
    ok(!tx_commit(tx, &counts) && !is_stored(&id), "by the marker, too");
    other->number--;
    tx_begin(other);
    other->lock = -1;
    ok(!tx_commit(other, &counts), "so is a batch with another number than the next one");
    other->number++;
    id = begin_with_item(other);
    ok(tx_commit(other, &counts) && is_stored(&id), "the one that replaced it writes");
    pg_link_close(tx->link);
    is_int(tx_resolve(tx, connect_or_end(server)), TX_REPLACED, "the first learns why");
    leave(tx);
    tx = other;
}

/* --- Two writers --- */

static int take(struct tx *of, struct tx_cursor *cursor, int most, int lease) {
    int taken = 0;
    struct tx_row *row;
    while (taken < most && tx_next_waiting(of, cursor, &row) && row) {
        tx_rows_edit(of->rows, row);
        row->item.state = ITEM_LEASED;
        row->item.has_lease = true;
        row->item.lease = uuid_of(5, lease);
        row->item.deadline_ms = clock_ms + 1000;
        row->item.worker = of->node;
        tx_rows_put(of->rows, row);
        taken++;
    }
    return taken;
}

static void test_two(void) {
    struct tx_counts counts = {.remaining = 0};
    struct tx *other = enter(2, &counts);
    struct tx_cursor one = {.group = 7, .most = 10};
    struct tx_cursor two = {.group = 7, .most = 10};
    for (int n = 0; n < 60; n++) {
        begin_with_item(tx);
        if (!tx_commit(tx, &counts))
            break;
    }
    int64_t all = number_of("SELECT count(*) FROM work WHERE home = 7");
    tx_begin(tx);
    tx_begin(other);
    int took = take(tx, &one, 25, 1);
    int other_took = take(other, &two, 1000, 2);
    int common = 0;
    for (const struct tx_row *row = NULL; (row = tx_rows_leased(tx->rows, row));)
        common += tx_rows_find(other->rows, &row->item.id) != NULL;
    is_int(took, 25, "one writer leases of a home");
    is_int(common, 0, "another gets none of the same rows");
    ok(tx_commit(tx, &counts) && tx_commit(other, &counts), "both commit");
    is_int(number_of("SELECT count(*) FROM work WHERE home = 7 AND state = 1"), took + other_took,
           "every row has one lease");
    ok(took + other_took <= all && other_took >= all - 30, "nobody is kept waiting");
    leave(other);
}

/* A worker's request that reaches two nodes at once is one lease. */
static void test_same_lease(void) {
    struct tx_counts counts = {.remaining = 0};
    struct tx *other = enter(2, &counts);
    const struct uuid lease = uuid_of(5, 3);
    for (int n = 0; n < 2; n++) {
        begin_with_item(tx);
        tx_commit(tx, &counts);
    }
    tx_begin(tx);
    tx_begin(other);
    tx_want_lease(tx, &lease);
    tx_want_lease(other, &lease);
    struct tx_cursor one = {.group = 7, .most = 1};
    struct tx_cursor two = {.group = 7, .most = 1};
    ok(take(tx, &one, 1, 3) == 1 && take(other, &two, 1, 3) == 1, "both nodes have items");
    ok(tx_commit(tx, &counts), "one gives the lease");
    ok(!tx_commit(other, &counts) && other->link->fault.kind == PG_AGAIN, "the other does not");
    tx_begin(other);
    tx_want_lease(other, &lease);
    ok(tx_read(other) && tx_leases_find(&other->leases, &lease) &&
           tx_rows_of_lease(other->rows, &lease, NULL),
       "but finds it, with its items, when it runs the batch again");
    two = (struct tx_cursor){.group = 7, .most = 1};
    ok(take(other, &two, 1, 3) == 1 && tx_commit(other, &counts) &&
           number_of("SELECT max(cardinality(items)) FROM lease WHERE get_byte(uuid_send(id), "
                     "15) = 3") == 2,
       "and may add to it");
    leave(other);
}

/* An item that one writer has seen ends by another before the first locks it. */
static void test_moved(void) {
    struct tx_counts counts = {.remaining = 0};
    struct tx *other = enter(2, &counts);
    const struct uuid id = begin_with_item(tx);
    ok(tx_commit(tx, &counts), "an item waits");
    tx_begin(tx);
    tx_want_seen(tx, &id);
    ok(tx_read(tx) && !tx_rows_find(tx->rows, &id)->is_locked, "one writer sees it");
    tx_begin(other);
    tx_want_locked(other, &id);
    struct tx_row *row = tx_read(other) ? tx_rows_find(other->rows, &id) : NULL;
    if (!row)
        return;
    tx_rows_edit(other->rows, row);
    row->item.state = ITEM_CANCELLED;
    row->item.closed_ms = clock_ms;
    tx_rows_put(other->rows, row);
    ok(tx_commit(other, &counts), "another cancels it");
    tx_want_locked(tx, &id);
    ok(tx_read(tx) && tx_rows_find(tx->rows, &id)->item.state == ITEM_CANCELLED,
       "the first finds it cancelled when it would change it");
    tx_give_up(tx);
    tx_begin(tx);
    tx_want_seen(tx, &id);
    row = tx_read(tx) ? tx_rows_find(tx->rows, &id) : NULL;
    if (!row)
        return;
    row->item.closed_ms++;
    row->is_changed = true;
    ok(!tx_commit(tx, &counts), "a row without a lock is not written");
    tx_begin(tx);
    ok(tx_read(tx), "which is no matter to the next batch");
    tx_give_up(tx);
    leave(other);
}

/* --- Connections that break --- */

static void terminate(const struct tx *of) {
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 5000)::int",
             PQbackendPID(of->link->conn));
    number_of(sql);
}

/* Commits a batch on a connection that breaks, and asks on a new one what is done. */
static enum tx_outcome outcome_of_commit(void) {
    struct tx_counts counts = {.remaining = 0};
    ok(!tx_commit(tx, &counts) && !tx->link->conn, "the connection broke");
    pg_link_close(tx->link);
    return tx_resolve(tx, connect_or_end(server));
}

static void test_broken(void) {
    struct tx_counts counts = {.remaining = 0};
    struct uuid id = begin_with_item(tx);
    terminate(tx);
    is_int(outcome_of_commit(), TX_NOT_DONE, "killed before the commit: not done");
    ok(!is_stored(&id), "nothing is stored");

    script(tx->link,
           "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
           "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
           "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON work DEFERRABLE INITIALLY DEFERRED "
           "FOR EACH ROW EXECUTE FUNCTION die();");
    id = begin_with_item(tx);
    is_int(outcome_of_commit(), TX_NOT_DONE, "killed in the commit: not done");
    ok(!is_stored(&id), "nothing is stored");
    script(tx->link, "DROP TRIGGER die ON work");

    id = begin_with_item(tx);
    shutdown(PQsocket(tx->link->conn), SHUT_RD);
    is_int(outcome_of_commit(), TX_COMMITTED, "answer lost behind the commit: done");
    ok(is_stored(&id), "the item is stored");

    id = begin_with_item(tx);
    pid_t backend = PQbackendPID(tx->link->conn);
    kill(backend, SIGSTOP);
    shutdown(PQsocket(tx->link->conn), SHUT_RD);
    is_int(outcome_of_commit(), TX_UNRESOLVED, "a server process that stands still: not known");
    kill(backend, SIGCONT);
    pg_link_close(tx->link);
    is_int(tx_resolve(tx, connect_or_end(server)), TX_COMMITTED, "it has it in the end");
    ok(is_stored(&id), "the item is stored, once");

    id = begin_with_item(tx);
    ok(tx_commit(tx, &counts) && is_stored(&id), "the next batch goes on behind it");
    script(tx->link, "UPDATE node SET batch = batch - 1 WHERE node = 1");
    pg_link_close(tx->link);
    is_int(tx_resolve(tx, connect_or_end(server)), TX_BEHIND,
           "a server without a batch that was acknowledged is behind");
}

int main(void) {
    set_up_batches();
    test_second_writer();
    test_two();
    test_same_lease();
    test_moved();
    test_broken();
    return tear_down_batches();
}
