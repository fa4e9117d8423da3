/* The fleet as the read-only connection sees it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "parts.h"

enum { BOOTS = 5, HELD_GROWTH = 64 };

/* How many items each worker holds. */
struct held {
    struct {
        int64_t worker;
        int64_t items;
    } * list;
    int count;
    int capacity;
    int last; /* place of the last hit: items of one worker follow each other */
};

/* A reading under way. */
struct reading {
    struct sqlite_reader *reader;
    const struct queue_fleet_since *since;
    struct queue_fleet *fleet;
    struct held held;
    int code; /* of the step that ended the last statement */
};

static void read_text(sqlite3_stmt *row, int column, char *text, size_t size) {
    const unsigned char *found = sqlite3_column_text(row, column);
    snprintf(text, size, "%s", found ? (const char *)found : "");
}

/* Runs a statement with up to two numbers, and calls take for each row. False after a failure. */
static bool each_row(struct reading *reading, enum sql sql, int64_t first, int64_t second,
                     void (*take)(struct reading *reading, sqlite3_stmt *row)) {
    sqlite3_stmt *statement = reader_statement(reading->reader, sql);
    reading->code = SQLITE_DONE;
    if (!statement)
        return false;
    int parameters = sqlite3_bind_parameter_count(statement);
    if (parameters > 0)
        sqlite3_bind_int64(statement, 1, first);
    if (parameters > 1)
        sqlite3_bind_int64(statement, 2, second);
    while ((reading->code = sqlite3_step(statement)) == SQLITE_ROW)
        take(reading, statement);
    sqlite3_reset(statement);
    return reading->code == SQLITE_DONE;
}

static void take_machine(struct reading *reading, sqlite3_stmt *row) {
    struct queue_fleet *fleet = reading->fleet;
    if (fleet->machine_count == QUEUE_MACHINES_MAX)
        return;
    struct queue_machine *machine = &fleet->machines[fleet->machine_count++];
    *machine = (struct queue_machine){.state = sqlite3_column_int(row, 2),
                                      .launched_ms = sqlite3_column_int64(row, 3),
                                      .launched_wall_ms = sqlite3_column_int64(row, 4),
                                      .heard_ms = -1,
                                      .rate = sqlite3_column_int64(row, 6)};
    read_text(row, 0, machine->name, sizeof machine->name);
    read_text(row, 1, machine->id, sizeof machine->id);
    if (sqlite3_column_type(row, 5) != SQLITE_NULL)
        machine->heard_ms = sqlite3_column_int64(row, 5);
}

/* The machine of that name, or NULL. */
static struct queue_machine *find_machine(struct queue_fleet *fleet, const char *name) {
    for (int i = 0; i < fleet->machine_count; i++) {
        if (strcmp(fleet->machines[i].name, name) == 0)
            return &fleet->machines[i];
    }
    return NULL;
}

/* Takes a worker on a machine that should not exist: lists that machine as gone. */
static void take_stray(struct reading *reading, sqlite3_stmt *row) {
    struct queue_fleet *fleet = reading->fleet;
    char name[QUEUE_NAME_SIZE];
    read_text(row, 0, name, sizeof name);
    struct queue_machine *machine = find_machine(fleet, name);
    if (!machine && fleet->machine_count < QUEUE_MACHINES_MAX) {
        machine = &fleet->machines[fleet->machine_count++];
        *machine = (struct queue_machine){.state = MACHINE_GONE, .heard_ms = -1};
        memcpy(machine->name, name, sizeof name);
    }
    if (!machine)
        return;
    int64_t heard_ms = sqlite3_column_int64(row, 1);
    machine->heard_ms = heard_ms > machine->heard_ms ? heard_ms : machine->heard_ms;
    machine->rate += sqlite3_column_int64(row, 2);
}

static void take_held(struct reading *reading, sqlite3_stmt *row) {
    struct held *held = &reading->held;
    int64_t worker = sqlite3_column_int64(row, 0);
    int at = held->last;
    if (at >= held->count || held->list[at].worker != worker) {
        for (at = 0; at < held->count && held->list[at].worker != worker; at++)
            continue;
    }
    if (at == held->capacity) {
        held->list =
            memory_or_end(realloc(held->list, (size_t)(at + HELD_GROWTH) * sizeof *held->list),
                          "the list of workers");
        held->capacity += HELD_GROWTH;
    }
    if (at == held->count) {
        held->list[at].worker = worker;
        held->list[at].items = 0;
        held->count++;
    }
    held->list[at].items++;
    held->last = at;
}

static int64_t held_by(const struct held *held, int64_t worker) {
    for (int i = 0; i < held->count; i++) {
        if (held->list[i].worker == worker)
            return held->list[i].items;
    }
    return 0;
}

/* Adds a worker's items to its machine, if that is listed. */
static void take_machine_of(struct reading *reading, sqlite3_stmt *row) {
    char name[QUEUE_NAME_SIZE];
    read_text(row, 0, name, sizeof name);
    struct queue_machine *machine = find_machine(reading->fleet, name);
    if (machine)
        machine->items += reading->held.list[reading->held.last].items;
}

static bool add_held(struct reading *reading) {
    struct held *held = &reading->held;
    bool good = each_row(reading, SQL_FLEET_HELD, 0, 0, take_held);
    for (held->last = 0; good && held->last < held->count; held->last++)
        good = each_row(reading, SQL_FLEET_MACHINE_OF, held->list[held->last].worker, 0,
                        take_machine_of);
    return good;
}

