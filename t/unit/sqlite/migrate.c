/* Databases of older schemas: what they hold stays; what nodes still have to sort out is refused.
 */
#include "fixture.h"

static const enum sql schemas[] = {SQL_SCHEMA_1, SQL_SCHEMA_2, SQL_SCHEMA_3, SQL_SCHEMA_4,
                                   SQL_SCHEMA_5, SQL_SCHEMA_6, SQL_SCHEMA_7, SQL_SCHEMA_8};

/* The ids of items of node 7, as in new_item, and of node 2. */
#define OWN(n)                                                                                     \
    "x'019a000000007000"                                                                           \
    "81c00000000000" #n "'"
#define OTHER(n)                                                                                   \
    "x'019a000000007000"                                                                           \
    "80800000000000" #n "'"
#define REST "zeroblob(64), zeroblob(64), 9"

/* Makes a database of an older schema, and has it changed by this. */
static void make(int version, const char *sql) {
    char number_is[40];
    char *why = NULL;
    sqlite3 *database;
    remove_database("db");
    bool good = sqlite3_open(conf.database, &database) == SQLITE_OK;
    for (int i = 0; i < version && good; i++)
        good = sqlite3_exec(database, sql_text[schemas[i]], NULL, NULL, &why) == SQLITE_OK;
    snprintf(number_is, sizeof number_is, "PRAGMA user_version = %d", version);
    if (!good || sqlite3_exec(database, sql, NULL, NULL, &why) != SQLITE_OK ||
        sqlite3_exec(database, number_is, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "%s\n", why);
        abort();
    }
    sqlite3_close(database);
}

/* One batch with nothing but retention in it. The rows that are left. */
static int64_t batch_of_retention(struct store *store) {
    store_begin(store);
    store_remove_old(store);
    store_commit(store);
    return number(store, "SELECT count(*) FROM item");
}

static void from_1(void) {
    make(1,
         "INSERT INTO item (id, digest, chain, iterations, remaining, state, rank, since,"
         " enqueued_wall, done_at, pull) VALUES"
         " (" OWN(
             01) "," REST ", 0, 3, 0, 0, 0, 1, NULL),"
                 " (" OWN(
                     02) "," REST ", 8, 0, 0, 0, 0, NULL, NULL);"
                         "UPDATE tally SET clock = 1000, waiting = 1, pulled = 1, remaining = 8;");
    struct store *store = open_store();
    is_int(number(store, "PRAGMA user_version"), 11,
           "a database of schema version 1 is brought up");
    ok(counts_true(store), "the counts are true");
    is_int(batch_of_retention(store), 2, "what was pulled before stays");
    clock_offsets[1] += INT64_C(7) * 24 * 3600 * 1000;
    is_int(batch_of_retention(store), 1, "for as long as what is pulled now");
    store_close(store);
}

/* An item in each state. */
static const char version_3[] =
    "INSERT INTO item (id, digest, chain, iterations, remaining, state, rank, since,"
    " enqueued_wall, done_at, deadline, lease, closed, granted) VALUES"
    " (" OWN(01) "," REST ", 8, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL),"
                 " (" OWN(02) "," REST ", 7, 1, 0, 0, 0, NULL, 1, zeroblob(16), NULL, 7),"
                              " (" OWN(
                                  03) "," REST ", 0, 2, 0, 0, 0, 5, NULL, NULL, NULL, NULL),"
                                      " (" OWN(
                                          04) "," REST ", 0, 3, 0, 0, 0, 5, NULL, NULL, 5, NULL),"
                                              " (" OWN(
                                                  05) "," REST
                                                      ", 8, 4, 0, 0, 0, NULL, NULL, NULL, 5, NULL);"
                                                      "UPDATE tally SET clock = 1000, waiting = 1, "
                                                      "leased = 1, done = 1, pulled = 1,"
                                                      " cancelled = 1, remaining = 15;";

static void from_3(void) {
    static struct queue_grant grant;
    struct queue_lease request = lease_of(5);
    make(3, version_3);
    struct store *store = open_store();
    is_int(number(store, "PRAGMA user_version"), 11,
           "a database of schema version 3 is brought up");
    ok(counts_true(store), "the counts are true");
    store_begin(store);
    store_lapse(store);
    is_int(store_lease(store, &request, &grant), QUEUE_OK, "its items go on");
    is_int(grant.count, 2, "both that wait");
    ok(store_commit(store) && counts_true(store), "the counts are true");
    store_close(store);
}

