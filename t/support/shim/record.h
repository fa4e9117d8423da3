#ifndef HASHMILL_RECORD_H
#define HASHMILL_RECORD_H

/*
 * What record.so writes and power_cut reads: for everything that happens to the database's files a
 * header and, for a write, its bytes, filled up to a multiple of eight. A write is noted before it
 * is made, a sync after it is done, so whatever follows a sync in the log may not be on the disk
 * yet.
 */

#include <stddef.h>
#include <stdint.h>

enum record_kind {
    RECORD_CREATE, /* a file that was not there; it is empty */
    RECORD_UNLINK,
    RECORD_WRITE,    /* size bytes at an offset */
    RECORD_TRUNCATE, /* to size */
    RECORD_SYNC      /* the file, or the directory */
};

enum record_name { RECORD_DATABASE, RECORD_WAL, RECORD_JOURNAL, RECORD_DIRECTORY, RECORD_NAMES };

struct record {
    uint32_t kind, name;
    uint64_t offset, size;
};

/* The size of a record with the bytes that belong to it. */
static inline size_t record_size(const struct record *record) {
    size_t bytes = record->kind == RECORD_WRITE ? record->size : 0;
    return sizeof *record + (bytes + 7) / 8 * 8;
}

#endif