static void take_worker(struct reading *reading, sqlite3_stmt *row) {
    struct queue_fleet *fleet = reading->fleet;
    if (fleet->worker_count == QUEUE_WORKERS_MAX)
        return;
    struct queue_seen *seen = &fleet->workers[fleet->worker_count++];
    *seen = (struct queue_seen){.seq = sqlite3_column_int64(row, 0),
                                .first_wall_ms = sqlite3_column_int64(row, 7),
                                .last_wall_ms = sqlite3_column_int64(row, 8),
                                .heard_ms = sqlite3_column_int64(row, 9),
                                .retired = sqlite3_column_int(row, 10)};
    read_text(row, 1, seen->worker.name, sizeof seen->worker.name);
    read_text(row, 2, seen->worker.machine, sizeof seen->worker.machine);
    read_text(row, 3, seen->worker.address, sizeof seen->worker.address);
    read_text(row, 4, seen->worker.kernel, sizeof seen->worker.kernel);
    seen->worker.cores = sqlite3_column_int64(row, 5);
    seen->worker.rate = sqlite3_column_int64(row, 6);
    read_text(row, 11, seen->worker.identity, sizeof seen->worker.identity);
    seen->items = held_by(&reading->held, seen->seq);
}

static void take_decision(struct reading *reading, sqlite3_stmt *row) {
    struct queue_fleet *fleet = reading->fleet;
    if (fleet->decision_count == QUEUE_DECISIONS_MAX)
        return;
    struct queue_decision *decision = &fleet->decisions[fleet->decision_count++];
    decision->wall_ms = sqlite3_column_int64(row, 0);
    read_text(row, 1, decision->why, sizeof decision->why);
}

static void take_quarantined(struct reading *reading, sqlite3_stmt *row) {
    struct queue_fleet *fleet = reading->fleet;
    if (fleet->quarantine_count == QUEUE_DECISIONS_MAX)
        return;
    struct queue_quarantined *found = &fleet->quarantine[fleet->quarantine_count++];
    read_text(row, 0, found->identity, sizeof found->identity);
    found->wall_ms = sqlite3_column_int64(row, 1);
    read_text(row, 2, found->why, sizeof found->why);
}

static void take_quarantined_count(struct reading *reading, sqlite3_stmt *row) {
    reading->fleet->quarantined = sqlite3_column_int64(row, 0);
}

static void take_rate(struct reading *reading, sqlite3_stmt *row) {
    reading->fleet->machine_rate = sqlite3_column_int64(row, 0);
}

static void take_outside(struct reading *reading, sqlite3_stmt *row) {
    reading->fleet->outside_rate = sqlite3_column_int64(row, 0);
}

static int compare_times(const void *a, const void *b) {
    int64_t one = *(const int64_t *)a;
    int64_t other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

int64_t reader_boot_ms(struct sqlite_reader *reader, int *code) {
    sqlite3_stmt *statement = reader_statement(reader, SQL_FLEET_BOOTS);
    int64_t boots_ms[BOOTS] = {0};
    int count = 0;
    *code = SQLITE_DONE;
    if (!statement)
        return -1;
    sqlite3_bind_int64(statement, 1, BOOTS);
    while ((*code = sqlite3_step(statement)) == SQLITE_ROW && count < BOOTS)
        boots_ms[count++] = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    qsort(boots_ms, (size_t)count, sizeof *boots_ms, compare_times);
    return count > 0 ? boots_ms[count / 2] : -1;
}

static bool read_boots(struct reading *reading) {
    reading->fleet->boot_ms = reader_boot_ms(reading->reader, &reading->code);
    return reading->reader->database && reading->code == SQLITE_DONE;
}

/* Reads everything, machines before the items that they hold. */
static bool read_all(struct reading *reading) {
    int64_t silent_ms = reading->since->silent_ms;
    return each_row(reading, SQL_FLEET_MACHINES, silent_ms, QUEUE_MACHINES_MAX, take_machine) &&
           each_row(reading, SQL_FLEET_STRAYS, silent_ms, 0, take_stray) && add_held(reading) &&
           each_row(reading, SQL_FLEET_WORKERS, reading->since->shown_ms, QUEUE_WORKERS_MAX,
                    take_worker) &&
           each_row(reading, SQL_DECISIONS_LAST, QUEUE_DECISIONS_MAX, 0, take_decision) &&
           each_row(reading, SQL_QUARANTINE_LIST, QUEUE_DECISIONS_MAX, 0, take_quarantined) &&
           each_row(reading, SQL_QUARANTINE_COUNT, 0, 0, take_quarantined_count) &&
           each_row(reading, SQL_FLEET_RATE, 0, 0, take_rate) &&
           each_row(reading, SQL_FLEET_OUTSIDE, silent_ms, 0, take_outside) && read_boots(reading);
}

enum queue_result sqlite_reader_fleet(struct reader *base, const struct queue_fleet_since *since,
                                      struct queue_fleet *fleet) {
    struct sqlite_reader *reader = sqlite_reader_of(base);
    struct reading reading = {.reader = reader, .since = since, .fleet = fleet};
    *fleet = (struct queue_fleet){0};
    bool good = read_all(&reading);
    free(reading.held.list);
    if (good)
        return QUEUE_OK;
    return reading.code == SQLITE_DONE ? QUEUE_DOWN : reader_failed(reader, reading.code);
}
