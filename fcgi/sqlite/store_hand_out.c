/* Shared by pulls of this node and pulls over both: select done items, hand them out under a tag,
 * and read them again by it. */

#include <string.h>

#include "store_sql.h"

/* Reads the rows of a statement into the batch, and ends the statement. */
static bool read_items(struct sqlite_store *store, sqlite3_stmt *statement,
                       struct queue_batch *batch) {
    int code = SQLITE_ERROR;
    batch->count = 0;
    while (statement && (code = store_step(store, statement)) == SQLITE_ROW &&
           batch->count < QUEUE_PULL_MAX &&
           store_read_item(store, statement, &batch->items[batch->count]))
        batch->items[batch->count++].state = ITEM_PULLED;
    if (statement)
        store_end(statement);
    return code == SQLITE_DONE;
}

bool store_select_done(struct sqlite_store *store, const char *client, int top, int oldest,
                       struct queue_batch *batch) {
    enum sql sql = oldest ? SQL_PULL_OLDEST : SQL_PULL_LATEST;
    const struct client *of = clients_named(&store->ledger.clients, client);
    batch->count = 0;
    return !of || of->counts.items[ITEM_DONE] == 0 ||
           read_items(store, store_bind(store, sql, "ii", (int64_t)top, of->seq), batch);
}

bool store_read_pulled(struct sqlite_store *store, const uint8_t *tag, int oldest,
                       struct queue_batch *batch) {
    bool good = read_items(store, store_bind(store, SQL_PULL_AGAIN, "p", tag), batch);
    queue_sort_batch(batch, oldest);
    return good;
}

bool store_hand_out(struct sqlite_store *store, const char *client, struct queue_batch *batch,
                    int oldest, const uint8_t *tag, int64_t closed_ms) {
    enum sql sql = oldest ? SQL_PULL_GIVE_OLDEST : SQL_PULL_GIVE_LATEST;
    const struct client *of = clients_named(&store->ledger.clients, client);
    if (tag)
        queue_sort_batch(batch, oldest);
    if (batch->count == 0 || !of)
        return true;
    if (!store_run(store, sql, "piii", tag, closed_ms, (int64_t)batch->count, of->seq) ||
        sqlite3_changes(store->database) != batch->count) {
        store_lose(store);
        return false;
    }
    ledger_move_items(&store->ledger, of->seq, batch->count, ITEM_DONE, ITEM_PULLED);
    if (closed_ms >= 0)
        store_count_pulled(store, of->seq, batch->count);
    return true;
}
