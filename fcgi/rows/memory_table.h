#ifndef HASHMILL_MEMORY_TABLE_H
#define HASHMILL_MEMORY_TABLE_H

#include <sqlite3.h>
#include <stdbool.h>

/* A table of a connection whose rows lie in this process's memory and nowhere in the file, so that
 * one statement reads all of them. It is only read, in order. */
struct memory_table {
    const char *name;
    const char *columns; /* their names, separated by commas */
    int first;           /* the rows are first to end - 1 */
    int end;
    /* Gives one value to SQLite, which is done with it before the statement ends; none: NULL. */
    void (*value)(const struct memory_table *table, int row, int column, sqlite3_context *to);
};

/* Adds the table to a connection, for as long as that lives. A statement sees the rows that there
 * are when it runs. False when memory is short. */
bool memory_table_register(sqlite3 *database, struct memory_table *table);

#endif
