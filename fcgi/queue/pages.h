#ifndef HASHMILL_PAGES_H
#define HASHMILL_PAGES_H

/* A part of a copy of the database, on its way from the writer to the process that wants it. */

#include <stdint.h>

enum {
    PAGE_BYTES = 4096, /* of every database: sql/transaction.sql */
    PAGES_MAX = 30     /* in one part, which fits into a message of the channel */
};

#define PAGES_BYTES_MAX (INT64_C(1) << 50) /* of a file that goes from node to node */

struct page {
    int64_t at; /* its first byte in the file */
    uint8_t bytes[PAGE_BYTES];
};

/* Pages to be written in this order, and behind those of the parts before: a page that was changed
 * meanwhile comes once more. */
struct pages {
    int64_t file_bytes; /* the size of the file, or what it is to be as far as that is known */
    int32_t complete;   /* 1: this is the last part, and the file has file_bytes */
    int32_t count;
    struct page items[PAGES_MAX];
};

#endif
