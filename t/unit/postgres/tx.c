/* Batches on a server: any operations, compared with a model after each commit. */
#include "tx_writers.h"

#include "tx_model.h"

enum { HOMES = 2, CLIENTS = 3, BATCHES = 200 };

static int leases;
static int wrong;
static bool has_lapsed;                     /* the batch has looked at all leases that are due */
static int moves[ITEM_STATES][ITEM_STATES]; /* how often an item went from one state to another */

/* --- Looking at the tables --- */

static void count_model(struct tx_counts *counts) {
    *counts = (struct tx_counts){.now = clock_ms, .top = 2 * clock_ms};
    for (int n = 0; n < model.count; n++) {
        counts->items[model.items[n].state]++;
        if (model.items[n].state <= ITEM_LEASED)
            counts->remaining += model.items[n].remaining;
    }
}

/* Whether the tables have exactly the items of the model. */
static bool tables_are_right(struct tx *reader) {
    struct tx_counts counts;
    count_model(&counts);
    bool right = number_of("SELECT count(*) FROM work") ==
                     counts.items[ITEM_WAITING] + counts.items[ITEM_LEASED] &&
                 number_of("SELECT count(*) FROM done") == counts.items[ITEM_DONE] &&
                 number_of("SELECT count(*) FROM ended") ==
                     counts.items[ITEM_PULLED] + counts.items[ITEM_CANCELLED];
    tx_begin(reader);
    for (int n = 0; n < model.count; n++)
        tx_want_seen(reader, &model.items[n].id);
    if (!tx_read(reader))
        return false;
    for (int n = 0; n < model.count && right; n++) {
        const struct tx_row *row = tx_rows_find(reader->rows, &model.items[n].id);
        const struct item_row wanted = stored_of(&model.items[n]);
        right = row && !row->is_absent && same_item(&row->item, &wanted);
    }
    tx_give_up(reader);
    return right && number_of("SELECT count(*) FROM work AS w WHERE state = 1 AND NOT EXISTS ("
                              "SELECT FROM lease AS l WHERE l.id = w.lease AND l.due <= w.deadline"
                              " AND w.id = ANY (l.items))") == 0;
}

/* --- Operations, each on the batch and on the model --- */

/* Changes a row and the model's item alike. */
static void change(struct tx_row *row, struct item_row *item, const struct item_row *to) {
    moves[item->state][to->state]++;
    tx_rows_edit(tx->rows, row);
    row->item = *to;
    tx_rows_put(tx->rows, row);
    *item = *to;
}

static void enqueue(void) {
    struct item_row item = {.id = uuid_of(1, model.count), .client = 1 + any(CLIENTS)};
    if (model.count == MODEL_MAX)
        return;
    memset(item.digest, model.count, DIGEST_SIZE);
    memset(item.chain, model.count, DIGEST_SIZE);
    item.home = (int16_t)any(HOMES);
    item.iterations = 1 + any(4);
    item.remaining = item.iterations - 1;
    item.enqueued_wall_ms = 5 * clock_ms;
    if (item.remaining == 0) {
        item.state = ITEM_DONE;
        item.done_at_ms = clock_ms;
        item.done_wall_ms = 5 * clock_ms;
    } else {
        item.rank = any(6); /* many are equal */
        item.since_ms = clock_ms;
    }
    model.items[model.count++] = item;
    wrong += !tx_rows_add(tx->rows, &item);
}

static void lease(void) {
    struct tx_cursor cursor = {.group = any(HOMES), .order = 0, .most = 1 + any(5)};
    const struct uuid id = uuid_of(2, ++leases);
    for (int left = any(8); left > 0; left--) {
        struct item_row *item = model_next_waiting((int)cursor.group);
        struct tx_row *row;
        if (!tx_next_waiting(tx, &cursor, &row) || (row == NULL) != (item == NULL) ||
            (row && memcmp(&row->item.id, &item->id, ID_SIZE) != 0)) {
            wrong++;
            return;
        }
        if (!row)
            return;
        struct item_row to = *item;
        to.state = ITEM_LEASED;
        to.has_lease = true;
        to.lease = id;
        to.worker = 1 + any(3);
        to.deadline_ms = clock_ms + 5 + any(10);
        to.granted = to.remaining;
        to.granted_at_ms = to.moved_ms = clock_ms;
        to.granted_wall_ms = 5 * clock_ms;
        change(row, item, &to);
    }
}

