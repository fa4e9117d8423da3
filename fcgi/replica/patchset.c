/*
 * Checks that bytes are a patchset, from the first to the last, in the format that
 * fcgi/rows/changes.h describes. SQLite's own reader is no safe check: it never ends when a
 * table's name has no end.
 */

#include <string.h>

#include "parts.h"

enum { COLUMNS_MAX = 255, INTEGER_SIZE = 8 };
enum { VALUE_NONE = 0, VALUE_INTEGER, VALUE_REAL, VALUE_TEXT, VALUE_BLOB, VALUE_NULL };

/* The unread bytes, and the table of the rows that follow. */
struct reading {
    const uint8_t *at;
    size_t left;
    uint64_t columns; /* 0: no table yet */
    const uint8_t *key;
};

/* Takes the next size bytes; NULL when fewer are left. */
static const uint8_t *take(struct reading *reading, uint64_t size) {
    const uint8_t *bytes = reading->at;
    if (size > reading->left)
        return NULL;
    reading->at += size;
    reading->left -= (size_t)size;
    return bytes;
}

/* An integer of seven bits a byte, the highest first. */
static bool take_varint(struct reading *reading, uint64_t *number) {
    enum { BYTES_MAX = 5, BITS = 7, MORE = 0x80 };
    *number = 0;
    for (int i = 0; i < BYTES_MAX; i++) {
        const uint8_t *byte = take(reading, 1);
        if (!byte)
            return false;
        *number = *number << BITS | (*byte & (MORE - 1));
        if ((*byte & MORE) == 0)
            return true;
    }
    return false;
}

static bool take_table(struct reading *reading) {
    if (!take_varint(reading, &reading->columns) || reading->columns == 0 ||
        reading->columns > COLUMNS_MAX)
        return false;
    reading->key = take(reading, reading->columns);
    const uint8_t *end = reading->key ? memchr(reading->at, 0, reading->left) : NULL;
    return end && take(reading, (uint64_t)(end - reading->at) + 1);
}

/* Takes a value. False when it is cut off or of an unknown type; sets *none for the mark of a
 * column without a value. */
static bool take_value(struct reading *reading, bool *none) {
    uint64_t size;
    const uint8_t *type = take(reading, 1);
    *none = type && *type == VALUE_NONE;
    if (!type || *type > VALUE_NULL)
        return false;
    if (*type == VALUE_TEXT || *type == VALUE_BLOB)
        return take_varint(reading, &size) && take(reading, size);
    return *type == VALUE_NONE || *type == VALUE_NULL || take(reading, INTEGER_SIZE);
}

/* Takes a row: of an insert all values, of an update the key and at least one other, of a delete
 * the key. */
static bool take_row(struct reading *reading, uint8_t operation) {
    int changed = 0;
    if (!take(reading, 1)) /* the flag "indirect" */
        return false;
    for (uint64_t i = 0; i < reading->columns; i++) {
        bool none = true;
        bool key = reading->key[i] != 0;
        if (operation == SQLITE_DELETE && !key)
            continue;
        if (!take_value(reading, &none) || (none && (key || operation == SQLITE_INSERT)))
            return false;
        changed += !key && !none;
    }
    return operation != SQLITE_UPDATE || changed > 0;
}

bool replica_is_patchset(const void *bytes, size_t size) {
    struct reading reading = {.at = bytes, .left = size};
    while (reading.left > 0) {
        uint8_t byte = *take(&reading, 1);
        bool row = byte == SQLITE_INSERT || byte == SQLITE_UPDATE || byte == SQLITE_DELETE;
        if (byte != 'P' && (!row || reading.columns == 0))
            return false;
        if (row ? !take_row(&reading, byte) : !take_table(&reading))
            return false;
    }
    return true;
}
