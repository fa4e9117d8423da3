#ifndef HASHMILL_TX_ROWS_H
#define HASHMILL_TX_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/queue.h"

/*
 * The rows of items that one batch of the writer works on, in memory: those that it has read, and
 * those that it has added. An operation changes a row here, the next one sees that, and the whole
 * is written at the end of the batch. Nothing here knows SQL or a clock.
 *
 * A row is in one of three tables, by its state; see tx_table_of. A row that was read without a
 * lock may be shown, not changed: it must be read again with one.
 */
enum { TX_ROWS_MAX = 4096, TX_PLACE_SIZE = 20, TX_LEVELS = 7 };

/* The tables of items. ended is never changed, only added to. */
enum tx_table {
    TX_NOWHERE,
    TX_WORK, /* waiting or leased */
    TX_DONE, /* done */
    TX_ENDED /* pulled or cancelled */
};

/* The columns of an item. */
struct item_row {
    struct uuid id;
    uint8_t digest[DIGEST_SIZE];
    uint8_t chain[DIGEST_SIZE]; /* equals digest at first, the value at last */
    int64_t client;             /* client.seq */
    int64_t iterations;
    int64_t remaining;
    int64_t rank;          /* order of leasing, */
    int64_t since_ms;      /* queue clock: waiting since; both while it is waiting or leased only */
    int64_t deadline_ms;   /* queue clock: while leased, else 0 */
    int64_t worker;        /* worker.seq of the one that leased or reported it last; 0: none */
    int64_t granted;       /* remaining when its last lease was given; 0: it had none, */
    int64_t granted_at_ms; /* and when, */
    int64_t granted_wall_ms; /* by both clocks; */
    int64_t moved_ms;        /* when it last made progress under it: all four in work only */
    int64_t enqueued_wall_ms;
    int64_t done_at_ms;          /* queue clock, */
    int64_t done_wall_ms;        /* wall: when it became done; 0 before */
    int64_t closed_ms;           /* queue clock: when it was pulled or cancelled; 0 before */
    struct uuid lease;           /* with has_lease: the present one, or the one that lapsed last */
    uint8_t pull[PULL_TAG_SIZE]; /* with has_pull: the tag of the pull that handed it out */
    bool has_lease;
    bool has_pull;
    int16_t home; /* whose items to lease it is among: the bucket of the node that took it */
    int16_t strikes;
    enum item_state state;
};

/* Where a row stands among others of its state: waiting by home, rank and id; leased by lease and
 * id; done by client, time and id. */
struct tx_order_key {
    enum item_state state;
    int64_t group;
    int64_t order;
    struct uuid lease;
    struct uuid id;
};

/* A row of the batch. All but item is read-only to others. */
struct tx_row {
    struct item_row item;
    struct tx_order_key key;    /* with is_ordered */
    uint16_t next[TX_LEVELS];   /* in the order, by level; numbers of rows, plus 1 */
    uint8_t levels;             /* in so many of them */
    bool is_ordered;            /* it is in the order */
    bool is_absent;             /* there is no such item */
    bool is_locked;             /* it was read with a lock, or is new */
    bool is_changed;            /* it is to be written */
    bool is_unlisted;           /* it is leased, and the row of its lease may not say so yet */
    enum tx_table stored;       /* where it was read */
    int64_t stored_deadline_ms; /* what it had there, */
    struct uuid stored_lease;   /* and this, or zeros */
    char place[TX_PLACE_SIZE];  /* its ctid there, as text */
    uint16_t slot;              /* of the table of ids */
};

struct tx_rows {
    int count;
    uint16_t first[TX_LEVELS]; /* of the order, as next is */
    uint64_t random;
    uint16_t slots[2 * TX_ROWS_MAX]; /* by the hash of the id: number of a row, plus 1; 0: free */
    struct tx_row rows[TX_ROWS_MAX]; /* the first count of them, in the order they came */
};

/* Empty rows, some 2 MB that are touched as they are used. NULL when memory is short; free. */
struct tx_rows *tx_rows_new(void);

/* Forgets all rows, for the next batch or for the same one again. */
void tx_rows_clear(struct tx_rows *rows);

/* How many rows there is room for. A batch ends before an operation that may need more. */
int tx_rows_room(const struct tx_rows *rows);

/* The row of an id, or NULL when nothing is known of it. It may be absent or without a lock. */
struct tx_row *tx_rows_find(struct tx_rows *rows, const struct uuid *id);

/* Takes up a row that was read. One that is known with a lock stays as the batch has it. A row in
 * work that came from an earlier batch is never new here. Returns the row; NULL without room. */
struct tx_row *tx_rows_read(struct tx_rows *rows, const struct item_row *item, const char *place,
                            bool is_locked);

/* Notes that there is no item of this id, unless one is known with a lock. False without room. */
bool tx_rows_read_absent(struct tx_rows *rows, const struct uuid *id);

/* Adds an item that is new. NULL without room, or when there is one of this id. */
struct tx_row *tx_rows_add(struct tx_rows *rows, const struct item_row *item);

/* Change a row between these two: the first takes it out of its order, the second puts it to where
 * it belongs now, to be written. Only a row with a lock, never one of TX_ENDED, nor the id. An
 * item that is leased, pulled or cancelled never goes back to another table. */
void tx_rows_edit(struct tx_rows *rows, struct tx_row *row);
void tx_rows_put(struct tx_rows *rows, struct tx_row *row);

/* The waiting row of a home that is to be leased next, of those known; NULL: none. */
struct tx_row *tx_rows_next_waiting(struct tx_rows *rows, int16_t home);

/* The done row of a client that is to be pulled next, of those known, the latest or the oldest;
 * NULL: none. */
struct tx_row *tx_rows_next_done(struct tx_rows *rows, int64_t client, bool oldest);

/* The leased rows of a lease, of those known, in the order of their ids: the one behind `after`, or
 * the first with NULL. NULL: no more. */
struct tx_row *tx_rows_of_lease(struct tx_rows *rows, const struct uuid *lease,
                                const struct tx_row *after);

/* The leased rows of all leases, those of one together; `after` as above. */
struct tx_row *tx_rows_leased(struct tx_rows *rows, const struct tx_row *after);

/* Whether the lease of a leased row was given by this batch, not renewed. */
bool tx_row_is_given(const struct tx_row *row);

/* The table of a state. */
enum tx_table tx_table_of(enum item_state state);

/* What is to be written of a row: where it must be taken from, and where it must be added. The same
 * table for both: to be updated there; TX_NOWHERE for both: nothing. */
enum tx_table tx_row_from(const struct tx_row *row);
enum tx_table tx_row_to(const struct tx_row *row);

#endif