/* Reads the row of an item for a change; it may be in memory already. */
static struct tx_row *locked(const struct item_row *item) {
    struct tx_row *row = tx_rows_find(tx->rows, &item->id);
    if (row && (row->is_locked || row->stored == TX_ENDED))
        return row;
    if (!tx_want_locked(tx, &item->id) || !tx_read(tx))
        wrong++;
    return tx_rows_find(tx->rows, &item->id);
}

static struct item_row finished(const struct item_row *item) {
    struct item_row to = *item;
    to.state = ITEM_DONE;
    to.remaining = to.deadline_ms = 0;
    to.done_at_ms = clock_ms;
    to.done_wall_ms = 5 * clock_ms;
    return to;
}

/* A report of one item, if it still has a lease: fewer remain, or it is renewed, or given back, or
 * taken up again after it had lapsed. */
static void report(void) {
    struct item_row *item = &model.items[any(model.count)];
    struct tx_row *row = locked(item);
    struct item_row to = *item;
    if (!row || row->item.state != item->state)
        wrong++;
    if (!row || !item->has_lease || item->state > ITEM_LEASED)
        return;
    int64_t links = any((int)item->remaining + 1);
    to.remaining -= links;
    to.chain[0] = (uint8_t)(to.chain[0] + links);
    to.moved_ms = links > 0 ? clock_ms : to.moved_ms;
    to.worker = 1 + any(3);
    to.state = ITEM_LEASED;
    to.deadline_ms = clock_ms + any(10) + 1; /* may be earlier than it was */
    if (to.remaining == 0) {
        to = finished(&to);
    } else if (any(4) == 0) {
        to.state = ITEM_WAITING;
        to.has_lease = false;
        to.deadline_ms = 0;
        to.since_ms = clock_ms;
    }
    change(row, item, &to);
}

static void cancel(void) {
    struct item_row *item = &model.items[any(model.count)];
    struct tx_row *row = locked(item);
    struct item_row to = *item;
    if (!row || row->item.state != item->state)
        wrong++;
    if (!row || item->state > ITEM_LEASED)
        return;
    to.state = ITEM_CANCELLED;
    to.deadline_ms = 0;
    to.closed_ms = clock_ms;
    change(row, item, &to);
}

static void pull(void) {
    enum tx_order order = (enum tx_order)any(2);
    struct tx_cursor cursor = tx_first_done(1 + any(CLIENTS), order, 1 + any(5));
    bool keyed = any(2);
    for (int left = any(8); left > 0; left--) {
        struct item_row *item = model_next_done(cursor.group, order);
        struct tx_row *row;
        if (!tx_next_done(tx, &cursor, order, &row) || (row == NULL) != (item == NULL) ||
            (row && memcmp(&row->item.id, &item->id, ID_SIZE) != 0)) {
            wrong++;
            return;
        }
        if (!row)
            return;
        struct item_row to = *item;
        to.state = ITEM_PULLED;
        to.closed_ms = clock_ms;
        to.has_pull = keyed;
        memset(to.pull, keyed ? (int)clock_ms : 0, PULL_TAG_SIZE);
        change(row, item, &to);
    }
}

/* Lets the items of a lease lapse, and says when to look at it again. */
static void lapse_lease(struct tx_lease *due) {
    int64_t next = INT64_MAX;
    struct tx_row *row = NULL;
    for (struct tx_row *after = NULL; (row = tx_rows_of_lease(tx->rows, &due->id, after));) {
        struct item_row to = row->item;
        if (to.deadline_ms > clock_ms) {
            next = to.deadline_ms < next ? to.deadline_ms : next;
            after = row;
            continue;
        }
        to.state = ITEM_WAITING;
        to.since_ms = to.deadline_ms;
        to.deadline_ms = 0;
        to.strikes = (int16_t)(to.strikes + (to.remaining == to.granted));
        change(row, model_find(&to.id), &to);
    }
    tx_lease_set_due(due, next);
}

