#ifndef HASHMILL_SIM_ORACLE_H
#define HASHMILL_SIM_ORACLE_H

/* What clients did and were told. A record is an enqueue; each has a body of its own, so its value
 * identifies it. A pull is a client's, with a key or without. */

#include "sim.h"

enum { KEY_SIZE = 32, ITERATIONS_MAX = 24 };

struct record {
    uint32_t number;
    int node; /* that was asked */
    int iterations;
    char key[KEY_SIZE];
    bool acked; /* a client was told its id */
    struct uuid id;
    bool cancelled;        /* a client was told so */
    bool may_be_cancelled; /* a client was not told whether it is */
    bool excused;          /* a fault excuses that it is lost, or comes twice */
    int pull;              /* that handed it out; 0: none */
    uint8_t digest[DIGEST_SIZE];
    uint8_t value[DIGEST_SIZE];
};

struct pull {
    int number;
    int node;
    int top;
    bool oldest;
    bool keyed;
    bool answered;
    bool unanswered; /* once at least */
    bool excused;
    char key[KEY_SIZE];
    int count;
    struct uuid *ids;
};

/* A new record of a node; its body is "work NUMBER". */
struct record *oracle_record(int node, int iterations, bool keyed);
int oracle_records(void);
struct record *oracle_record_at(int index);
struct record *oracle_find(struct uuid id);

/* A client was told the record's id. */
void oracle_enqueued(struct record *record, struct uuid id);
void oracle_cancelled(struct record *record);
/* A client saw the item: its value, or NULL; its state, if it had been cancelled before, or NULL.
 */
void oracle_seen(struct record *record, const char *state, const uint8_t *value, int remaining);
/* A client was told that there is no such item. */
void oracle_missing(struct record *record);

struct pull *oracle_pull(int node, int top, bool oldest, bool keyed);
int oracle_pulls(void);
struct pull *oracle_pull_at(int index);
/* A pull was answered with lines "ID VALUE". first: no answer with items was known when it was
 * sent. */
void oracle_pulled(struct pull *pull, const char *lines, bool first);

/* The chain of a record with `remaining` iterations left. */
void oracle_chain(const struct record *record, int remaining, uint8_t chain[DIGEST_SIZE]);

void oracle_hash(uint8_t to[DIGEST_SIZE], const void *from, size_t size);

/* How often something was excused. */
extern int oracle_excuses;

/* Whether items may have left the queue by their age. */
extern bool oracle_retention;

#endif
