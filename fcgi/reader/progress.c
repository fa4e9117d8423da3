/* How far items are, as the read-only connection sees it. */

#include <stdio.h>
#include <string.h>

#include "parts.h"
#include "rows/item_columns.h"

enum { LOOKED_AT_MAX = 2000 }; /* leased items that one list looks at */

/* Columns of progress_item. */
enum {
    ITEM_SEQ,
    ITEM_STATE,
    ITEM_REMAINING,
    ITEM_RANK,
    ITEM_GRANTED,
    ITEM_GRANTED_AT,
    ITEM_MOVED,
    ITEM_DEADLINE,
    ITEM_WORKER,
    WORKER_NAME,
    WORKER_KERNEL,
    WORKER_CORES,
    WORKER_RATE,
    WORKER_HEARD,
    WORKER_QUARANTINED,
    CLIENT_SEQ,
    CLIENT_NAME,
    CLIENT_WEIGHT
};

static void copy_text(char text[QUEUE_NAME_SIZE], sqlite3_stmt *row, int column) {
    const unsigned char *found = sqlite3_column_text(row, column);
    snprintf(text, QUEUE_NAME_SIZE, "%s", found ? (const char *)found : "");
}

/* A number, or another one for NULL. */
static int64_t number_or(sqlite3_stmt *row, int column, int64_t other) {
    return sqlite3_column_type(row, column) == SQLITE_NULL ? other
                                                           : sqlite3_column_int64(row, column);
}

static void take_lease(struct queue_progress *progress, sqlite3_stmt *row) {
    progress->granted = number_or(row, ITEM_GRANTED, progress->remaining);
    progress->moved_ms = sqlite3_column_int64(row, ITEM_MOVED);
    progress->granted_ms = number_or(row, ITEM_GRANTED_AT, progress->moved_ms);
    progress->deadline_ms = sqlite3_column_int64(row, ITEM_DEADLINE);
    progress->worker = sqlite3_column_int64(row, ITEM_WORKER);
    copy_text(progress->name, row, WORKER_NAME);
    copy_text(progress->kernel, row, WORKER_KERNEL);
    progress->cores = sqlite3_column_int64(row, WORKER_CORES);
    progress->rate = sqlite3_column_int64(row, WORKER_RATE);
    progress->heard_ms = number_or(row, WORKER_HEARD, -1);
    progress->quarantined = sqlite3_column_int(row, WORKER_QUARANTINED);
}

/* Where the rows of an item are. */
struct place {
    int64_t seq;
    int64_t client;
};

/* Reads the item itself. OK, with its place; NONE, DOWN, FAULT. */
static enum queue_result read_item(struct sqlite_reader *reader, struct uuid id,
                                   const struct queue_whose *whose, struct queue_progress *progress,
                                   struct place *place) {
    sqlite3_stmt *row = reader_statement(reader, SQL_PROGRESS_ITEM);
    if (!row)
        return QUEUE_DOWN;
    sqlite3_bind_blob(row, 1, id.bytes, ID_SIZE, SQLITE_STATIC);
    sqlite3_bind_text(row, 2, whose->all ? NULL : whose->client, -1, SQLITE_STATIC);
    int code = sqlite3_step(row);
    *progress = (struct queue_progress){0};
    if (code == SQLITE_ROW) {
        *place = (struct place){sqlite3_column_int64(row, ITEM_SEQ),
                                sqlite3_column_int64(row, CLIENT_SEQ)};
        progress->state = sqlite3_column_int(row, ITEM_STATE);
        progress->remaining = sqlite3_column_int64(row, ITEM_REMAINING);
        progress->rank = sqlite3_column_int64(row, ITEM_RANK);
        copy_text(progress->client, row, CLIENT_NAME);
        progress->weight = number_or(row, CLIENT_WEIGHT, 1);
        if (progress->state == ITEM_LEASED)
            take_lease(progress, row);
    }
    sqlite3_reset(row); /* no read transaction may outlive the request */
    return code == SQLITE_ROW    ? QUEUE_OK
           : code == SQLITE_DONE ? QUEUE_NONE
                                 : reader_failed(reader, code);
}