/* Looks at all leases that are due. Whatever of the model has lapsed must be among their items. */
static void lapse(void) {
    int count;
    int before = tx->leases.count;
    int64_t known = number_of("SELECT count(*) FROM lease");
    if (!tx_read_due(tx, clock_ms, (int32_t)known, &count)) {
        wrong++;
        return;
    }
    has_lapsed = true;
    for (int n = before; n < before + count; n++)
        lapse_lease(&tx->leases.list[n]);
    for (int n = 0; n < model.count; n++) {
        const struct item_row *item = &model.items[n];
        const struct tx_row *row = tx_rows_find(tx->rows, &item->id);
        bool is_new = row && row->is_unlisted; /* its lease is not stored before the commit */
        wrong += item->state == ITEM_LEASED && item->deadline_ms <= clock_ms && !is_new &&
                 !(row && row->item.deadline_ms < row->stored_deadline_ms);
    }
}

static void look(void) {
    struct item_row *item = &model.items[any(model.count)];
    if (!tx_want_seen(tx, &item->id) || !tx_read(tx))
        wrong++;
    const struct tx_row *row = tx_rows_find(tx->rows, &item->id);
    wrong += !row || row->is_absent || row->item.state != item->state ||
             row->item.remaining != item->remaining;
}

static void look_at_nothing(void) {
    const struct uuid id = uuid_of(3, any(100));
    if (!tx_want_seen(tx, &id) || !tx_read(tx))
        wrong++;
    const struct tx_row *row = tx_rows_find(tx->rows, &id);
    wrong += !row || !row->is_absent;
}

/* Notes what some operations will need, as a writer does before it applies them. */
static void prepare(void) {
    for (int n = any(5); n > 0 && model.count > 0; n--)
        tx_want_locked(tx, &model.items[any(model.count)].id);
    for (int n = any(5); n > 0 && model.count > 0; n--)
        tx_want_seen(tx, &model.items[any(model.count)].id);
    wrong += !tx_read(tx);
}

static void test_random(struct tx *reader) {
    static struct model before;
    static void (*const operations[])(void) = {enqueue, enqueue, lease,          report,
                                               report,  report,  cancel,         pull,
                                               lapse,   look,    look_at_nothing};
    int different = 0;
    int64_t still_due = 0;
    for (int n = 0; n < BATCHES && wrong == 0 && different == 0; n++) {
        struct tx_counts counts;
        before = model;
        clock_ms += any(4);
        has_lapsed = false;
        tx_begin(tx);
        prepare();
        for (int more = 1 + any(12); more > 0; more--) {
            int operation = model.count == 0 ? 0 : any(11);
            operations[operation]();
        }
        count_model(&counts);
        if (any(8) == 0) {
            tx_give_up(tx);
            model = before;
        } else if (!tx_commit(tx, &counts)) {
            printf("# batch %d: %s\n", n, tx->link->fault.message);
            wrong++;
        } else if (has_lapsed) {
            char sql[100];
            snprintf(sql, sizeof sql, "SELECT count(*) FROM lease WHERE due <= %lld",
                     (long long)clock_ms);
            still_due += number_of(sql);
        }
        if (!tables_are_right(reader)) {
            printf("# batch %d\n", n);
            different++;
        }
    }
    is_int(wrong, 0, "operations find what the model has");
    is_int(still_due, 0, "a lease that was looked at is not due any more");
    is_int(different, 0, "after each commit the tables are as the model");
    ok(moves[ITEM_WAITING][ITEM_LEASED] > 50 && moves[ITEM_LEASED][ITEM_WAITING] > 20 &&
           moves[ITEM_LEASED][ITEM_LEASED] > 20 && moves[ITEM_WAITING][ITEM_DONE] > 5 &&
           moves[ITEM_LEASED][ITEM_DONE] > 20 && moves[ITEM_DONE][ITEM_PULLED] > 50 &&
           moves[ITEM_WAITING][ITEM_CANCELLED] > 10 && moves[ITEM_LEASED][ITEM_CANCELLED] > 2,
       "every move was made");
}

static void test_counts(void) {
    struct tx_counts wanted;
    struct tx_counts got;
    count_model(&wanted);
    leave(tx);
    tx = enter(1, &got);
    ok(memcmp(got.items, wanted.items, sizeof got.items) == 0 && got.remaining == wanted.remaining,
       "the counts are those of the last batch");
}

int main(void) {
    struct tx_counts counts;
    set_up_batches();
    number_of("SELECT ended_ahead(1000, 50, 4)");
    struct tx *reader = enter(9, &counts);
    test_random(reader);
    leave(reader);
    test_counts();
    return tear_down_batches();
}
