#ifndef HASHMILL_CLIENT_CHECKS_H
#define HASHMILL_CLIENT_CHECKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernel.h"

/* The values to verify. */

enum { CHECKS_MAX = 1000000 };

struct check {
    char *file; /* owned */
    int64_t iterations;
    uint8_t wanted[CHAIN_SIZE];
    uint8_t value[CHAIN_SIZE]; /* as computed here */
    enum { CHECK_OPEN, CHECK_COMPUTED, CHECK_UNREADABLE } state;
};

/* A growing list, zeroed to start with. */
struct checks {
    struct check *list; /* owned */
    size_t count, capacity;
};

/* Adds a file with its number of iterations, 1 to 2^53 - 1 in decimal, and the value that it should
 * have, 128 hex digits. False, with a sentence in why, for anything else. */
bool checks_add(struct checks *checks, const char *file, const char *iterations, const char *value,
                char *why, size_t why_size);

/* Adds the lines of a file ("-": standard input) as `run` prints them and sha512sum does: "VALUE
 * FILE" with two spaces between (or a space and a star); a backslash before the line says that \\,
 * \n and \r in the name stand for a backslash, a newline and a carriage return. Empty lines are
 * skipped. False, with a sentence in why that names the line, when one is none of these, or when
 * there are more than CHECKS_MAX. */
bool checks_read(struct checks *checks, const char *path, int64_t iterations, char *why,
                 size_t why_size);

/* Whether the value computed is the one that was wanted. */
bool check_holds(const struct check *check);

void checks_free(struct checks *checks);

#endif
