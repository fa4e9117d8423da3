#ifndef HASHMILL_RANK_H
#define HASHMILL_RANK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The order of leasing between clients, by work: each item gets a rank when it is enqueued, and the
 * lowest is leased first, of equal ones the oldest. This is start-time fair queueing (P. Goyal,
 * H. M. Vin, H. Cheng: Start-time Fair Queueing, SIGCOMM 1996, section 2), where a packet's start
 * tag is S = max(v, F of the one before), its finish tag F = S + length / weight, and v is the
 * start tag of the packet in service. Here a packet is an item and its length its iterations. New
 * is what lets a client's short items overtake its own long ones: see rank_enqueue.
 *
 * Virtual time counts iterations at weight 1. It begins with a new database and reaches its end
 * (2^62) after 2 years of 1,000 cores; then all ranks are equal, which is first in, first out.
 */

enum {
    RANK_PASSED_MAX = 32,
    RANK_LEAST = 1000, /* iterations that every item counts for: it is leased, reported and saved */
    RANK_PASS_MAX_MS = 3600 * 1000 /* no item is overtaken by those that come later than this */
};

/* Virtual time. All zeros to begin with. */
struct rank_clock {
    int64_t now; /* the greatest rank leased */
    int64_t top; /* no client's finish is greater */
    bool loose;  /* a finish was lowered: top may be greater than all */
};

/* The share of a client. Zeros and its weight to begin with. */
struct rank_client {
    int64_t finish; /* virtual: when all that it has enqueued is done */
    int64_t weight; /* 1..1000 */
    int64_t floor;  /* the greatest rank of its items that nothing overtakes any more */
    int64_t ahead;  /* virtual: the work that came before its place by overtaking, and until when */
    int64_t ahead_until; /* all that it has may be ahead of its share by that */
    int passed_count;
    struct rank_passed {
        int64_t until_ms;      /* what comes before this, by clock and penalty, overtakes */
        int64_t cost;          /* virtual: of these items, */
        int64_t longest;       /* and of the longest of them */
        int64_t rank;          /* the greatest of them */
    } passed[RANK_PASSED_MAX]; /* items of the last hour; by until_ms */
};

/* What a rank is made of. */
struct rank_item {
    int64_t clock_ms;
    int64_t iterations;
    int64_t penalty_ns; /* an item is overtaken by those of its client that come later by less than
                           this much for each iteration that they are shorter */
    bool own_wait;      /* items of its client wait, */
    bool others_wait;   /* and of others */
    bool only_client; /* nobody else ever had an item that waited: there is nobody to be fair to */
};

/* The rank of a new item; charges its client for it. */
int64_t rank_enqueue(struct rank_clock *clock, struct rank_client *client,
                     const struct rank_item *item);

/* A virtual time that was saved; the nearest that makes sense. */
int64_t rank_sane(int64_t rank);

/* Takes a client up with the finish and the weight that were saved. */
void rank_load(struct rank_client *client, int64_t finish, int64_t weight);

/* Adds an item of this rank that waits since before, so that shorter ones overtake it as they did;
 * of item clock_ms, since when it waits, iterations and penalty_ns count. clock_ms: now. All of it
 * may be from a file that makes no sense. Call rank_loaded after the last one. */
void rank_load_item(struct rank_client *client, const struct rank_item *item, int64_t rank,
                    int64_t clock_ms);
void rank_loaded(const struct rank_clock *clock, struct rank_client *client);

/* Notes that an item of this client and rank was leased. Virtual time does not pass its client's
 * finish: what was cancelled moves nothing. */
void rank_leased(struct rank_clock *clock, const struct rank_client *client, int64_t rank);

/* Credits a client with what an item had left when it was cancelled; of item clock_ms, since when
 * it waits, iterations and penalty_ns count. Later ones overtake it no more. */
void rank_cancelled(struct rank_clock *clock, struct rank_client *client,
                    const struct rank_item *item, int64_t remaining);

/* Notes that nothing waits: all clients are equal from here on. With clock->loose set top to the
 * greatest finish of all clients before. */
void rank_idle(struct rank_clock *clock);

#endif
