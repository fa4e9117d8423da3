#ifndef HASHMILL_REPORT_TABLE_H
#define HASHMILL_REPORT_TABLE_H

#include <sqlite3.h>

#include "queue/queue.h"

/*
 * The report at hand as a table `reported` of the writer's connection, so that one statement reads
 * or changes all of its items: some two thirds of the time that one statement for each would take.
 * Columns: n (place in the report), id; and for what is to be changed: seq (NULL: nothing), state,
 * chain, remaining.
 */
struct report_table {
    const struct queue_report_item *items;
    int first; /* the rows are items[first] to items[end - 1] */
    int end;
    int64_t seq[QUEUE_LEASE_MAX]; /* of items[n]; 0: nothing is to be changed */
    uint8_t state[QUEUE_LEASE_MAX];
};

/* Adds the table to a connection. A statement sees what *rows holds when it runs. */
bool report_table_register(sqlite3 *database, struct report_table *rows);

#endif
