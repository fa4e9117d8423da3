/* Batches on a server: who may write, what two writers take, rows that move meanwhile, and what is
 * known after a connection broke. */
#include "batch_writers.h"

#include "batch_model.h"

#include <sys/socket.h>

/* --- Who may write --- */

/* Begins a batch with one new item. */
static struct uuid begin_with_item(struct batch *of) {
    static int count;
    struct item_row item = {.id = uuid_of(4, ++count), .iterations = 9, .remaining = 8};
    item.home = 7;
    batch_begin(of);
    if (batch_read(of))
        batch_rows_add(of->rows, &item);
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
    struct batch_counts counts;
    struct batch *other = enter(1, &counts);
    struct uuid id = begin_with_item(batch);
    ok(batch->is_replaced && !batch_commit(batch, &counts) && !is_stored(&id),
       "a writer that was replaced is refused");
    batch_begin(batch);
    batch->lock = -1; /* it does not look */
    batch_rows_add(batch->rows, &(struct item_row){.id = id, .iterations = 9, .remaining = 8});
    ok(!batch_commit(batch, &counts) && !is_stored(&id), "by the marker, too");
    other->number--;
    batch_begin(other);
    other->lock = -1;
    ok(!batch_commit(other, &counts), "so is a batch with another number than the next one");
    other->number++;
    id = begin_with_item(other);
    ok(batch_commit(other, &counts) && is_stored(&id), "the one that replaced it writes");
    pg_link_close(batch->link);
    is_int(batch_resolve(batch, connect_or_end(server)), BATCH_REPLACED, "the first learns why");
    leave(batch);
    batch = other;
}

/* --- Two writers --- */

static int take(struct batch *of, struct batch_cursor *cursor, int most, int lease) {
    int taken = 0;
    struct batch_row *row;
    while (taken < most && batch_next_waiting(of, cursor, &row) && row) {
        batch_rows_edit(of->rows, row);
        row->item.state = ITEM_LEASED;
        row->item.has_lease = true;
        row->item.lease = uuid_of(5, lease);
        row->item.deadline_ms = clock_ms + 1000;
        row->item.worker = of->node;
        batch_rows_put(of->rows, row);
        taken++;
    }
    return taken;
}

static void test_two(void) {
    struct batch_counts counts = {.remaining = 0};
    struct batch *other = enter(2, &counts);
    struct batch_cursor one = {.group = 7, .most = 10};
    struct batch_cursor two = {.group = 7, .most = 10};
    for (int n = 0; n < 60; n++) {
        begin_with_item(batch);
        if (!batch_commit(batch, &counts))
            break;
    }
    int64_t all = number_of("SELECT count(*) FROM work WHERE home = 7");
    batch_begin(batch);
    batch_begin(other);
    int took = take(batch, &one, 25, 1);
    int other_took = take(other, &two, 1000, 2);
    int common = 0;
    for (const struct batch_row *row = NULL; (row = batch_rows_leased(batch->rows, row));)
        common += batch_rows_find(other->rows, &row->item.id) != NULL;
    is_int(took, 25, "one writer leases of a home");
    is_int(common, 0, "another gets none of the same rows");
    ok(batch_commit(batch, &counts) && batch_commit(other, &counts), "both commit");
    is_int(number_of("SELECT count(*) FROM work WHERE home = 7 AND state = 1"), took + other_took,
           "every row has one lease");
    ok(took + other_took <= all && other_took >= all - 30, "nobody is kept waiting");
    leave(other);
}

/* A worker's request that reaches two nodes at once is one lease. */
static void test_same_lease(void) {
    struct batch_counts counts = {.remaining = 0};
    struct batch *other = enter(2, &counts);
    const struct uuid lease = uuid_of(5, 3);
    for (int n = 0; n < 2; n++) {
        begin_with_item(batch);
        batch_commit(batch, &counts);
    }
    batch_begin(batch);
    batch_begin(other);
    batch_want_lease(batch, &lease);
    batch_want_lease(other, &lease);
    struct batch_cursor one = {.group = 7, .most = 1};
    struct batch_cursor two = {.group = 7, .most = 1};
    ok(take(batch, &one, 1, 3) == 1 && take(other, &two, 1, 3) == 1, "both nodes have items");
    ok(batch_commit(batch, &counts), "one gives the lease");
    ok(!batch_commit(other, &counts) && other->link->fault.kind == PG_AGAIN, "the other does not");
    batch_begin(other);
    batch_want_lease(other, &lease);
    ok(batch_read(other) && batch_leases_find(&other->leases, &lease) &&
           batch_rows_of_lease(other->rows, &lease, NULL),
       "but finds it, with its items, when it runs the batch again");
    two = (struct batch_cursor){.group = 7, .most = 1};
    ok(take(other, &two, 1, 3) == 1 && batch_commit(other, &counts) &&
           number_of("SELECT max(cardinality(items)) FROM lease WHERE get_byte(uuid_send(id), "
                     "15) = 3") == 2,
       "and may add to it");
    leave(other);
}

