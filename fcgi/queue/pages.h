#ifndef HASHMILL_PAGES_H
#define HASHMILL_PAGES_H

/* A part of a copy of the database, sent by the writer to the process that asked for the copy. */

#include <stdint.h>

enum {
    PAGE_BYTES = 4096, /* of every database: sql/transaction.sql */
    PAGES_MAX = 30     /* in one part; fits into a message of the channel */
};

#define PAGES_BYTES_MAX (INT64_C(1) << 50) /* of a file sent from node to node */

struct page {
    int64_t at; /* offset of its first byte in the file */
    uint8_t bytes[PAGE_BYTES];
};

/* Pages to write in this order, after those of earlier parts: a page that has changed meanwhile
 * comes again. */
struct pages {
    int64_t file_bytes; /* the size of the file; an estimate until the last part */
    int32_t complete;   /* 1: this is the last part, and the file has file_bytes */
    int32_t count;
    struct page items[PAGES_MAX];
};

#endif
