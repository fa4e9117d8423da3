#ifndef HASHMILL_QUERY_H
#define HASHMILL_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The query string of a request. Each call names its parameters. Any other parameter is refused,
 * and so is one given twice: a typo never becomes a default.
 */
enum {
    QUERY_PARAMETERS_MAX = 10, /* of one call */
    QUERY_VALUE_SIZE = 72      /* bytes of a value with its NUL; no valid one is longer */
};

struct query {
    const char *const *names; /* the call's parameters, ended by NULL; borrowed */
    bool given[QUERY_PARAMETERS_MAX];
    char values[QUERY_PARAMETERS_MAX][QUERY_VALUE_SIZE]; /* decoded, in the order of names */
};

/* Reads a query string (without its '?'; "" for none). Resolves percent-escapes, and '+' to a
 * space; skips empty pieces between '&', as URL parsers do. False with a sentence for the client in
 * why. names must outlive the query. */
bool query_parse(struct query *query, const char *text, const char *const *names, char *why,
                 size_t why_size);

/* The value of a parameter, or NULL when it was not given. */
const char *query_text(const struct query *query, const char *name);

/* Reads a required parameter as a decimal number from min to max: digits only, no sign, no leading
 * zero. False, with *value unchanged and a sentence for the client in why, otherwise. */
bool query_integer(const struct query *query, const char *name, int64_t min, int64_t max,
                   int64_t *value, char *why, size_t why_size);

/* The same for a text. */
bool query_decimal(const char *text, int64_t min, int64_t max, int64_t *value);

#endif
