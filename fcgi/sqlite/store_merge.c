/* What peers tell of items, and transfers of done items. */

#include <stddef.h>
#include <string.h>

#include "log.h"
#include "queue/id.h"
#include "row.h"
#include "store/merge.h"
#include "store_sql.h"

/* An item as it is here. */
struct found {
    struct queue_copy item;
    int64_t seq;
    enum item_state state; /* of its row: also leased; pulled when it was given away for good */
};

/* Reads a row that starts with an item as nodes tell each other of it; a damaged one poisons the
 * store. */
static bool read_copy(struct store *store, sqlite3_stmt *row, struct queue_copy *item) {
    if (row_copy(row, (int)store->conf->node, item))
        return true;
    log_error("an item has a blob of the wrong size: the database is damaged");
    store->state = STORE_POISONED;
    return false;
}

/* OK, NONE, FAULT. */
static enum queue_result find(struct store *store, struct uuid id, struct found *found) {
    sqlite3_stmt *statement = store_bind(store, SQL_MERGE_READ, "u", id.bytes);
    if (!statement)
        return QUEUE_FAULT;
    enum queue_result result = QUEUE_FAULT;
    int code = store_step(store, statement);
    if (code == SQLITE_DONE) {
        result = QUEUE_NONE;
    } else if (code == SQLITE_ROW && read_copy(store, statement, &found->item)) {
        found->seq = sqlite3_column_int64(statement, ROW_COPY_COLUMNS);
        found->state = (enum item_state)sqlite3_column_int(statement, ROW_COPY_COLUMNS + 1);
        result = QUEUE_OK;
    }
    store_end(statement);
    return result;
}

/* A home as rows have it. */
static int home_of(const struct store *store, const struct queue_copy *item) {
    return item->home == store->conf->node ? HOME_OWN : item->home;
}

/* The queue clock when an item was completed that another node may have completed, so that items
 * are handed out in the same order here as there. */
static int64_t done_clock(const struct store *store, const struct queue_copy *item) {
    int64_t now = store_now_ms(store);
    int64_t ago = store->wall_ms - item->completed_wall_ms;
    return ago <= 0 ? now : ago >= now ? 0 : now - ago;
}

static bool insert(struct store *store, const struct queue_copy *item, int64_t change) {
    char text[ID_TEXT_SIZE];
    int home = home_of(store, item);
    if (!store_has_room_for(store, item->remaining)) {
        id_format(text, item->id);
        log_error("item %s of node %d cannot be kept: the sum of iterations would be too large",
                  text, item->home);
        return true;
    }
    if (!store_run(store, SQL_MERGE_INSERT, "uddiiiiiiiiptiiii", item->id.bytes, item->digest,
                   item->chain, item->iterations, item->remaining, (int64_t)item->state,
                   (int64_t)home, (int64_t)item->moves, (int64_t)item->trial,
                   item->enqueued_wall_ms, item->completed_wall_ms,
                   item->has_pull ? item->pull : NULL, item->key[0] ? item->key : NULL,
                   store_rank(store, item->iterations), store_now_ms(store),
                   done_clock(store, item), change))
        return false;
    store_count(store, home, (enum item_state)item->state, 1, item->remaining);
    if (item->state >= ITEM_PULLED)
        store_note_closed(store, (enum item_state)item->state);
    return true;
}

/* Sets a row to what was merged. A lease goes on as long as the item is where it was leased. */
static bool update(struct store *store, const struct found *found, const struct queue_copy *item,
                   int64_t change) {
    bool handed = found->state == ITEM_PULLED && found->item.state == ITEM_DONE &&
                  item->state == ITEM_DONE && item->home == found->item.home;
    bool leased = found->state == ITEM_LEASED && item->state == ITEM_WAITING &&
                  item->trial == found->item.trial && item->remaining == found->item.remaining;
    enum item_state state = (enum item_state)item->state;
    if (handed)
        state = ITEM_PULLED;
    else if (leased)
        state = ITEM_LEASED;
    if (!store_run(store, SQL_MERGE_UPDATE, "iidiiiipiiiii", found->seq, (int64_t)state,
                   item->chain, item->remaining, (int64_t)item->trial,
                   (int64_t)home_of(store, item), (int64_t)item->moves,
                   item->has_pull ? item->pull : NULL, item->completed_wall_ms,
                   done_clock(store, item), store_now_ms(store), change, (int64_t)handed))
        return false;
    store_count(store, home_of(store, &found->item), found->state, -1, -found->item.remaining);
    store_count(store, home_of(store, item), state, 1, item->remaining);
    if (state >= ITEM_PULLED && found->state != state)
        store_note_closed(store, state);
    return true;
}

/* Keeps a fault, for an operator to see. */
static bool note_fault(struct store *store, const struct queue_copy *ours,
                       const struct queue_copy *theirs, int node) {
    char text[ID_TEXT_SIZE];
    id_format(text, ours->id);
    log_error("item %s: node %d has another chain for %lld iterations remaining than is here; one "
              "of them was computed wrongly: check the workers' machines of both nodes",
              text, node, (long long)theirs->remaining);
    return store_run(store, SQL_FAULT_ADD, "uiddii", ours->id.bytes, theirs->remaining, ours->chain,
                     theirs->chain, (int64_t)node, store->wall_ms) &&
           store_run(store, SQL_FAULT_PRUNE, "");
}

