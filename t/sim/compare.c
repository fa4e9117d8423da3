/* Looks into the files of both nodes, from outside: whether a replica equals its primary wherever
 * both are at the same batch, and whether the counts of a database are those of its rows. */

#include "sim.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"

enum { ANSWER_US = 2000000 }; /* no answer is under way for longer */

static sqlite3 *open_file(const struct node *node, const char *end) {
    char path[160];
    sqlite3 *database = NULL;
    node_file(node, end, path);
    if (access(path, R_OK) != 0)
        return NULL;
    if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) ==
            SQLITE_OK &&
        sqlite3_exec(database, "BEGIN; SELECT count(*) FROM identity", NULL, NULL, NULL) ==
            SQLITE_OK)
        return database;
    sqlite3_close(database);
    return NULL;
}

static void close_file(sqlite3 *database) {
    sqlite3_close(database);
}

static sqlite3_stmt *prepare(sqlite3 *database, const char *text) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(database, text, -1, &statement, NULL) != SQLITE_OK)
        sim_fail("cannot look into a database: %s", sqlite3_errmsg(database));
    return statement;
}

static bool look(sqlite3 *database, struct look *look) {
    sqlite3_stmt *row =
        prepare(database, "SELECT id, epoch, batch, coalesce((SELECT incomplete FROM peer), 0), "
                          "coalesce((SELECT sum(count) FROM reservation WHERE settled = 0), 0), "
                          "(SELECT count(*) FROM pull WHERE closed IS NULL), waiting + leased, "
                          "batch_check, coalesce((SELECT max(epoch) FROM peer), 0) "
                          "FROM identity, tally");
    bool good = sqlite3_step(row) == SQLITE_ROW;
    if (good) {
        memcpy(look->id, sqlite3_column_blob(row, 0), sizeof look->id);
        look->epoch = sqlite3_column_int64(row, 1);
        look->batch = sqlite3_column_int64(row, 2);
        look->incomplete = sqlite3_column_int64(row, 3) != 0;
        look->reserved = sqlite3_column_int64(row, 4);
        memcpy(look->check, sqlite3_column_blob(row, 7), sizeof look->check);
        look->met_epoch = sqlite3_column_int64(row, 8);
        look->to_do = sqlite3_column_int64(row, 6);
        look->open_pulls = sqlite3_column_int64(row, 5);
    }
    sqlite3_finalize(row);
    return good;
}

bool look_at(const struct node *node, const char *end, struct look *found) {
    sqlite3 *database = open_file(node, end);
    bool good = database && look(database, found);
    if (database)
        close_file(database);
    return good;
}

void compare_note_epoch(const struct node *node, const struct look *look) {
    struct node *peer = &nodes[1 - node->number];
    if (look->met_epoch > peer->met_epoch)
        peer->met_epoch = look->met_epoch;
}

/* --- Row by row --- */

static bool same_value(sqlite3_stmt *a, sqlite3_stmt *b, int column) {
    int type = sqlite3_column_type(a, column);
    if (type != sqlite3_column_type(b, column))
        return false;
    if (type == SQLITE_NULL)
        return true;
    if (type == SQLITE_INTEGER)
        return sqlite3_column_int64(a, column) == sqlite3_column_int64(b, column);
    int size = sqlite3_column_bytes(a, column);
    return size == sqlite3_column_bytes(b, column) &&
           (size == 0 || memcmp(sqlite3_column_blob(a, column), sqlite3_column_blob(b, column),
                                (size_t)size) == 0);
}

static void compare_table(sqlite3 *primary, sqlite3 *replica, const char *table, int node,
                          int64_t batch) {
    char text[100];
    snprintf(text, sizeof text, "SELECT * FROM %s ORDER BY 1", table);
    sqlite3_stmt *a = prepare(primary, text);
    sqlite3_stmt *b = prepare(replica, text);
    int code;
    int64_t row = 0;
    while ((code = sqlite3_step(a)) == SQLITE_ROW) {
        row++;
        if (sqlite3_step(b) != SQLITE_ROW)
            sim_fail("the replica of node %d lacks rows of %s at batch %lld", node, table,
                     (long long)batch);
        for (int i = 0; i < sqlite3_column_count(a); i++) {
            if (!same_value(a, b, i))
                sim_fail("the replica of node %d differs at batch %lld: %s, row %lld, column %s",
                         node, (long long)batch, table, (long long)row, sqlite3_column_name(a, i));
        }
    }
    if (code == SQLITE_DONE && sqlite3_step(b) != SQLITE_DONE)
        sim_fail("the replica of node %d has rows of %s too many at batch %lld", node, table,
                 (long long)batch);
    sqlite3_finalize(a);
    sqlite3_finalize(b);
}

static void compare_all(sqlite3 *primary, sqlite3 *replica, int node, int64_t batch) {
    sqlite3_stmt *tables =
        prepare(primary, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE "
                         "'sqlite_%'");
    while (sqlite3_step(tables) == SQLITE_ROW)
        compare_table(primary, replica, (const char *)sqlite3_column_text(tables, 0), node, batch);
    sqlite3_finalize(tables);
}

