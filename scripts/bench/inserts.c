/*
 * bench-inserts DATABASE BATCHES LINES: what SQLite alone does of POST /items. Runs the statement
 * by which the server stores an item, LINES times in each of BATCHES transactions, on a database
 * that the server has made. Prints the items a second; what is bound is made before. Exits with 1
 * when SQLite has an error, which it prints.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "sql.h"

enum { ID_SIZE = 16, DIGEST_SIZE = 64, ITERATIONS = 1000, ROWS_IN_MS = 100 };

struct row {
    uint8_t id[ID_SIZE];
    uint8_t digest[DIGEST_SIZE];
};

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

static void insert(sqlite3 *database, sqlite3_stmt *statement, const struct row *row, int64_t clock,
                   int64_t wall_ms) {
    enum { ID = 1, DIGEST, COUNT, RANK, CLOCK, KEY, WALL, STATE, CLIENT };
    sqlite3_bind_blob(statement, ID, row->id, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(statement, DIGEST, row->digest, DIGEST_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(statement, COUNT, ITERATIONS);
    sqlite3_bind_int64(statement, RANK, clock);
    sqlite3_bind_int64(statement, CLOCK, clock);
    sqlite3_bind_null(statement, KEY);
    sqlite3_bind_int64(statement, WALL, wall_ms);
    sqlite3_bind_int64(statement, STATE, 0);
    sqlite3_bind_int64(statement, CLIENT, 0);
    check(database, sqlite3_step(statement) == SQLITE_DONE);
    sqlite3_reset(statement);
}

int main(int argc, char **argv) {
    sqlite3 *database;
    sqlite3_stmt *statement;
    if (argc != 4 || sqlite3_open(argv[1], &database) != SQLITE_OK) {
        fprintf(stderr, "usage: bench-inserts DATABASE BATCHES LINES\n");
        return EXIT_FAILURE;
    }
    int64_t batches = strtol(argv[2], NULL, 10);
    int64_t lines = strtol(argv[3], NULL, 10);
    int64_t wall_ms = now_ns(CLOCK_REALTIME) / 1000000;
    struct row *rows = make_rows(batches * lines, wall_ms);
    run(database, "PRAGMA synchronous = FULL; PRAGMA cache_size = -16384"); /* as the server */
    check(database, sqlite3_prepare_v3(database, sql_text[SQL_ENQUEUE], -1,
                                       SQLITE_PREPARE_PERSISTENT, &statement, NULL) == SQLITE_OK);
    int64_t began = now_ns(CLOCK_MONOTONIC);
    for (int64_t i = 0; i < batches * lines; i++) {
        if (i % lines == 0)
            run(database, "BEGIN IMMEDIATE");
        insert(database, statement, &rows[i], wall_ms + i, wall_ms);
        if (i % lines == lines - 1)
            run(database, "COMMIT");
    }
    int64_t took = now_ns(CLOCK_MONOTONIC) - began;
    printf("%.1f\n", (double)(batches * lines) / (double)took * 1e9);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    free(rows);
    return EXIT_SUCCESS;
}
