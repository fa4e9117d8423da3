#ifndef HASHMILL_CLIENT_PROBLEM_H
#define HASHMILL_CLIENT_PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

#include "json.h"

/* What a node says went wrong. */
struct problem {
    char name[40]; /* "queue-full"; empty: it is no problem of hashmill */
    char detail[400];
};

/* Reads the object at a token. */
void problem_at(struct problem *problem, const struct json *json, int object);

/* Reads a reply's body; why gets a sentence for people, or stays as it is when there is none. */
void problem_read(struct problem *problem, const char *body, size_t length, char *why,
                  size_t why_size);

/* Whether who answers with this status has done nothing. */
bool status_is_refusal(int status);

/* Whether what is refused with this status and problem may be taken later. */
bool problem_passes(int status, const char *name);

#endif
