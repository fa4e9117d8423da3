#ifndef HASHMILL_ROWS_HASH_H
#define HASHMILL_ROWS_HASH_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { ROWS_HASH_SIZE = 32 };

/* SHA-256 over all rows that a statement returns, by which two nodes compare theirs: of each value
 * its type (SQLITE_INTEGER ...) as a byte; behind that, of a number its 8 bytes, of a text or blob
 * its length as 8 bytes and itself. Numbers are big-endian. Steps the statement to its end and
 * resets it. SQLite's code, SQLITE_OK when all went well. */
int rows_hash(sqlite3_stmt *rows, uint8_t hash[ROWS_HASH_SIZE]);

#endif
