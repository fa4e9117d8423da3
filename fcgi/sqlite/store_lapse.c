/* Leases that lapse. A lease's row says before when none of its items does; whatever was reported
 * since, only its items say. So a lease is looked at then, and again when the next of them may. */

#include "clock.h"
#include "log.h"
#include "store_sql.h"

enum {
    LAPSE_MAX = 2000,      /* items that lapse in one batch */
    LISTED_MAX = 100000,   /* bytes of lists of items that are looked through in one batch */
    LAPSED_PAUSE_MS = 1000 /* between two lines about them in the log */
};

/* The lease to look at next. */
struct lease_row {
    struct uuid id;
    int64_t due_ms;
    int64_t listed; /* bytes of its list; 0: there is no lease */
};

/* Reads it. False after a failure. */
static bool read_first(struct sqlite_store *store, struct lease_row *lease) {
    sqlite3_stmt *statement = store_bind(store, SQL_LEASE_FIRST, "");
    *lease = (struct lease_row){.due_ms = INT64_MAX};
    if (!statement)
        return false;
    int code = store_step(store, statement);
    bool good = code == SQLITE_DONE;
    if (code == SQLITE_ROW) {
        good = store_blob(store, statement, 0, lease->id.bytes, ID_SIZE);
        lease->due_ms = sqlite3_column_int64(statement, 1);
        lease->listed = sqlite3_column_int64(statement, 2);
    }
    store_end(statement);
    return good;
}

/* When the next item of a lease lapses; INT64_MAX when it holds none. */
static int64_t next_of(struct sqlite_store *store, const struct lease_row *lease) {
    return store_number(store, store_bind(store, SQL_LEASE_DEADLINE, "u", lease->id.bytes),
                        INT64_MAX);
}

/* Lets the items of a lease that is due lapse. Returns how many did; -1 after a failure. */
static int64_t lapse(struct sqlite_store *store, const struct lease_row *lease) {
    int64_t now = store_now_ms(store);
    int64_t items = 0;
    int64_t next = next_of(store, lease);
    if (next <= now) {
        if (!store_points_lapse(store, now, &lease->id))
            return -1;
        items = store_take_back(store, store_bind(store, SQL_LAPSE, "iu", now, lease->id.bytes));
        next = next_of(store, lease);
    }
    bool good = next == INT64_MAX
                    ? store_run(store, SQL_LEASE_END, "ui", lease->id.bytes, INT64_MAX)
                    : store_run(store, SQL_LEASE_LATER, "ui", lease->id.bytes, next);
    return good && store_state_of(store) == STORE_GOOD ? items : -1;
}

/* Looks at the leases that are due, and notes when the next one is. */
static void lapse_all(struct sqlite_store *store) {
    struct lease_row lease;
    int64_t items = 0;
    int64_t listed = 0;
    bool good;
    while ((good = read_first(store, &lease)) && lease.due_ms <= store_now_ms(store) &&
           items < LAPSE_MAX && listed < LISTED_MAX) {
        int64_t lapsed = lapse(store, &lease);
        if (lapsed < 0)
            return;
        items += lapsed;
        listed += lease.listed;
    }
    store->lapsed += items;
    store->ledger.done.counts[METRICS_LAPSED] += items;
    if (good)
        store->next_deadline_ms = lease.due_ms;
}

void sqlite_lapse(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    if (store_now_ms(store) < store->next_deadline_ms)
        return;
    lapse_all(store);
    if (store->lapsed > 0 && clock_steady_ms() >= store->lapsed_told_ms + LAPSED_PAUSE_MS) {
        log_info("leases lapsed of items: %lld; they wait again", (long long)store->lapsed);
        store->lapsed_told_ms = clock_steady_ms();
        store->lapsed = 0;
    }
}

int64_t sqlite_next_lapse(const struct store *base) {
    const struct sqlite_store *store = sqlite_of(base);
    if (store->next_deadline_ms == INT64_MAX)
        return INT64_MAX;
    return store->next_deadline_ms - store->clock_offset_ms;
}
