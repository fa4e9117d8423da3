/* The database of another node, as its writer would change it: batches with their records. */
#ifndef HASHMILL_T_PRIMARY_H
#define HASHMILL_T_PRIMARY_H

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi/queue/batch_log.h"
#include "fcgi/queue/replica.h"
#include "fcgi/rows/rows_hash.h"
#include "scratch.h"
#include "sql.h"
#include "sqlite/store_schema.h"
#include "tap.h"

#define INSERT(seq, key)                                                                           \
    "INSERT INTO item (seq, id, digest, chain, iterations, remaining, state, rank, since, key,"    \
    " enqueued_wall) VALUES (" #seq ", randomblob(16), randomblob(64), randomblob(64), 1000, 999," \
    " 0, 5, 5, " key ", 1);"
#define LEASE(seq)                                                                                 \
    "UPDATE item SET state = 1, lease = randomblob(16), deadline = 99, worker = 1,"                \
    " granted = remaining WHERE seq = " #seq ";"

enum { PRIMARY_PATH_SIZE = 100 };

struct primary {
    char path[PRIMARY_PATH_SIZE];
    sqlite3 *database;
    struct replica_source source;
    int64_t batch;
    uint8_t check[BATCH_CHECK_SIZE];
};

static int64_t *clock_offsets; /* wall, steady: see lib/clock.h */
static char primary_directory[60];

static inline void primary_exec(sqlite3 *database, const char *sql) {
    char *why = NULL;
    if (sqlite3_exec(database, sql, NULL, NULL, &why) == SQLITE_OK)
        return;
    fprintf(stderr, "%s: %s\n", sql, why);
    abort();
}

/* The name of a file beside DATABASE. */
static inline void primary_name(char path[PRIMARY_PATH_SIZE], const char *end) {
    snprintf(path, PRIMARY_PATH_SIZE, "%s/db%s", primary_directory, end);
}

/* Removes the files of the directory whose names begin so. */
static inline void primary_remove(const char *begin) {
    char path[PRIMARY_PATH_SIZE];
    DIR *files = opendir(primary_directory);
    const struct dirent *file;
    while (files && (file = readdir(files)) != NULL) {
        if (file->d_name[0] == '.' || strncmp(file->d_name, begin, strlen(begin)) != 0)
            continue;
        if (snprintf(path, sizeof path, "%s/%s", primary_directory, file->d_name) >=
                (int)sizeof path ||
            unlink(path) != 0)
            abort();
    }
    if (files)
        closedir(files);
}

/* Removes everything but the clock. */
static inline void primary_remove_all(void) {
    primary_remove("db");
}

static inline void primary_remove_directory(void) {
    primary_remove("");
    rmdir(primary_directory);
}

static inline void primary_set_up(struct conf *conf) {
    char path[100];
    scratch_template(primary_directory, "replica");
    if (!mkdtemp(primary_directory))
        abort();
    snprintf(path, sizeof path, "%s/clock", primary_directory);
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 16) != 0)
        abort();
    clock_offsets = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    setenv("HASHMILL_TEST_CLOCK", path, 1);
    snprintf(conf->database, sizeof conf->database, "%s/db", primary_directory);
}