/* Reads the last points under the present lease. */
static enum queue_result read_points(struct sqlite_reader *reader, int64_t seq,
                                     struct queue_progress *progress) {
    sqlite3_stmt *rows = reader_statement(reader, SQL_PROGRESS_POINTS);
    int code;
    if (!rows)
        return QUEUE_DOWN;
    sqlite3_bind_int64(rows, 1, seq);
    sqlite3_bind_int(rows, 2, QUEUE_POINTS_MAX);
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        struct queue_point point = {sqlite3_column_int64(rows, 0), sqlite3_column_int64(rows, 1)};
        if (point.remaining < progress->granted && point.at_ms > progress->granted_ms)
            progress->points[progress->point_count++] = point;
    }
    sqlite3_reset(rows);
    return code == SQLITE_DONE ? QUEUE_OK : reader_failed(reader, code);
}

/* Adds how long items took, as a statement gives it. Returns SQLite's code. */
static int add_lately(struct sqlite_reader *reader, enum sql sql, int64_t client,
                      struct queue_progress *progress) {
    sqlite3_stmt *rows = reader_statement(reader, sql);
    int code;
    if (!rows)
        return SQLITE_BUSY;
    sqlite3_bind_int(rows, 1, QUEUE_LATELY_MAX - progress->lately_count);
    if (sqlite3_bind_parameter_count(rows) > 1)
        sqlite3_bind_int64(rows, 2, client);
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        if (sqlite3_column_type(rows, 1) == SQLITE_INTEGER)
            progress->lately[progress->lately_count++] =
                (struct queue_took){.links = sqlite3_column_int64(rows, 0),
                                    .ms = sqlite3_column_int64(rows, 1),
                                    .done_ms = sqlite3_column_int64(rows, 2)};
    }
    sqlite3_reset(rows);
    return code;
}

static enum queue_result read_lately(struct sqlite_reader *reader, int64_t client,
                                     struct queue_progress *progress) {
    int code = add_lately(reader, SQL_PROGRESS_DONE, client, progress);
    if (code == SQLITE_DONE && progress->lately_count < QUEUE_LATELY_MAX / 2)
        code = add_lately(reader, SQL_PROGRESS_PULLED, client, progress);
    return code == SQLITE_DONE ? QUEUE_OK : reader_failed(reader, code);
}

/* Runs a statement about the items ahead of one, for its single number. False with the result. */
static bool ask_ahead(struct sqlite_reader *reader, enum sql sql, int64_t seq, int64_t rank,
                      double *number, enum queue_result *result) {
    sqlite3_stmt *row = reader_statement(reader, sql);
    *result = QUEUE_DOWN;
    if (!row)
        return false;
    sqlite3_bind_int64(row, 1, rank);
    sqlite3_bind_int64(row, 2, seq);
    sqlite3_bind_int(row, 3, QUEUE_AHEAD_MAX + 1);
    int code = sqlite3_step(row);
    *number = code == SQLITE_ROW ? sqlite3_column_double(row, 0) : 0;
    sqlite3_reset(row);
    *result = code == SQLITE_ROW ? QUEUE_OK : reader_failed(reader, code);
    return code == SQLITE_ROW;
}

/* Reads what is leased before an item. */
static enum queue_result read_ahead(struct sqlite_reader *reader, int64_t seq,
                                    struct queue_progress *progress) {
    enum queue_result result;
    double count;
    if (!ask_ahead(reader, SQL_PROGRESS_AHEAD, seq, progress->rank, &count, &result))
        return result;
    progress->more = count > QUEUE_AHEAD_MAX;
    progress->ahead = progress->more ? QUEUE_AHEAD_MAX : (int64_t)count;
    if (!progress->more && count > 0)
        ask_ahead(reader, SQL_PROGRESS_AHEAD_WORK, seq, progress->rank, &progress->ahead_work,
                  &result);
    return result;
}

enum queue_result sqlite_reader_progress(struct reader *base, struct uuid id,
                                         const struct queue_whose *whose,
                                         struct queue_progress *progress) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    struct place place = {0};
    enum queue_result result = read_item(reader, id, whose, progress, &place);
    if (result == QUEUE_OK)
        result = read_lately(reader, place.client, progress);
    if (result != QUEUE_OK)
        return result;
    return progress->state == ITEM_LEASED ? read_points(reader, place.seq, progress)
                                          : read_ahead(reader, place.seq, progress);
}

