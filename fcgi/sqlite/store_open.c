/* Opening the database: its lock, schema, settings and saved counts. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "clock.h"
#include "log.h"
#include "rows/rows_hash.h"
#include "store_schema.h"
#include "store_sql.h"

enum { MERGED_SCHEMA = 5 }; /* the last version whose nodes merged their items */

/* The statements that lead from each schema version to the next. */
static const enum sql migrations[STORE_SCHEMA_VERSION] = {
    SQL_SCHEMA_1, SQL_SCHEMA_2, SQL_SCHEMA_3, SQL_SCHEMA_4,  SQL_SCHEMA_5, SQL_SCHEMA_6,
    SQL_SCHEMA_7, SQL_SCHEMA_8, SQL_SCHEMA_9, SQL_SCHEMA_10, SQL_SCHEMA_11};

/* The exit code of an opening that failed. */
static int failure(const struct sqlite_store *store) {
    return store_state_of(store) == STORE_POISONED ? EXIT_UNSAFE : EXIT_TEMPORARY;
}

/* Runs a whole SQL file. */
static bool run_script(sqlite3 *database, enum sql sql) {
    char *why = NULL;
    if (sqlite3_exec(database, sql_text[sql], NULL, NULL, &why) == SQLITE_OK)
        return true;
    log_error("%s: %s", sql_name[sql], why ? why : "out of memory");
    sqlite3_free(why);
    return false;
}

