#ifndef HASHMILL_BODIES_H
#define HASHMILL_BODIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * SHA-512 of several bodies side by side, one in each lane of the vector registers. A single body
 * is OpenSSL's, and so is everything on a processor where lanes are no faster.
 *
 * All of this is for one thread of a process. Children that are forked inherit what was chosen.
 */

enum { BODIES_MAX = 8 }; /* lanes of the widest kernel */

/* A body to be hashed. */
struct body_hash {
    const uint8_t *bytes; /* at any address; not read when length is 0 */
    size_t length;
    uint8_t *digest; /* its 64 bytes go here, which are no part of a body */
};

/* Compares the kernels that this processor can run with OpenSSL and measures them, in some
 * milliseconds. A kernel that computes wrongly is left out, with an error in the log. Before it is
 * called, OpenSSL computes everything. */
void bodies_setup(void);

/* Computes the SHA-512 of any number of bodies, whose lengths may differ: a lane that has finished
 * one takes the next. False, with some digests undefined, only if OpenSSL fails. */
bool bodies_hash(const struct body_hash *bodies, int count);

/* How many bodies go side by side when all lanes are full, at most BODIES_MAX; 0: never any. */
int bodies_lanes(void);

#endif
