#ifndef HASHMILL_KEYS_H
#define HASHMILL_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The keys file (setting KEYS): who may call, and as what. A line a key:
 *
 *   ROLE NAME SHA256HEX [ATTRIBUTE...]
 *
 * ROLE is worker, client, operator or viewer. SHA256HEX is the SHA-256 of the whole key, so the
 * file holds no secret that could be used. Several lines may have one name: an old and a new key
 * both count while one is replaced. Blank lines and lines that start with # are skipped.
 *
 * An attribute stands at most once in a line:
 *
 *   until=2027-01-31       the last day of the key, to 24:00 UTC
 *
 * Only of a client or operator, and then the same in all lines of a name:
 *
 *   weight=N               its share of the machines, 1 to 1000; 1 without this
 *   items=N                how many items not yet pulled or cancelled it may have
 *   work=N                 how many iterations not yet done its items may have
 *   rate=PER_SECOND/BURST  how many items it may enqueue a second, and at once; 1 to 1000000 each
 *   iterations_max=N       how many iterations one item may have
 *
 * The other numbers are from 1 to 2^53 - 1.
 */

enum key_role { KEY_WORKER, KEY_CLIENT, KEY_OPERATOR, KEY_VIEWER, KEY_ROLES };

enum {
    KEY_NAME_SIZE = 65, /* bytes of a name with its NUL */
    KEY_HASH_SIZE = 32, /* SHA-256 */
    KEYS_MAX = 10000    /* lines with a key */
};

struct key {
    uint8_t hash[KEY_HASH_SIZE];
    enum key_role role;
    int64_t until_seconds; /* since 1970: the key counts before; INT64_MAX: for ever */
    int64_t weight;        /* its share of the machines, 1 to 1000 */
    int64_t items, work, iterations_max; /* at most; 0: any number */
    int64_t rate, burst;                 /* items enqueued a second, and at once; 0: any number */
    char name[KEY_NAME_SIZE];
};

struct keys;

/* Reads a keys file. NULL with a sentence that names file, line and remedy in why: it cannot be
 * read, others than its owner (or, of root's, this process's group) may read it, or a line is
 * wrong. */
struct keys *keys_read(const char *path, char *why, size_t why_size);

/* Keeps keys over exec, for a program whose file is bad by then. NULL: none are kept. */
void keys_keep(const struct keys *keys);

/* The keys that the program before has kept, once; NULL when there are none, or they were another
 * version's. */
struct keys *keys_kept(void);
void keys_free(struct keys *keys);

/* How many keys there are, and how many names these have. */
int keys_count(const struct keys *keys);
int keys_names(const struct keys *keys);

/* The key with this text, whether its time is over or not; NULL when there is none. */
const struct key *keys_find(const struct keys *keys, const char *text);

/* "worker", "client", ... */
const char *key_role_name(enum key_role role);

/* The role of that name; KEY_ROLES when it is none. */
enum key_role key_role_named(const char *name);

/* Whether a name can stand in the file: 1 to 64 letters, digits and ._-, the first a letter or
 * digit. Not for keys are "shared", the identity of who sends WORKER_TOKEN, and names of the form
 * that machines have. */
bool key_name_is_good(const char *name);

/* In key_attributes.c: reads the attributes of a line, blank-separated, such as "until=2027-01-31
 * weight=3", and gives the others their defaults. key->role must be set. Changes the text. False
 * with the remedy in why. */
bool key_read_attributes(struct key *key, char *attributes, char *why, size_t why_size);

/* In key_attributes.c: whether a name has two keys that differ in weight or quotas; copies it.
 * Takes n log n comparisons.
 */
bool key_disagreeing(const struct key *list, int count, char name[KEY_NAME_SIZE]);

/* In key_attributes.c: how many names these keys have. Takes n log n comparisons. */
int key_names(const struct key *list, int count);

#endif