/* --- Lists --- */

/* A leased item that may be listed. */
struct candidate {
    struct uuid id;
    bool moves; /* progress was reported, and its worker calls */
    int64_t granted_ms;
};

/* The best candidates so far, the best one first. */
struct choice {
    int count;
    int limit;
    struct candidate list[QUEUE_RUNNING_MAX];
};

/* Columns of running. */
enum { RUN_ID, RUN_MOVES, RUN_GRANTED_AT, RUN_HEARD };

static bool comes_before(const struct candidate *one, const struct candidate *other) {
    if (one->moves != other->moves)
        return one->moves;
    if (one->granted_ms != other->granted_ms)
        return one->granted_ms < other->granted_ms;
    return memcmp(&one->id, &other->id, ID_SIZE) < 0;
}

/* Puts a candidate in its place, unless others are better. */
static void choose(struct choice *choice, const struct candidate *next) {
    int place = choice->count < choice->limit ? choice->count++ : choice->limit;
    while (place > 0 && comes_before(next, &choice->list[place - 1])) {
        if (place < choice->limit)
            choice->list[place] = choice->list[place - 1];
        place--;
    }
    if (place < choice->limit)
        choice->list[place] = *next;
}

/* Chooses among the leased items. Returns how many there were to choose from; -1 with the result
 * after a failure. */
static int choose_all(struct sqlite_reader *reader, const struct queue_whose *whose,
                      int64_t silent_ms, struct choice *choice, enum queue_result *result) {
    sqlite3_stmt *rows = reader_statement(reader, SQL_RUNNING);
    int count = 0;
    int code;
    *result = QUEUE_DOWN;
    if (!rows)
        return -1;
    sqlite3_bind_int(rows, 1, LOOKED_AT_MAX);
    sqlite3_bind_text(rows, 2, whose->all ? NULL : whose->client, -1, SQLITE_STATIC);
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        struct candidate next = {.moves = sqlite3_column_int(rows, RUN_MOVES) &&
                                          sqlite3_column_int64(rows, RUN_HEARD) >= silent_ms,
                                 .granted_ms = sqlite3_column_int64(rows, RUN_GRANTED_AT)};
        if (sqlite3_column_bytes(rows, RUN_ID) != ID_SIZE)
            break;
        memcpy(next.id.bytes, sqlite3_column_blob(rows, RUN_ID), ID_SIZE);
        choose(choice, &next);
        count++;
    }
    sqlite3_reset(rows);
    *result = code == SQLITE_DONE ? QUEUE_OK : reader_failed(reader, code);
    return *result == QUEUE_OK ? count : -1;
}

/* Reads a chosen item; one that is not leased any more is left out. */
static enum queue_result take_run(struct sqlite_reader *reader, const struct queue_whose *whose,
                                  struct uuid id, struct queue_running *running) {
    struct queue_run *run = &running->runs[running->count];
    enum queue_result result = sqlite_reader_look(&reader->base, id, whose, &run->item);
    if (result == QUEUE_OK && run->item.state == ITEM_LEASED)
        result = sqlite_reader_progress(&reader->base, id, whose, &run->progress);
    else if (result == QUEUE_OK)
        return QUEUE_OK;
    if (result == QUEUE_OK && run->progress.state == ITEM_LEASED)
        running->count++;
    return result == QUEUE_NONE ? QUEUE_OK : result;
}

enum queue_result sqlite_reader_running(struct reader *base, const struct queue_whose *whose,
                                        int limit, struct queue_running *running) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    struct choice choice = {.limit = limit < QUEUE_RUNNING_MAX ? limit : QUEUE_RUNNING_MAX};
    const struct queue_load *load = sqlite_reader_load(base);
    enum queue_result result;
    running->count = running->more = 0;
    if (!load)
        return QUEUE_DOWN;
    int found = choose_all(reader, whose, load->clock_ms - LOAD_SILENT_MS, &choice, &result);
    running->more = found > choice.count || load->leased > LOOKED_AT_MAX;
    for (int i = 0; result == QUEUE_OK && i < choice.count; i++)
        result = take_run(reader, whose, choice.list[i].id, running);
    return result;
}