/* An item that one writer has seen ends by another before the first locks it. */
static void test_moved(void) {
    struct batch_counts counts = {.remaining = 0};
    struct batch *other = enter(2, &counts);
    const struct uuid id = begin_with_item(batch);
    ok(batch_commit(batch, &counts), "an item waits");
    batch_begin(batch);
    batch_want_seen(batch, &id);
    ok(batch_read(batch) && !batch_rows_find(batch->rows, &id)->is_locked, "one writer sees it");
    batch_begin(other);
    batch_want_locked(other, &id);
    struct batch_row *row = batch_read(other) ? batch_rows_find(other->rows, &id) : NULL;
    if (!row)
        return;
    batch_rows_edit(other->rows, row);
    row->item.state = ITEM_CANCELLED;
    row->item.closed_ms = clock_ms;
    batch_rows_put(other->rows, row);
    ok(batch_commit(other, &counts), "another cancels it");
    batch_want_locked(batch, &id);
    ok(batch_read(batch) && batch_rows_find(batch->rows, &id)->item.state == ITEM_CANCELLED,
       "the first finds it cancelled when it would change it");
    batch_give_up(batch);
    batch_begin(batch);
    batch_want_seen(batch, &id);
    row = batch_read(batch) ? batch_rows_find(batch->rows, &id) : NULL;
    if (!row)
        return;
    row->item.closed_ms++;
    row->is_changed = true;
    ok(!batch_commit(batch, &counts), "a row without a lock is not written");
    batch_begin(batch);
    ok(batch_read(batch), "which is no matter to the next batch");
    batch_give_up(batch);
    leave(other);
}

/* --- Connections that break --- */

static void terminate(const struct batch *of) {
    char sql[200];
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%d, 5000)::int",
             PQbackendPID(of->link->conn));
    number_of(sql);
}

/* Commits a batch on a connection that breaks, and asks on a new one what is done. */
static enum batch_outcome outcome_of_commit(void) {
    struct batch_counts counts = {.remaining = 0};
    ok(!batch_commit(batch, &counts) && !batch->link->conn, "the connection broke");
    pg_link_close(batch->link);
    return batch_resolve(batch, connect_or_end(server));
}

static void test_broken(void) {
    struct batch_counts counts = {.remaining = 0};
    struct uuid id = begin_with_item(batch);
    terminate(batch);
    is_int(outcome_of_commit(), BATCH_NOT_DONE, "killed before the commit: not done");
    ok(!is_stored(&id), "nothing is stored");

    script(batch->link,
           "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
           "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
           "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON work DEFERRABLE INITIALLY DEFERRED "
           "FOR EACH ROW EXECUTE FUNCTION die();");
    id = begin_with_item(batch);
    is_int(outcome_of_commit(), BATCH_NOT_DONE, "killed in the commit: not done");
    ok(!is_stored(&id), "nothing is stored");
    script(batch->link, "DROP TRIGGER die ON work");

    id = begin_with_item(batch);
    shutdown(PQsocket(batch->link->conn), SHUT_RD);
    is_int(outcome_of_commit(), BATCH_COMMITTED, "answer lost behind the commit: done");
    ok(is_stored(&id), "the item is stored");

    id = begin_with_item(batch);
    pid_t backend = PQbackendPID(batch->link->conn);
    kill(backend, SIGSTOP);
    shutdown(PQsocket(batch->link->conn), SHUT_RD);
    is_int(outcome_of_commit(), BATCH_UNRESOLVED, "a server process that stands still: not known");
    kill(backend, SIGCONT);
    pg_link_close(batch->link);
    is_int(batch_resolve(batch, connect_or_end(server)), BATCH_COMMITTED, "it has it in the end");
    ok(is_stored(&id), "the item is stored, once");

    id = begin_with_item(batch);
    ok(batch_commit(batch, &counts) && is_stored(&id), "the next batch goes on behind it");
    script(batch->link, "UPDATE node SET batch = batch - 1 WHERE node = 1");
    pg_link_close(batch->link);
    is_int(batch_resolve(batch, connect_or_end(server)), BATCH_BEHIND,
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