/* The integer that a one-row statement gives, or -1. */
static int64_t number_of(struct sqlite_store *store, const char *text) {
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(store->database, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

static bool set_version(sqlite3 *database, int version) {
    char text[40];
    snprintf(text, sizeof text, "PRAGMA user_version = %d", version);
    return sqlite3_exec(database, text, NULL, NULL, NULL) == SQLITE_OK;
}

/* Migrates a database from one schema version to another. */
static bool run_migrations(sqlite3 *database, int from, int to) {
    for (int next = from; next < to; next++) {
        if (!run_script(database, migrations[next]) || !set_version(database, next + 1))
            return false;
    }
    return true;
}

bool store_migrate(sqlite3 *database, int from) {
    return run_migrations(database, from, STORE_SCHEMA_VERSION);
}

void store_distrust(sqlite3 *database) {
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
}

/* The columns of all tables and indexes, as a hash. SQLite's code. */
static int hash_columns(sqlite3 *database, uint8_t hash[ROWS_HASH_SIZE]) {
    sqlite3_stmt *rows = NULL;
    int code = sqlite3_prepare_v2(database, sql_text[SQL_SCHEMA_SHAPE], -1, &rows, NULL);
    if (code == SQLITE_OK)
        code = rows_hash(rows, hash);
    sqlite3_finalize(rows);
    return code;
}

/* The same of a new database, in memory; made once. */
static int hash_ours(uint8_t hash[ROWS_HASH_SIZE]) {
    static bool known;
    static uint8_t ours[ROWS_HASH_SIZE];
    sqlite3 *database = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int code = known ? SQLITE_OK : sqlite3_open_v2(":memory:", &database, flags, NULL);
    if (code == SQLITE_OK && !known)
        code = store_migrate(database, 0) ? hash_columns(database, ours) : SQLITE_NOMEM;
    sqlite3_close(database);
    known = code == SQLITE_OK;
    memcpy(hash, ours, sizeof ours);
    return code;
}

/* Whether a statement that counts what is wrong, by a number if it takes one, finds nothing.
 * SQLITE_OK; SQLITE_MISMATCH when it finds something; else why it could not be run. */
static int look_for(sqlite3 *database, enum sql sql, int64_t number) {
    sqlite3_stmt *row = NULL;
    int code = sqlite3_prepare_v2(database, sql_text[sql], -1, &row, NULL);
    if (code == SQLITE_OK && sqlite3_bind_parameter_count(row) > 0)
        code = sqlite3_bind_int64(row, 1, number);
    if (code == SQLITE_OK)
        code = sqlite3_step(row);
    if (code == SQLITE_ROW)
        code = sqlite3_column_int64(row, 0) == 0 ? SQLITE_OK : SQLITE_MISMATCH;
    sqlite3_finalize(row);
    return code;
}

/* Looks for what runs by itself, or stands in place of a table. */
static int look_for_strange(sqlite3 *database, int64_t version) {
    return look_for(database, SQL_SCHEMA_STRANGE, version);
}

int store_schema_look(sqlite3 *database, int64_t version) {
    uint8_t ours[ROWS_HASH_SIZE] = {0};
    uint8_t theirs[ROWS_HASH_SIZE] = {0};
    int code = look_for_strange(database, version);
    if (code != SQLITE_OK || version != STORE_SCHEMA_VERSION)
        return code;
    code = hash_ours(ours);
    if (code == SQLITE_OK)
        code = hash_columns(database, theirs);
    return code == SQLITE_OK && memcmp(ours, theirs, sizeof ours) != 0 ? SQLITE_MISMATCH : code;
}

/* What a look at the schema that ended with this code of SQLite means. The exit code. */
static int judge_schema(struct sqlite_store *store, int code) {
    if (code == SQLITE_OK)
        return EXIT_OK;
    if (code != SQLITE_MISMATCH) {
        log_error("the schema of %s cannot be read: %s", store->conf->database,
                  sqlite3_errstr(code));
        return failure(store);
    }
    log_error("%s is not served: its schema has what no database of hashmill's has, such as a "
              "trigger, a view or a table more (sqlite3 -safe -readonly FILE .schema shows it); "
              "put a backup or --recover's file in its place",
              store->conf->database);
    return EXIT_CONFIG;
}

int store_values_look(sqlite3 *database) {
    int code = look_for(database, SQL_TIMES_SENSELESS, STORE_TIME_MAX);
    if (code == SQLITE_OK)
        code = look_for(database, SQL_CLIENTS_SENSELESS, 0);
    return code == SQLITE_OK ? look_for(database, SQL_LEASES_SENSELESS, 0) : code;
}

/* The number of items that the former version must deal with before the migration; -1 when that
 * cannot be read. */
static int64_t count_merged(struct sqlite_store *store) {
    return store_number(store, store_bind(store, SQL_MERGED_ITEMS, "i", store->conf->node), -1);
}

/* Migrates a database from an older version to MERGED_SCHEMA and removes other nodes' closed items.
 * Refuses it while the former version must still deal with items. Returns the exit code. */
static int unmerge(struct sqlite_store *store, int from) {
    if (!run_migrations(store->database, from, MERGED_SCHEMA))
        return failure(store);
    int64_t items = count_merged(store);
    if (items < 0)
        return failure(store);
    if (items > 0) {
        log_error(
            "of %s, %lld items are the other node's, or were given to it and not handed out: "
            "start the former version of hashmill on both nodes, let both finish and hand out "
            "all items, stop them, and upgrade then",
            store->conf->database, (long long)items);
        return EXIT_CONFIG;
    }
    return store_run(store, SQL_MERGED_CLOSED, "i", store->conf->node) ? EXIT_OK : failure(store);
}

/* Whether the file's views are those of sql/views.sql. SQLite keeps their texts as they were given.
 */
static bool views_are_current(struct sqlite_store *store) {
    static const char create[] = "CREATE VIEW";
    int missing = 0;
    for (const char *at = sql_text[SQL_VIEWS]; (at = strstr(at, create)) != NULL; at++)
        missing++;
    sqlite3_stmt *statement = store_bind(store, SQL_VIEWS_NOW, "");
    while (statement && store_step(store, statement) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(statement, 0);
        missing -= text && strstr(sql_text[SQL_VIEWS], text) ? 1 : 0;
    }
    if (statement)
        store_end(statement);
    return missing == 0;
}

/* Whether this program can use a database of that schema version. Returns the exit code. */
static int check_version(struct sqlite_store *store, int64_t version) {
    const char *path = store->conf->database;
    if (version < 0) {
        log_error("the schema version of %s cannot be read: %s", path,
                  sqlite3_errmsg(store->database));
        return failure(store);
    }
    if (version == 0)
        log_error(
            "%s is empty, or another program's: make a database with hashmill-fcgi --init and "
            "the same settings where no file is",
            path);
    else if (version > STORE_SCHEMA_VERSION)
        log_error("%s has schema version %lld, this program knows up to %d; use a newer hashmill",
                  path, (long long)version, STORE_SCHEMA_VERSION);
    else
        return EXIT_OK;
    return EXIT_CONFIG;
}

/* Brings schema and views up to date, within a transaction. Returns the exit code. */
static int upgrade(struct sqlite_store *store, int from) {
    sqlite3 *database = store->database;
    if (from <= MERGED_SCHEMA) {
        int code = unmerge(store, from);
        if (code != EXIT_OK)
            return code;
        from = MERGED_SCHEMA;
    }
    if (!store_migrate(database, from) || !run_script(database, SQL_VIEWS))
        return failure(store);
    int code = judge_schema(store, store_schema_look(database, STORE_SCHEMA_VERSION));
    return code != EXIT_OK || run_script(database, SQL_COMMIT) ? code : failure(store);
}

/* Brings the schema to STORE_SCHEMA_VERSION and the views up to date in one transaction. If both
 * are current it writes nothing: a start must work on a full disk. */
static int migrate(struct sqlite_store *store) {
    int64_t version = number_of(store, "PRAGMA user_version");
    int code = check_version(store, version);
    if (code == EXIT_OK) /* the rest of it --init has seen */
        code = judge_schema(store, look_for_strange(store->database, version));
    if (code != EXIT_OK || (version == STORE_SCHEMA_VERSION && views_are_current(store)))
        return code;
    code = run_script(store->database, SQL_BEGIN) ? upgrade(store, (int)version) : failure(store);
    if (!sqlite3_get_autocommit(store->database))
        sqlite3_exec(store->database, sql_text[SQL_ROLLBACK], NULL, NULL, NULL);
    return code;
}

/* Checks that SQLite granted what the statement open asked for. Returns the exit code. */
static int check_settings(struct sqlite_store *store) {
    int64_t synchronous = number_of(store, "PRAGMA synchronous");
    int64_t wal = number_of(store, "SELECT journal_mode = 'wal' FROM pragma_journal_mode");
    if (synchronous == 2 && wal == 1)
        return EXIT_OK;
    if (synchronous < 0 || wal < 0)
        return failure(store);
    log_error("SQLite refused WAL mode or synchronous=FULL on %s", store->conf->database);
    return EXIT_CONFIG;
}

static void configure(struct sqlite_store *store) {
    int persist = 1;
    sqlite3_db_config(store->database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    store_distrust(store->database);
    sqlite3_file_control(store->database, NULL, SQLITE_FCNTL_PERSIST_WAL, &persist);
}

/* Reads the database's identity. False, with the exit code, when this node must not serve it. */
static bool check_identity(struct sqlite_store *store, int *exit_code) {
    const struct conf *conf = store->conf;
    sqlite3_stmt *statement = store_bind(store, SQL_IDENTITY, "");
    *exit_code = failure(store);
    if (!statement || store_step(store, statement) != SQLITE_ROW ||
        !store_blob(store, statement, 0, store->identity.database.bytes, ID_SIZE))
        return false;
    int64_t node = sqlite3_column_int64(statement, 1);
    store->identity.epoch = sqlite3_column_int64(statement, 2);
    bool backup = sqlite3_column_int(statement, 3) != 0;
    store->restored_ms = sqlite3_column_int64(statement, 4);
    store_end(statement);
    if (node != -1 && node != conf->node)
        log_error("%s is the database of node %lld, and this is node %lld: see NODE and DATABASE",
                  conf->database, (long long)node, (long long)conf->node);
    else if (backup)
        log_error(
            "%s is a backup from which no node was started yet: run hashmill-fcgi --init with "
            "the same settings first",
            conf->database);
    else
        return node != -1 || store_run(store, SQL_IDENTITY_NODE, "i", conf->node);
    *exit_code = EXIT_CONFIG;
    return false;
}

/* Whether the times by which something begins are such as a program saves: whatever is computed
 * from them makes sense then. */
static bool check_times(struct sqlite_store *store) {
    if (store_number(store, store_bind(store, SQL_TIMES_SENSELESS, "i", STORE_TIME_MAX), -1) == 0)
        return true;
    if (store_state_of(store) == STORE_GOOD) {
        log_error("%s has times that no program saves: the database is damaged",
                  store->conf->database);
        store->state = STORE_POISONED;
    }
    return false;
}

/* Reads the counts and starts the queue clock where it stopped. */
static bool load_counts(struct sqlite_store *store) {
    sqlite3_stmt *statement = store_bind(store, SQL_TALLY_READ, "");
    if (!statement || store_step(store, statement) != SQLITE_ROW)
        return false;
    struct counts *counts = &store->counts;
    struct ledger_counts *items = &store->ledger.counts;
    counts->clock_ms = sqlite3_column_int64(statement, 0);
    for (int state = 0; state < ITEM_STATES; state++)
        items->items[state] = sqlite3_column_int64(statement, 1 + state);
    items->remaining = sqlite3_column_int64(statement, 1 + ITEM_STATES);
    counts->batch = sqlite3_column_int64(statement, 2 + ITEM_STATES);
    bool good =
        store_blob(store, statement, 3 + ITEM_STATES, counts->batch_check, BATCH_CHECK_SIZE);
    items->rank.now = rank_sane(sqlite3_column_int64(statement, 5 + ITEM_STATES));
    items->rank.top = rank_sane(sqlite3_column_int64(statement, 6 + ITEM_STATES));
    items->rank.loose = true;
    counts->paused = sqlite3_column_int64(statement, 7 + ITEM_STATES) & QUEUE_PARTS_ALL;
    counts->backed_up_wall_ms = sqlite3_column_int64(statement, 8 + ITEM_STATES);
    store_end(statement);
    good = good && check_times(store) && store_load_clients(store) && store_check_counts(store);
    store->clock_offset_ms = counts->clock_ms - clock_steady_ms();
    store->opened_ms = counts->clock_ms;
    store->next_deadline_ms = items->items[ITEM_LEASED] > 0 ? 0 : INT64_MAX;
    good = good && store_load_peer(store);
    store->saved_counts = *counts;
    store->ledger.saved = *items;
    return good;
}

/* A killed writer may have left a commit in the WAL that was never synced. It is visible from now
 * on, so it must be durable before anybody is answered. (The checkpoint after this syncs it, too,
 * but only while nobody reads.) */
static bool sync_wal(struct sqlite_store *store) {
    const char *path = store->files.path[FILE_WAL];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && fdatasync(fd) == 0;
    if (!good)
        log_error("cannot sync %s: %m", path);
    if (fd >= 0)
        close(fd);
    return good;
}

/* Warns of a node that had KEYS, and has none now. */
static void warn_of_no_keys(const struct sqlite_store *store) {
    int count = clients_with_items(&store->ledger.clients);
    if (store->conf->keys_file[0] == '\0' && count > 0)
        log_warn("KEYS is not set, but %d client%s items here: everybody who reaches the public "
                 "listener sees and takes them",
                 count, count == 1 ? " has" : "s have");
}

/* Opens, configures, migrates. Returns an exit code, EXIT_OK on success. */
static int open_database(struct sqlite_store *store) {
    const char *path = store->conf->database;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int code = sqlite3_open_v2(path, &store->database, flags, NULL);
    if (code == SQLITE_CANTOPEN && access(path, F_OK) != 0 && errno == ENOENT) {
        log_error(
            "there is no database at %s: make it with hashmill-fcgi --init and the same settings",
            path);
        return EXIT_CONFIG;
    }
    if (code != SQLITE_OK) {
        log_error("cannot open %s: %s", path, sqlite3_errmsg(store->database));
        return (code & 0xff) == SQLITE_IOERR ? EXIT_UNSAFE : EXIT_TEMPORARY;
    }
    files_name(&store->files, path); /* again, now that the file exists */
    configure(store);
    if (!enqueue_table_register(store->database, &store->enqueued) ||
        !report_table_register(store->database, &store->report_table) ||
        !run_script(store->database, SQL_OPEN))
        return failure(store);
    store_wal_open(store);
    code = migrate(store);
    if (code == EXIT_OK)
        code = check_settings(store);
    if (code != EXIT_OK)
        return code;
    if (!load_counts(store) || !sync_wal(store) || !files_sync_directory(path))
        return store->state == STORE_UNSURE ? EXIT_TEMPORARY : EXIT_UNSAFE;
    if (!check_identity(store, &code))
        return code;
    if (!store_record_open(store))
        return EXIT_TEMPORARY;
    store_reserve_open(store);
    store_files_open(store);
    store->serving = store_first_checkpoint(store) && store_files_in_place(store);
    store_tell_still_paused(store);
    store_begin_minute(store);
    warn_of_no_keys(store);
    return store->serving ? EXIT_OK : failure(store);
}

struct store *sqlite_open(const struct conf *conf, int *exit_code) {
    *exit_code = EXIT_TEMPORARY;
    sqlite3_config(SQLITE_CONFIG_LOG, store_log, NULL);
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    struct sqlite_store *store = calloc(1, sizeof *store);
    if (!store) {
        log_error("out of memory for the store");
        return NULL;
    }
    store->base.engine = &store_engine_sqlite;
    store->conf = conf;
    store->ledger.conf = conf;
    for (int i = 0; i < RESERVE_FILES; i++)
        store->reserve.fd[i] = -1;
    files_name(&store->files, conf->database);
    store_take_no_room_for_full();
    store->lock_fd = -1;
    store->quarantined = -1;
    if (!files_usable(&store->files))
        *exit_code = EXIT_CONFIG;
    else
        store->lock_fd = files_lock(conf->database);
    if (store->lock_fd >= 0)
        *exit_code = files_good_filesystem(conf->database) ? open_database(store) : EXIT_CONFIG;
    if (*exit_code == EXIT_OK)
        return &store->base;
    if (store->database && sqlite3_errcode(store->database) == SQLITE_BUSY)
        store_tell_locked(store);
    sqlite_close(&store->base);
    return NULL;
}

bool sqlite_close(struct store *base) {
    struct sqlite_store *store = sqlite_of(base);
    sqlite_backup_end(base);
    bool good = !store->database || store_last_checkpoint(store);
    store_record_close(store);
    for (int sql = 0; sql < SQL_COUNT; sql++)
        sqlite3_finalize(store->statements[sql]);
    sqlite3_close(store->database);
    clients_free(&store->ledger.clients);
    store_reserve_close(store);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    free(store);
    return good;
}
