/* What there is to do and who does it, as the read-only connection sees it. */

#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "memory.h"
#include "parts.h"
#include "rows/rows_hash.h"

enum {
    SHARE = 20,        /* reading the rows takes at most one part in this many of the time, */
    GOOD_MS_MAX = 1000 /* but what was read is no older than this */
};

/* Columns of tally_read. */
enum {
    TALLY_CLOCK,
    TALLY_WAITING,
    TALLY_LEASED,
    TALLY_REMAINING = 6,
    TALLY_WALL = 9,
    TALLY_VIRTUAL,
    TALLY_PAUSED = 12
};

/* The queue clock at this moment: it has gone on since the last batch. */
static int64_t clock_now(int64_t clock_ms, int64_t wall_ms) {
    int64_t since_ms = clock_wall_ms() - wall_ms;
    return wall_ms > 0 && since_ms > 0 ? clock_ms + since_ms : clock_ms;
}

enum queue_result reader_counts(struct sqlite_reader *reader, struct queue_load *load) {
    sqlite3_stmt *row = reader_statement(reader, SQL_TALLY_READ);
    if (!row)
        return QUEUE_DOWN;
    int code = sqlite3_step(row);
    if (code == SQLITE_ROW) {
        load->clock_ms = clock_now(sqlite3_column_int64(row, TALLY_CLOCK),
                                   sqlite3_column_int64(row, TALLY_WALL));
        load->waiting = sqlite3_column_int64(row, TALLY_WAITING);
        load->leased = sqlite3_column_int64(row, TALLY_LEASED);
        load->remaining = sqlite3_column_int64(row, TALLY_REMAINING);
        load->virtual = sqlite3_column_int64(row, TALLY_VIRTUAL);
        load->paused = sqlite3_column_int64(row, TALLY_PAUSED);
    }
    sqlite3_reset(row);
    return code == SQLITE_ROW ? QUEUE_OK : reader_failed(reader, code);
}

static void take_oldest(struct queue_load *load, sqlite3_stmt *row) {
    load->oldest_ms =
        sqlite3_column_type(row, 0) == SQLITE_NULL ? -1 : sqlite3_column_int64(row, 0);
}

static void take_worker(struct queue_load *load, sqlite3_stmt *row) {
    struct load_worker *worker = &load->workers[load->worker_count++];
    const unsigned char *kernel = sqlite3_column_text(row, 1);
    *worker = (struct load_worker){.seq = sqlite3_column_int64(row, 0),
                                   .cores = sqlite3_column_int64(row, 2),
                                   .rate = sqlite3_column_int64(row, 3),
                                   .heard_ms = sqlite3_column_int64(row, 4),
                                   .quarantined = sqlite3_column_int(row, 5)};
    snprintf(worker->kernel, sizeof worker->kernel, "%s", kernel ? (const char *)kernel : "");
    load->quarantined += worker->quarantined;
}

static void take_held(struct queue_load *load, sqlite3_stmt *row) {
    load->held[load->held_count++] = (struct load_held){.worker = sqlite3_column_int64(row, 0),
                                                        .remaining = sqlite3_column_int64(row, 1),
                                                        .granted = sqlite3_column_int64(row, 2),
                                                        .granted_ms = sqlite3_column_int64(row, 3),
                                                        .moved_ms = sqlite3_column_int64(row, 4)};
}

static void take_client(struct queue_load *load, sqlite3_stmt *row) {
    load->clients[load->client_count++] =
        (struct load_client){sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1)};
}

static void take_machine(struct queue_load *load, sqlite3_stmt *row) {
    load->machine_count++;
    if (!sqlite3_column_int(row, 1))
        load->booting[load->booting_count++] = (struct load_booting){sqlite3_column_int64(row, 0)};
}

static void take_rate(struct queue_load *load, sqlite3_stmt *row) {
    load->machine_rate = sqlite3_column_int64(row, 0);
}

/* Runs a statement, with the numbers that it has parameters for, and calls take for each row.
 * Returns SQLite's code; SQLITE_BUSY when the file cannot be read now. */
static int each(struct sqlite_reader *reader, enum sql sql, int64_t first, int64_t second,
                void (*take)(struct queue_load *load, sqlite3_stmt *row)) {
    sqlite3_stmt *statement = reader_statement(reader, sql);
    int code;
    if (!statement)
        return SQLITE_BUSY;
    int parameters = sqlite3_bind_parameter_count(statement);
    if (parameters > 0)
        sqlite3_bind_int64(statement, 1, first);
    if (parameters > 1)
        sqlite3_bind_int64(statement, 2, second);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW)
        take(reader->load, statement);
    sqlite3_reset(statement);
    return code;
}

/* Reads the machines of this node, if it launches any. */
static int read_machines(struct sqlite_reader *reader) {
    struct queue_load *load = reader->load;
    int code = SQLITE_DONE;
    load->boot_ms = -1;
    load->machine_rate = 0;
    if (reader->conf->provider[0] == '\0')
        return code;
    code = each(reader, SQL_LOAD_MACHINES, LOAD_BOOTING_MAX, 0, take_machine);
    if (code == SQLITE_DONE)
        code = each(reader, SQL_FLEET_RATE, 0, 0, take_rate);
    if (code == SQLITE_DONE)
        load->boot_ms = reader_boot_ms(reader, &code);
    return reader->database ? code : SQLITE_BUSY;
}

/* Reads everything but the counts. Returns SQLite's code. */
static int read_rows(struct sqlite_reader *reader) {
    struct queue_load *load = reader->load;
    load->worker_count = load->held_count = load->client_count = 0;
    load->machine_count = load->booting_count = 0;
    load->quarantined = 0;
    int code = each(reader, SQL_OLDEST, 0, 0, take_oldest);
    if (code == SQLITE_DONE)
        code = each(reader, SQL_LOAD_WORKERS, load->clock_ms - LOAD_SILENT_MS, LOAD_WORKERS_MAX,
                    take_worker);
    if (code == SQLITE_DONE)
        code = each(reader, SQL_LOAD_HELD, LOAD_HELD_MAX, 0, take_held);
    if (code == SQLITE_DONE)
        code = each(reader, SQL_LOAD_CLIENTS, LOAD_CLIENTS_MAX, 0, take_client);
    return code == SQLITE_DONE ? read_machines(reader) : code;
}

const struct queue_load *sqlite_reader_load(struct reader *base) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    if (!reader->load)
        reader->load = memory_or_end(calloc(1, sizeof *reader->load), "the load");
    if (reader_counts(reader, reader->load) != QUEUE_OK)
        return NULL;
    int64_t began_ms = clock_steady_ms();
    if (began_ms < reader->load_until_ms)
        return reader->load;
    int code = read_rows(reader);
    if (code != SQLITE_DONE) {
        reader->load_until_ms = 0;
        reader_failed(reader, code);
        return NULL;
    }
    int64_t ended_ms = clock_steady_ms();
    int64_t good_ms = (ended_ms - began_ms) * SHARE;
    reader->load_until_ms = ended_ms + (good_ms < GOOD_MS_MAX ? good_ms : GOOD_MS_MAX);
    return reader->load;
}