/* How to take what a node tells. */
struct taking {
    int node;
    bool tell; /* the peer is to be told of it anyway */
    bool room; /* there is room for items that are not here yet */
};

/* Takes what a node tells of one item. OK, DISK_FULL, FAULT. */
static enum queue_result merge_one(struct store *store, const struct queue_copy *theirs,
                                   const struct taking *how) {
    struct found found;
    struct merged merged;
    enum queue_result result = find(store, theirs->id, &found);
    if (result == QUEUE_NONE && !how->room)
        return QUEUE_DISK_FULL;
    if (result == QUEUE_NONE)
        return insert(store, theirs, how->tell ? store_new_change(store) : 0) ? QUEUE_OK
                                                                              : QUEUE_FAULT;
    if (result != QUEUE_OK)
        return result;
    merge(&merged, &found.item, theirs);
    if (merged.fault && !note_fault(store, &found.item, theirs, how->node))
        return QUEUE_FAULT;
    bool tell = merged.theirs_behind || (how->tell && merged.ours_behind);
    if (!tell && !merged.ours_behind)
        return QUEUE_OK;
    return update(store, &found, &merged.item, tell ? store_new_change(store) : 0) ? QUEUE_OK
                                                                                   : QUEUE_FAULT;
}

/* Those before one that fails stay merged, which does no harm: all come again. */
static enum queue_result merge_all(struct store *store, const struct queue_copies *copies,
                                   const struct taking *how) {
    enum queue_result result = QUEUE_OK;
    for (int i = 0; i < copies->count && result == QUEUE_OK; i++)
        result = merge_one(store, &copies->items[i], how);
    return result;
}

enum queue_result store_merge(struct store *store, const struct queue_copies *copies) {
    struct taking how = {.node = copies->node, .room = store_reserve_holds(store)};
    store_told_by(store, copies->node);
    return merge_all(store, copies, &how); /* what there is no room for is told again */
}

enum queue_result store_transfer_begin(struct store *store, const struct queue_transfer *transfer) {
    return store_run(store, SQL_TRANSFER_ADD, "uiii", transfer->id.bytes, (int64_t)transfer->node,
                     (int64_t)transfer->top, (int64_t)transfer->oldest)
               ? QUEUE_OK
               : QUEUE_FAULT;
}

enum queue_result store_transfer_end(struct store *store, struct uuid id,
                                     const struct queue_copies *copies) {
    /* Whoever gave them knows of them already. */
    bool tell = store->conf->copying != COPY_NONE && store->conf->peers[0].node != copies->node;
    struct taking how = {.node = copies->node, .tell = tell, .room = true};
    enum queue_result result = merge_all(store, copies, &how);
    if (result == QUEUE_OK && !store_run(store, SQL_TRANSFER_END, "u", id.bytes))
        result = QUEUE_FAULT;
    return result;
}

/* What a transfer has given away. False when that cannot be read. */
static bool given_before(struct store *store, const struct queue_transfer *transfer,
                         struct queue_copies *items) {
    int code = SQLITE_ERROR;
    sqlite3_stmt *statement =
        store_bind(store, SQL_GIVE_AGAIN, "ui", transfer->id.bytes, (int64_t)transfer->node);
    while (statement && items->count < QUEUE_COPIES_MAX &&
           (code = store_step(store, statement)) == SQLITE_ROW &&
           read_copy(store, statement, &items->items[items->count])) {
        struct queue_copy *item = &items->items[items->count++];
        item->state = ITEM_DONE;
        item->has_pull = 0;
    }
    if (statement)
        store_end(statement);
    return code == SQLITE_DONE || (code == SQLITE_ROW && items->count == QUEUE_COPIES_MAX);
}

enum queue_result store_give(struct store *store, const struct queue_transfer *transfer,
                             struct queue_copies *items) {
    memset(items, 0, offsetof(struct queue_copies, items)); /* its gaps are sent too */
    items->node = (int32_t)store->conf->node;
    if (!given_before(store, transfer, items))
        return QUEUE_FAULT;
    if (items->count > 0 || store->counts.items[ITEM_DONE] == 0 || store_is_behind(store))
        return QUEUE_OK;
    if (!store_run(store, transfer->oldest ? SQL_GIVE_OLDEST : SQL_GIVE_LATEST, "iuiiii",
                   (int64_t)transfer->node, transfer->id.bytes, (int64_t)transfer->top,
                   (int64_t)transfer->copies, store_now_ms(store), store_new_change(store)))
        return QUEUE_FAULT;
    int64_t count = sqlite3_changes(store->database);
    store_count(store, HOME_OWN, ITEM_DONE, -count, 0);
    store_count(store, transfer->node, transfer->copies ? ITEM_DONE : ITEM_PULLED, count, 0);
    if (!transfer->copies && count > 0)
        store_note_closed(store, ITEM_PULLED);
    return given_before(store, transfer, items) ? QUEUE_OK : QUEUE_FAULT;
}