/* What version 5 made: an item in each state, with all that can be said of it; then what came from
 * the other node and is closed, and what is only kept for it. */
static const char version_5[] =
    "INSERT INTO item (id, digest, chain, iterations, remaining, state, rank, since, strikes, "
    "lease,"
    " deadline, granted, worker, done_at, pull, key, enqueued_wall, done_wall, closed, home, "
    "change)"
    " VALUES"
    " (" OWN(
        01) ", zeroblob(64), randomblob(64), 9, 8, 0, 4, 3, 2, randomblob(16),"
            " NULL, 8, 1, NULL, NULL, 'key', 1000, NULL, NULL, NULL, 5),"
            " (" OWN(
                02) "," REST
                    ", 7, 1, 4, 3, 0, randomblob(16), 99, 7, 1, NULL, NULL, NULL, 1000, NULL,"
                    " NULL, NULL, 6),"
                    " (" OWN(
                        03) "," REST
                            ", 0, 2, 4, 3, 0, randomblob(16), NULL, 8, 1, 7, NULL, 'k', 1000, 2000,"
                            " NULL, NULL, 7),"
                            " (" OWN(
                                04) "," REST ", 0, 3, 4, 3, 0, NULL, NULL, 8, 1, 7, "
                                    "randomblob(19), NULL, 1000, 2000,"
                                    " 9, NULL, 8),"
                                    " (" OWN(
                                        05) "," REST ", 3, 4, 4, 3, 0, NULL, NULL, 8, 1, NULL, "
                                            "NULL, NULL, 1000, NULL, 9, NULL,"
                                            " 9),"
                                            " (" OTHER(
                                                06) "," REST ", 0, 3, 4, 3, 0, NULL, NULL, 8, 1, "
                                                    "7, NULL, NULL, 1000, 2000, 9, NULL,"
                                                    " 8),"
                                                    " (" OTHER(
                                                        07) "," REST
                                                            ", 3, 4, 4, 3, 0, NULL, NULL, 8, 1, "
                                                            "NULL, NULL, NULL, 1000, NULL, 9,"
                                                            " NULL, 9),"
                                                            " (" OTHER(
                                                                08) "," REST
                                                                    ", 0, 3, 4, 3, 0, NULL, NULL, "
                                                                    "8, 1, 7, NULL, NULL, 1000, "
                                                                    "2000, 9, 2,"
                                                                    " NULL);"
                                                                    "UPDATE tally SET clock = "
                                                                    "1000, waiting = 1, leased = "
                                                                    "1, done = 1, pulled = 3,"
                                                                    " cancelled = 2, remaining = "
                                                                    "15, change = 9;"
                                                                    "INSERT INTO peer (node, "
                                                                    "heard, told, listened, "
                                                                    "restored) VALUES (2, 5, 9, "
                                                                    "77, 0), (3, 5, 0, -1, 1);"
                                                                    "INSERT INTO worker (seq, "
                                                                    "name, kernel, cores, rate, "
                                                                    "first_seen_wall, "
                                                                    "last_seen_wall, last_seen, "
                                                                    "machine)"
                                                                    " VALUES (1, 'w', 'k', 2, 3, "
                                                                    "4, 5, 6, 'm');"
                                                                    "INSERT INTO machine VALUES "
                                                                    "(1, 'm', 'i', 1, 2, 3, 4);"
                                                                    "INSERT INTO decision VALUES "
                                                                    "(1, 2, 'why');"
                                                                    "INSERT INTO loan VALUES "
                                                                    "(zeroblob(16), 2, 1, 1, 99);"
                                                                    "CREATE VIEW queue AS SELECT "
                                                                    "home FROM item;";

/* How many rows of a table differ from those of the copy in these columns. */
static int64_t differ(struct store *store, const char *table, const char *columns) {
    char sql[1000];
    snprintf(sql, sizeof sql,
             "SELECT (SELECT count(*) FROM (SELECT %s FROM main.%s EXCEPT SELECT %s FROM old.%s))"
             " + (SELECT count(*) FROM (SELECT %s FROM old.%s EXCEPT SELECT %s FROM main.%s))",
             columns, table, columns, table, columns, table, columns, table);
    return number(store, sql);
}