/* Makes an empty one of node 1. */
static inline void primary_open(struct primary *primary) {
    static const enum sql schemas[] = {SQL_SCHEMA_1, SQL_SCHEMA_2,  SQL_SCHEMA_3, SQL_SCHEMA_4,
                                       SQL_SCHEMA_5, SQL_SCHEMA_6,  SQL_SCHEMA_7, SQL_SCHEMA_8,
                                       SQL_SCHEMA_9, SQL_SCHEMA_10, SQL_SCHEMA_11};
    *primary = (struct primary){
        .source = {.node = 1, .schema = STORE_SCHEMA_VERSION, .identity.epoch = 7}};
    memset(&primary->source.identity.database, 'p', ID_SIZE);
    primary_name(primary->path, "-primary");
    if (sqlite3_open(primary->path, &primary->database) != SQLITE_OK)
        abort();
    primary_exec(primary->database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;");
    for (size_t i = 0; i < sizeof schemas / sizeof *schemas; i++)
        primary_exec(primary->database, sql_text[schemas[i]]);
    primary_exec(primary->database,
                 "PRAGMA user_version = 11; UPDATE identity SET node = 1, epoch = 7,"
                 " id = x'70707070707070707070707070707070';");
}

static inline void primary_close(struct primary *primary) {
    sqlite3_close(primary->database);
    primary->database = NULL;
}

/* Appends the record of a batch. */
static inline void primary_put_record(struct buffer *records, const struct batch_record *record) {
    uint32_t size = (uint32_t)record->size;
    buffer_append(records, "HMB1", 4);
    buffer_append(records, &size, sizeof size);
    buffer_append(records, &record->number, sizeof record->number);
    buffer_append(records, record->check, sizeof record->check);
    buffer_append(records, record->changes, record->size);
}

/* Runs statements as one batch; its record goes to records unless that is NULL. */
static inline void primary_batch(struct primary *primary, const char *sql, struct buffer *records) {
    sqlite3_session *session;
    char text[200];
    void *changes;
    int size;
    primary_exec(primary->database, "BEGIN IMMEDIATE");
    if (sqlite3session_create(primary->database, "main", &session) != SQLITE_OK ||
        sqlite3session_attach(session, NULL) != SQLITE_OK)
        abort();
    primary_exec(primary->database, sql);
    primary_exec(primary->database, "UPDATE tally SET clock = clock + 1, batch = batch + 1,"
                                    " wall = (batch + 1) * 1000");
    if (sqlite3session_patchset(session, &size, &changes) != SQLITE_OK)
        abort();
    sqlite3session_delete(session);
    struct batch_record record = {
        .number = ++primary->batch, .changes = changes, .size = (size_t)size};
    EVP_MD_CTX *hash = batch_hash();
    if (!hash || !batch_check(hash, primary->check, &record))
        abort();
    EVP_MD_CTX_free(hash);
    memcpy(record.check, primary->check, sizeof record.check);
    int used = snprintf(text, sizeof text, "UPDATE tally SET batch_check = x'");
    for (int i = 0; i < BATCH_CHECK_SIZE; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%02x", primary->check[i]);
    snprintf(text + used, sizeof text - (size_t)used, "'; COMMIT");
    primary_exec(primary->database, text);
    if (records)
        primary_put_record(records, &record);
    sqlite3_free(changes);
}

/* Runs statements in a database that nobody has open. */
static inline void primary_change(const char *path, const char *sql) {
    sqlite3 *database;
    if (sqlite3_open(path, &database) != SQLITE_OK)
        abort();
    primary_exec(database, sql);
    sqlite3_close(database);
}

/* The bytes of its file, whole; to be freed. */
static inline char *primary_file(struct primary *primary, int64_t *bytes) {
    struct stat info;
    primary_exec(primary->database, "PRAGMA wal_checkpoint(TRUNCATE)");
    int fd = open(primary->path, O_RDONLY);
    if (fd < 0 || fstat(fd, &info) != 0)
        abort();
    *bytes = info.st_size;
    char *file = malloc((size_t)info.st_size);
    if (!file || read(fd, file, (size_t)info.st_size) != info.st_size)
        abort();
    close(fd);
    return file;
}

static inline int64_t primary_number(sqlite3 *database, const char *sql) {
    sqlite3_stmt *row = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(database, sql, -1, &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW)
        number = sqlite3_column_int64(row, 0);
    else
        fprintf(stderr, "# %s: %s\n", sql, sqlite3_errmsg(database));
    sqlite3_finalize(row);
    return number;
}

/* The page that a table begins with. */
static inline int64_t primary_root(struct primary *primary, const char *table) {
    char sql[100];
    snprintf(sql, sizeof sql, "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", table);
    return primary_number(primary->database, sql);
}

static inline void primary_hash(struct primary *primary, int64_t first, int64_t last,
                                uint8_t hash[ROWS_HASH_SIZE]) {
    sqlite3_stmt *rows = NULL;
    sqlite3_prepare_v2(primary->database, sql_text[SQL_REPLICA_ROWS], -1, &rows, NULL);
    sqlite3_bind_int64(rows, 1, first);
    sqlite3_bind_int64(rows, 2, last);
    if (rows_hash(rows, hash) != SQLITE_OK)
        abort();
    sqlite3_finalize(rows);
}

/* Whether a table has the same rows in two databases. */
static inline bool primary_same_table(sqlite3 *database, const char *table, const char *columns) {
    char sql[400];
    snprintf(sql, sizeof sql,
             "SELECT (SELECT count(*) FROM (SELECT %s FROM main.%s EXCEPT SELECT %s FROM other.%s))"
             " + (SELECT count(*) FROM (SELECT %s FROM other.%s EXCEPT SELECT %s FROM main.%s))",
             columns, table, columns, table, columns, table, columns, table);
    return primary_number(database, sql) == 0;
}

static inline bool primary_compare(struct primary *primary, const char *path,
                                   const char *identity) {
    static const char *const tables[] = {"item",        "worker", "tally",  "machine",
                                         "decision",    "loan",   "peer",   "pull",
                                         "reservation", "point",  "history"};
    char sql[200];
    snprintf(sql, sizeof sql, "ATTACH '%s' AS other", path);
    primary_exec(primary->database, sql);
    bool good = primary_same_table(primary->database, "identity", identity);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        good = primary_same_table(primary->database, tables[i], "*") && good;
    good = primary_number(primary->database,
                          "SELECT count(*) FROM pragma_integrity_check('item', 'other') WHERE"
                          " integrity_check <> 'ok'") == 0 &&
           good;
    primary_exec(primary->database, "DETACH other");
    return good;
}

static inline bool primary_equals(struct primary *primary, const char *path) {
    return primary_compare(primary, path, "*");
}

static inline bool primary_equals_but_epoch(struct primary *primary, const char *path) {
    return primary_compare(primary, path, "id, node");
}

#endif
