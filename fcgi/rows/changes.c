#include "changes.h"

#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void put_byte(struct buffer *to, int byte) {
    buffer_append(to, &(uint8_t){(uint8_t)byte}, 1);
}

static void put_varint(struct buffer *to, uint32_t number) {
    uint8_t bytes[5];
    int at = sizeof bytes - 1;
    bytes[at] = number & 0x7f;
    while (number >>= 7)
        bytes[--at] = (uint8_t)(0x80 | (number & 0x7f));
    buffer_append(to, bytes + at, sizeof bytes - (size_t)at);
}

/* Writes a value. False without memory, or for a floating point number, which no table has: all are
 * STRICT, with integers, texts and blobs only. */
static bool put_value(struct buffer *to, sqlite3_value *value) {
    int type = sqlite3_value_type(value);
    put_byte(to, type);
    if (type == SQLITE_NULL)
        return true;
    if (type == SQLITE_INTEGER) {
        uint64_t number = htobe64((uint64_t)sqlite3_value_int64(value));
        buffer_append(to, &number, sizeof number);
        return true;
    }
    const void *bytes =
        type == SQLITE_TEXT ? (const void *)sqlite3_value_text(value) : sqlite3_value_blob(value);
    int size = sqlite3_value_bytes(value);
    put_varint(to, (uint32_t)size);
    if (size > 0 && bytes)
        buffer_append(to, bytes, (size_t)size);
    return type != SQLITE_FLOAT && (bytes || size == 0);
}

static bool is_same(sqlite3_value *a, sqlite3_value *b) {
    int type = sqlite3_value_type(a);
    if (type != sqlite3_value_type(b))
        return false;
    if (type == SQLITE_NULL)
        return true;
    if (type == SQLITE_INTEGER)
        return sqlite3_value_int64(a) == sqlite3_value_int64(b);
    int size = sqlite3_value_bytes(a);
    return size == sqlite3_value_bytes(b) &&
           (size == 0 || memcmp(sqlite3_value_blob(a), sqlite3_value_blob(b), (size_t)size) == 0);
}

/* Names the table of the rows that follow, unless it is that of the last row. */
static void put_table(struct changes *changes, const char *table, int columns) {
    struct buffer *bytes = &changes->bytes;
    if (strcmp(changes->table, table) == 0)
        return;
    snprintf(changes->table, sizeof changes->table, "%s", table);
    put_byte(bytes, 'P');
    put_varint(bytes, (uint32_t)columns);
    for (int i = 0; i < columns; i++)
        put_byte(bytes, i == 0);
    buffer_append(bytes, table, strlen(table) + 1);
}

/* Writes the values of an inserted or updated row. False when the format cannot express the change,
 * as when the key changed. Sets *changed if any value changed. */
static bool put_row(struct buffer *bytes, sqlite3 *database, int columns, bool update,
                    bool *changed) {
    for (int i = 0; i < columns; i++) {
        sqlite3_value *now;
        sqlite3_value *before = NULL;
        if (sqlite3_preupdate_new(database, i, &now) != SQLITE_OK ||
            (update && sqlite3_preupdate_old(database, i, &before) != SQLITE_OK))
            return false;
        bool same = before && is_same(before, now);
        *changed |= !same;
        if (same && i > 0)
            put_byte(bytes, 0);
        else if ((before && i == 0 && !same) || !put_value(bytes, now))
            return false;
    }
    return true;
}

/* Called by SQLite before each change of a row. */
static void note_row(void *context, sqlite3 *database, int operation, const char *schema,
                     const char *table, sqlite3_int64 old_rowid, sqlite3_int64 new_rowid) {
    struct changes *changes = context;
    struct buffer *bytes = &changes->bytes;
    (void)old_rowid;
    (void)new_rowid;
    if (!changes->on || strcmp(schema, "main") != 0)
        return;
    int columns = sqlite3_preupdate_count(database);
    put_table(changes, table, columns);
    size_t start = bytes->length;
    put_byte(bytes, operation);
    put_byte(bytes, 0);
    bool good = false;
    bool changed = operation == SQLITE_DELETE;
    sqlite3_value *key;
    if (operation != SQLITE_DELETE)
        good = put_row(bytes, database, columns, operation == SQLITE_UPDATE, &changed);
    else if (sqlite3_preupdate_old(database, 0, &key) == SQLITE_OK)
        good = put_value(bytes, key);
    changes->failed |= !good;
    if (!changed)
        bytes->length = start; /* an update to equal values is no change */
}

void changes_watch(struct changes *changes, sqlite3 *database) {
    sqlite3_preupdate_hook(database, note_row, changes);
}

void changes_free(struct changes *changes, sqlite3 *database) {
    sqlite3_preupdate_hook(database, NULL, NULL);
    buffer_free(&changes->bytes);
}

void changes_begin(struct changes *changes) {
    buffer_clear(&changes->bytes);
    changes->table[0] = '\0';
    changes->mark = 0;
    changes->failed = false;
    changes->on = true;
}

void changes_end(struct changes *changes) {
    changes->on = false;
}

void changes_mark(struct changes *changes) {
    changes->mark = changes->bytes.length;
}

void changes_undo(struct changes *changes) {
    if (changes->bytes.length == changes->mark)
        return;
    changes->bytes.length = changes->mark;
    changes->table[0] = '\0'; /* the table of the last row is not known any more */
}
