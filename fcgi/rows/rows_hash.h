#ifndef HASHMILL_ROWS_HASH_H
#define HASHMILL_ROWS_HASH_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

enum { ROWS_HASH_SIZE = 32 };

/* SHA-256 over all rows that a statement returns, by which two nodes compare their rows. Hashed of
 * each value: its type (SQLITE_INTEGER ...) as a byte; then a number as 8 bytes, or the length of a
 * text or blob as 8 bytes and its content. Numbers are big-endian. Steps the statement to its end
 * and resets it. Returns SQLite's code, SQLITE_OK on success. */
int rows_hash(sqlite3_stmt *rows, uint8_t hash[ROWS_HASH_SIZE]);

#endif
