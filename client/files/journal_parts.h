#ifndef HASHMILL_CLIENT_JOURNAL_PARTS_H
#define HASHMILL_CLIENT_JOURNAL_PARTS_H

#include <stdio.h>

#include "buffer.h"
#include "files/journal.h"

/* What is known of one item. */
struct journal_item {
    uint8_t key[ITEM_KEY_BYTES];
    uint8_t id[ITEM_ID_BYTES];
    uint32_t path; /* where in names */
    uint8_t node;  /* sent to this one last, plus 1; 0: none can have it */
    bool placed;   /* id is known */
    bool refused;  /* for good */
};

enum { JOURNAL_NODES_MAX = 32, JOURNAL_SUM_LENGTH = 9 /* and a blank */ };

#define JOURNAL_HEAD "hashmill journal "
#define JOURNAL_VERSION "2"

struct journal {
    char path[1200];
    int fd;
    bool keeps_names;
    bool broken; /* a write has failed: what follows would stand behind half a line */
    struct journal_item *items;
    int count, capacity;
    int32_t *table; /* of hashing: the item's number + 1; 0: free */
    int table_size; /* a power of two */
    struct buffer names;
    char *nodes[JOURNAL_NODES_MAX];
    int node_count;
    struct buffer noted; /* lines to write */
    uint32_t sum;        /* of all lines, also those to be written */
};

/* Writes the sum that stands before a line, with a blank, and no NUL; *sum goes on over the line.
 */
void journal_sum(char text[JOURNAL_SUM_LENGTH], uint32_t *sum, const char *line, size_t length);

/* Reads the whole file; *whole gets how many bytes have whole lines. False with a message. */
bool journal_read(struct journal *journal, long long *whole);

#endif