/* Makes one of version 5 and opens it; a copy of it from before is attached as old. */
static struct store *open_5(void) {
    char copy[120];
    char attach[120];
    sqlite3 *database;
    snprintf(copy, sizeof copy, "VACUUM INTO '%s/copy'", directory);
    snprintf(attach, sizeof attach, "ATTACH '%s/copy' AS old", directory);
    make(5, version_5);
    if (sqlite3_open(conf.database, &database) != SQLITE_OK ||
        sqlite3_exec(database, copy, NULL, NULL, NULL) != SQLITE_OK)
        abort();
    sqlite3_close(database);
    struct store *store = open_store();
    if (sqlite3_exec(sqlite_of(store)->database, attach, NULL, NULL, NULL) != SQLITE_OK)
        abort();
    return store;
}

/* A worker of a machine that was launched before machines had tokens. */
static void worker_of_before(struct store *store) {
    struct queue_worker worker = {.identity = "shared", .name = "w", .kernel = "k", .cores = 1};
    int64_t seq = 0;
    int32_t drain = 0;
    is_int(store_worker_seen(sqlite_of(store), &worker, &seq, &drain), QUEUE_OK,
           "its worker calls");
    is_int(seq, 1, "and is known by WORKER_TOKEN and its name");
    is_int(number(store, "SELECT machine = 'm' AND cores = 1 FROM worker"), 1,
           "as that of its machine");
    is_int(drain, 0, "which runs");
    sqlite3_exec(sqlite_of(store)->database, "UPDATE machine SET state = 2", NULL, NULL, NULL);
    store_worker_seen(sqlite_of(store), &worker, &seq, &drain);
    is_int(drain, 1, "it hears when that is to go");
    sqlite3_exec(sqlite_of(store)->database, "UPDATE machine SET state = 1", NULL, NULL, NULL);
    is_int(store_retire(store, &worker), QUEUE_CONFLICT, "it is asked to stay while it has items");
    sqlite3_exec(sqlite_of(store)->database, "UPDATE item SET worker = NULL", NULL, NULL, NULL);
    is_int(store_retire(store, &worker), QUEUE_OK, "else it retires");
    is_int(number(store, "SELECT state FROM machine"), 2, "and its machine with it");
}

static void from_5(void) {
    struct store *store = open_5();
    is_int(number(store, "PRAGMA main.user_version"), 11,
           "a database of schema version 5 is brought up");
    ok(counts_true(store), "the counts are true");
    is_int(number(store, "SELECT count(*) FROM item"), 5, "its own items are there");
    is_int(number(store, "SELECT count(*) FROM item WHERE substr(hex(id), 17, 3) <> '81C'"), 0,
           "what came from the other node and is closed is not");
    sqlite3_exec(sqlite_of(store)->database, "DELETE FROM old.item WHERE seq > 5", NULL, NULL,
                 NULL);
    is_int(differ(store, "item",
                  "seq, id, digest, chain, iterations, remaining, state, rank, since, strikes,"
                  " lease, deadline, granted, worker, done_at, pull, key, enqueued_wall,"
                  " done_wall, closed"),
           0, "they have not changed");
    is_int(
        differ(store, "worker",
               "seq, name, machine, address, kernel, cores, rate, first_seen_wall, last_seen_wall, "
               "first_seen, last_seen, retired_wall") +
            differ(store, "machine", "*") + differ(store, "decision", "*") +
            differ(store, "loan", "*"),
        0, "nor have workers, machines, decisions and loans");
    worker_of_before(store);
    is_int(number(store, "SELECT node FROM identity"), 7, "it belongs to this node");
    is_int(number(store, "SELECT length(id) = 16 AND epoch > 1700000000 AND backup = 0"
                         " AND restored IS NULL FROM identity"),
           1, "under an identity");
    sqlite3_exec(sqlite_of(store)->database, "DETACH old", NULL, NULL, NULL);
    store_close(store);
    store = open_store();
    ok(counts_true(store), "it opens again");
    store_close(store);
    conf.node = 8;
    int exit_code = 0;
    ok(!store_open(&conf, &exit_code) && exit_code == 78, "but not as another node's");
    conf.node = 7;
}

/* A database of schema 5 that this was done to is refused, and stays as it was. */
static void refused(const char *sql, const char *what) {
    int exit_code = 0;
    int64_t version = -1;
    char all[4000];
    snprintf(all, sizeof all, "%s %s", version_5, sql);
    make(5, all);
    struct store *store = store_open(&conf, &exit_code);
    ok(!store && exit_code == 78, "refused: %s", what);
    if (store)
        store_close(store);
    sqlite3 *database;
    sqlite3_stmt *row;
    if (sqlite3_open(conf.database, &database) != SQLITE_OK ||
        sqlite3_prepare_v2(database,
                           "SELECT user_version, (SELECT count(*) FROM item WHERE home"
                           " NOTNULL) FROM pragma_user_version",
                           -1, &row, NULL) != SQLITE_OK)
        abort();
    if (sqlite3_step(row) == SQLITE_ROW)
        version = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(database);
    is_int(version, 5, "and stays as it was");
}

