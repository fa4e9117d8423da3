#ifndef HASHMILL_IN_HAND_H
#define HASHMILL_IN_HAND_H

#include "queue/queue.h"

/*
 * How many items each identity has in hand, and how many it may have: a number to begin with, and
 * more for what it was seen to compute lately. In memory only. All zeros to begin with.
 */
enum {
    IN_HAND_FINISHED = 2,     /* further items for one that it has finished, */
    IN_HAND_LINKS = 10000000, /* and one for this many links; both */
    IN_HAND_SPANS = 4,        /* in so many spans of LEASE_SECONDS, the present one is the last */
    IN_HAND_PLACES = 16384    /* for more identities than there may be keys and machines */
};

/* What an identity was seen to compute. */
struct in_hand_work {
    int64_t finished; /* items */
    int64_t links;
};

struct in_hand {
    bool known; /* items is right; the caller counts them, sets this, and clears it */
    int count;  /* of identities */
    struct in_hand_identity {
        char name[QUEUE_NAME_SIZE]; /* "": the place is free */
        int64_t items;
        int64_t span;                             /* of its last call */
        struct in_hand_work spans[IN_HAND_SPANS]; /* span n is at n % IN_HAND_SPANS */
    } places[IN_HAND_PLACES]; /* an identity is at the first free one from the hash of its name */
};

/* How many items an identity may lease in this span, 0 or more; start is what it may begin with. */
int64_t in_hand_room(struct in_hand *in_hand, const char *identity, int64_t span, int64_t start);

/* Notes that an identity has so many items more in hand; fewer, if negative. */
void in_hand_add(struct in_hand *in_hand, const char *identity, int64_t items);

/* Notes that nobody has anything in hand: before all is counted again. */
void in_hand_clear(struct in_hand *in_hand);

/* Adds what an identity has computed in this span. */
void in_hand_worked(struct in_hand *in_hand, const char *identity, int64_t span,
                    const struct in_hand_work *work);

#endif