/* --- Counts --- */

static void must_be_none(sqlite3 *database, int node, const char *text, const char *what) {
    sqlite3_stmt *row = prepare(database, text);
    if (sqlite3_step(row) == SQLITE_ROW && sqlite3_column_int64(row, 0) != 0)
        sim_fail("node %d: %s: %lld", node, what, (long long)sqlite3_column_int64(row, 0));
    sqlite3_finalize(row);
}

static void check_counts(sqlite3 *database, int node) {
    must_be_none(database, node,
                 "SELECT abs(waiting - (SELECT count(*) FROM item WHERE state = 0)) + "
                 "abs(leased - (SELECT count(*) FROM item WHERE state = 1)) + "
                 "abs(done - (SELECT count(*) FROM item WHERE state = 2)) + "
                 "abs(pulled - (SELECT count(*) FROM item WHERE state = 3)) + "
                 "abs(cancelled - (SELECT count(*) FROM item WHERE state = 4)) + "
                 "abs(remaining - (SELECT coalesce(sum(remaining), 0) FROM item WHERE state < 2)) "
                 "FROM tally",
                 "counts differ from rows");
    must_be_none(database, node,
                 "SELECT count(*) FROM reservation WHERE settled = 0 AND count <> "
                 "(SELECT count(*) FROM item WHERE pull = tag AND state = 3 AND closed IS NULL)",
                 "reservations whose items are others");
    must_be_none(database, node,
                 "SELECT count(*) FROM item WHERE state = 3 AND closed IS NULL AND pull NOT IN "
                 "(SELECT tag FROM reservation) AND pull NOT IN "
                 "(SELECT tag FROM pull WHERE closed IS NULL)",
                 "items that are set aside for nothing");
}

/* --- One history --- */

enum { SEEN_MAX = 1024 };

/* Batches of each node as they were seen last, by number. */
static struct look seen[NODES][SEEN_MAX];

void compare_forget(const struct node *node) {
    memset(seen[node->number], 0, sizeof seen[node->number]);
}

/* Under one id and epoch a batch is made once. Without a replica nothing is recorded. */
static void check_history(const struct node *node, const struct look *own) {
    static const uint8_t none[sizeof own->check];
    struct look *then = &seen[node->number][own->batch % SEEN_MAX];
    bool recorded = memcmp(own->check, none, sizeof none) != 0;
    if (recorded && then->epoch == own->epoch && then->batch == own->batch &&
        memcmp(then->id, own->id, sizeof own->id) == 0 &&
        memcmp(then->check, own->check, sizeof own->check) != 0)
        sim_fail("node %d has made batch %lld of epoch %lld twice", node->number,
                 (long long)own->batch, (long long)own->epoch);
    if (recorded)
        *then = *own;
}

/* --- Item by item --- */

static int item_state(const struct node *node, const char *end, struct uuid id) {
    sqlite3 *database = open_file(node, end);
    if (!database)
        return -1;
    sqlite3_stmt *row = prepare(database, "SELECT state FROM item WHERE id = ?1");
    sqlite3_bind_blob(row, 1, id.bytes, sizeof id.bytes, SQLITE_STATIC);
    int state = sqlite3_step(row) == SQLITE_ROW ? sqlite3_column_int(row, 0) : -1;
    sqlite3_finalize(row);
    close_file(database);
    return state;
}

int compare_item_state(const struct node *node, struct uuid id) {
    return item_state(node, "", id);
}

void compare_held(const struct node *node, struct uuid id) {
    const struct node *peer = &nodes[1 - node->number];
    struct look own;
    bool under_way = sim_now_us - node->replica_lost_us < ANSWER_US;
    if (node->conf.copying != COPY_SYNC || node->doubt || !node->up || under_way ||
        item_state(peer, "-replica", id) >= 0)
        return;
    if (look_at(node, "", &own) && !own.incomplete && item_state(node, "", id) >= 0)
        sim_fail("node %d has told a client of an item that its replica has not, and has not saved "
                 "that it is incomplete",
                 node->number);
}

int64_t compare_found;

bool compare_replica(const struct node *node) {
    struct look own;
    struct look there;
    sqlite3 *primary = open_file(node, "");
    sqlite3 *replica = open_file(&nodes[1 - node->number], "-replica");
    bool same = false;
    if (primary && look(primary, &own)) {
        check_counts(primary, node->number);
        check_history(node, &own);
        same = replica && look(replica, &there) && there.epoch == own.epoch &&
               memcmp(there.id, own.id, sizeof own.id) == 0;
        if (same && there.batch > own.batch && node->up && !node->set_back)
            sim_fail("the replica of node %d has batch %lld, and the node itself only %lld",
                     node->number, (long long)there.batch, (long long)own.batch);
        same = same && there.batch == own.batch &&
               memcmp(there.check, own.check, sizeof own.check) == 0;
    }
    if (same) {
        compare_found++;
        compare_all(primary, replica, node->number, own.batch);
    }
    if (primary)
        close_file(primary);
    if (replica)
        close_file(replica);
    return same;
}
