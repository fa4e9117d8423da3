/* Points: links of long chains, kept on their way. Less room for other rows is not worth them. */

#include "clock.h"
#include "store_sql.h"

enum {
    POINTS_MAX = 1000000, /* in all, the latest; some 110 bytes each */
    DROP_MAX = 5000,      /* removed at once on a full disk, */
    DROP_PAUSE_MS = 250   /* and then again */
};

bool store_points_note(struct sqlite_store *store, int64_t worker) {
    if (!store_disk_has_room(store))
        return true;
    return store_run(store, SQL_POINT_REPORT, "ii", worker, store_now_ms(store)) &&
           (sqlite3_changes(store->database) == 0 ||
            store_run(store, SQL_POINTS_PRUNE, "i", (int64_t)POINTS_MAX));
}

bool store_points_lapse(struct sqlite_store *store, int64_t now, const struct uuid *lease) {
    return !store_disk_has_room(store) ||
           store_run(store, SQL_POINT_LAPSE, "iu", now, lease->bytes);
}

bool store_disk_has_room(struct sqlite_store *store) {
    if (store_reserve_holds(store))
        return true;
    int64_t now = clock_steady_ms();
    if (now >= store->points_dropped_ms + DROP_PAUSE_MS) {
        store_run(store, SQL_POINTS_DROP, "i", (int64_t)DROP_MAX);
        store->points_dropped_ms = now;
    }
    return false;
}
