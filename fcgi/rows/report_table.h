#ifndef HASHMILL_REPORT_TABLE_H
#define HASHMILL_REPORT_TABLE_H

#include "memory_table.h"
#include "queue/queue.h"

/*
 * The present report as a table `reported` of the writer's connection, so that one statement reads
 * or changes all of its items. That takes some two thirds of the time of one statement for each.
 * Columns: n (place in the report), id; and the change to make: seq (NULL: none), state, chain,
 * remaining, strike. The function reported_chain(seq) gives the chain of the item that has a seq.
 */
struct report_table {
    struct memory_table table; /* its rows are items[first] to items[end - 1]; the first member */
    const struct queue_report_item *items;
    int last; /* the item that reported_chain was asked for last; one of the rows */
    int64_t seq[QUEUE_LEASE_MAX]; /* of items[n]; 0: no change */
    uint8_t state[QUEUE_LEASE_MAX];
    uint8_t strike[QUEUE_LEASE_MAX]; /* 1: it gets one */
};

/* Adds the table and the function to a connection. A statement sees what *rows holds when it runs.
 */
bool report_table_register(sqlite3 *database, struct report_table *rows);

#endif
