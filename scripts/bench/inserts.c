/*
 * bench-inserts DATABASE BATCHES LINES ROWS: what SQLite alone does of POST /items. Stores LINES
 * items in each of BATCHES transactions, on a database that the server has made, by the server's
 * statements: ROWS at a time, up to ENQUEUE_TABLE_MAX, as many as the server stores at once.
 * Prints the items a second; what is stored is made before. Exits with 1 when SQLite has an error,
 * which it prints.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "fcgi/rows/enqueue_table.h"
#include "sql.h"

enum { ITERATIONS = 1000, ROWS_IN_MS = 100 };

struct row {
    uint8_t id[ID_SIZE];
    uint8_t digest[DIGEST_SIZE];
};

static struct enqueue_table enqueued;

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Ends the program when SQLite did not do what it was asked for. */
static void check(sqlite3 *database, bool done) {
    if (done)
        return;
    fprintf(stderr, "bench-inserts: %s\n", sqlite3_errmsg(database));
    exit(EXIT_FAILURE);
}

static void run(sqlite3 *database, const char *sql) {
    check(database, sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK);
}

/* Rows whose ids are UUIDv7 of this millisecond on, as many in each as a server takes. */
static struct row *make_rows(int64_t count, int64_t wall_ms) {
    struct row *rows = calloc((size_t)count, sizeof *rows);
    if (!rows)
        exit(EXIT_FAILURE);
    for (int64_t i = 0; i < count; i++) {
        uint8_t *id = rows[i].id;
        if (getrandom(&rows[i], sizeof rows[i], 0) != (ssize_t)sizeof rows[i])
            exit(EXIT_FAILURE);
        for (int byte = 0; byte < 6; byte++)
            id[byte] = (uint8_t)((wall_ms + i / ROWS_IN_MS) >> 8 * (5 - byte));
        id[6] = (uint8_t)(0x70 | (id[6] & 0x0f));
        id[8] = 0x80;
    }
    return rows;
}

static void step(sqlite3 *database, sqlite3_stmt *statement) {
    check(database, sqlite3_step(statement) == SQLITE_DONE);
    sqlite3_reset(statement);
}

static void insert_one(sqlite3 *database, sqlite3_stmt *statement, const struct row *row,
                       int64_t clock) {
    enum { ID = 1, DIGEST, COUNT, RANK, CLOCK, KEY, WALL, STATE, CLIENT };
    sqlite3_bind_blob(statement, ID, row->id, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(statement, DIGEST, row->digest, DIGEST_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(statement, COUNT, ITERATIONS);
    sqlite3_bind_int64(statement, RANK, clock);
    sqlite3_bind_int64(statement, CLOCK, clock);
    sqlite3_bind_null(statement, KEY);
    sqlite3_bind_int64(statement, WALL, clock);
    sqlite3_bind_int64(statement, STATE, ITEM_WAITING);
    sqlite3_bind_int64(statement, CLIENT, 0);
    step(database, statement);
}

static void insert_many(sqlite3 *database, sqlite3_stmt *statement, const struct row *rows,
                        int64_t count, int64_t clock) {
    for (int64_t i = 0; i < count; i++) {
        struct enqueued_row *row = &enqueued.rows[i];
        memcpy(row->id.bytes, rows[i].id, ID_SIZE);
        memcpy(row->digest, rows[i].digest, DIGEST_SIZE);
        row->iterations = ITERATIONS;
        row->rank = clock + i;
    }
    enqueued.table.end = (int)count;
    sqlite3_bind_int64(statement, 1, clock);
    sqlite3_bind_int64(statement, 2, clock);
    step(database, statement);
}

/* Inserts rows, so many at a time. */
static void insert_all(sqlite3 *database, sqlite3_stmt *statement, const struct row *rows,
                       int64_t count, int64_t at_once, int64_t clock) {
    for (int64_t i = 0; i < count; i += at_once) {
        int64_t rest = count - i;
        if (at_once == 1)
            insert_one(database, statement, &rows[i], clock + i);
        else
            insert_many(database, statement, &rows[i], rest < at_once ? rest : at_once, clock + i);
    }
}

int main(int argc, char **argv) {
    sqlite3 *database;
    sqlite3_stmt *statement;
    if (argc != 5 || sqlite3_open(argv[1], &database) != SQLITE_OK) {
        fprintf(stderr, "usage: bench-inserts DATABASE BATCHES LINES ROWS\n");
        return EXIT_FAILURE;
    }
    int64_t batches = strtol(argv[2], NULL, 10);
    int64_t lines = strtol(argv[3], NULL, 10);
    int64_t at_once = strtol(argv[4], NULL, 10);
    if (at_once < 1 || at_once > ENQUEUE_TABLE_MAX)
        return EXIT_FAILURE;
    int64_t wall_ms = now_ns(CLOCK_REALTIME) / 1000000;
    struct row *rows = make_rows(batches * lines, wall_ms);
    run(database, "PRAGMA synchronous = FULL; PRAGMA cache_size = -16384"); /* as the server */
    check(database, enqueue_table_register(database, &enqueued));
    const char *sql = sql_text[at_once > 1 ? SQL_ENQUEUE_MANY : SQL_ENQUEUE];
    check(database, sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                                       NULL) == SQLITE_OK);
    int64_t began = now_ns(CLOCK_MONOTONIC);
    for (int64_t i = 0; i < batches * lines; i += lines) {
        run(database, "BEGIN IMMEDIATE");
        insert_all(database, statement, &rows[i], lines, at_once, wall_ms + i);
        run(database, "COMMIT");
    }
    int64_t took = now_ns(CLOCK_MONOTONIC) - began;
    printf("%.1f\n", (double)(batches * lines) / (double)took * 1e9);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    free(rows);
    return EXIT_SUCCESS;
}