static void what_is_refused(void) {
    refused("UPDATE item SET state = 0, home = 2, deadline = NULL WHERE seq = 1",
            "an item that is kept for the other node");
    refused("UPDATE item SET state = 2, closed = NULL WHERE seq = 8",
            "a done one that is kept for it");
    refused("UPDATE item SET home = 2, handed = 1 WHERE seq = 4", "one that was given to it");
    refused("INSERT INTO transfer VALUES (randomblob(16), 2, 3, 0)", "a transfer under way");
    refused("UPDATE item SET state = 0, closed = NULL WHERE seq = 7", "one that came from it");
    refused("UPDATE peer SET restored = 1", "a backup whose peer was not asked yet");
}

/* A file that nothing was ever in. */
static void nothing(void) {
    int exit_code = 0;
    remove_database("db");
    ok(!store_open(&conf, &exit_code) && exit_code == 78, "without a database there is no store");
    close(open(conf.database, O_WRONLY | O_CREAT, 0600));
    ok(!store_open(&conf, &exit_code) && exit_code == 78, "nor with an empty file");
}

/* What version 7 made: two that wait, one done, one handed out by a pull with a key. */
static const char version_7[] =
    "INSERT INTO item (id, digest, chain, iterations, remaining, state, rank, since, key,"
    " enqueued_wall, done_at, done_wall, closed, pull) VALUES"
    " (" OWN(01) "," REST ", 8, 0, 20, 5, 'first', 1, NULL, NULL, NULL, NULL),"
                 " (" OWN(02) "," REST ", 8, 0, 10, 6, NULL, 1, NULL, NULL, NULL, NULL),"
                              " (" OWN(
                                  03) "," REST ", 0, 2, 0, 0, NULL, 1, 7, 1, NULL, NULL),"
                                      " (" OWN(
                                          04) "," REST
                                              ", 0, 3, 0, 0, NULL, 1, 7, 1, 8, randomblob(19));"
                                              "UPDATE tally SET clock = 1000, waiting = 2, done = "
                                              "1, pulled = 1, remaining = 16;";

/* All of it is nobody's, and goes on in its order. */
static void from_7(void) {
    static struct queue_grant grant;
    static struct queue_batch batch;
    struct queue_lease request = lease_of(5);
    struct queue_enqueue again = new_item(9);
    struct queue_enqueue later = new_item(9);
    const struct queue_pull pull = {.top = 5};
    struct uuid id;
    make(7, version_7);
    struct store *store = open_store();
    is_int(number(store, "PRAGMA user_version"), 11,
           "a database of schema version 7 is brought up");
    ok(counts_true(store), "the counts are true");
    is_int(number(store, "SELECT waiting + 10 * done + 100 * pulled FROM client WHERE name = ''"),
           112, "its items are nobody's");
    is_int(number(store, "SELECT virtual FROM tally"), 10, "virtual time is that of the first");
    is_int(number(store, "SELECT finish FROM client"), 20, "and that of the last is booked");
    memset(again.digest, 0, sizeof again.digest);
    snprintf(again.key, sizeof again.key, "first");
    store_begin(store);
    is_int(store_enqueue(store, &again, &id), QUEUE_OK, "a key of before");
    is_int(id.bytes[ID_SIZE - 1], 1, "has its item");
    is_int(store_enqueue(store, &later, &id), QUEUE_OK, "a new item");
    is_int(store_lease(store, &request, &grant), QUEUE_OK, "all that wait are leased");
    ok(grant.count == 3 && grant.items[0].id.bytes[ID_SIZE - 1] == 2 &&
           grant.items[1].id.bytes[ID_SIZE - 1] == 1,
       "in the order of before, the new one last");
    is_int(store_pull(store, &pull, &batch), QUEUE_OK, "a pull");
    ok(batch.count == 1 && batch.items[0].id.bytes[ID_SIZE - 1] == 3, "has what was done");
    ok(store_commit(store) && counts_true(store), "the counts are true");
    store_close(store);
}

int main(void) {
    set_up();
    conf.node = 7;
    log_set_level(LOG_LEVEL_ERROR);
    from_1();
    from_3();
    from_5();
    from_7();
    what_is_refused();
    nothing();
    return done_testing();
}
