#ifndef HASHMILL_QUERY_H
#define HASHMILL_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The query string of a request. Each call names the parameters it takes; anything else is refused,
 * and so is one given twice, so that a typo never becomes a default.
 */
enum {
    QUERY_PARAMETERS_MAX = 10, /* of one call */
    QUERY_VALUE_SIZE = 72      /* bytes of a value with its NUL; no valid one is longer */
};

struct query {
    const char *const *names; /* what the call takes, ended by NULL; borrowed */
    bool given[QUERY_PARAMETERS_MAX];
    char values[QUERY_PARAMETERS_MAX][QUERY_VALUE_SIZE]; /* decoded, in the order of names */
};

/* Reads a query string (without its '?'; "" for none): percent-escapes are resolved and '+' is a
 * space. Empty pieces between '&' are skipped, as URL parsers do. False with a sentence for the
 * client in why. names must outlive the query. */
bool query_parse(struct query *query, const char *text, const char *const *names, char *why,
                 size_t why_size);

/* The value of a parameter, or NULL when it was not given. */
const char *query_text(const struct query *query, const char *name);

/* A parameter that must be there, as a decimal number from min to max: digits only, no sign, no
 * leading zero. False with a sentence for the client in why; *value is then left alone. */
bool query_integer(const struct query *query, const char *name, int64_t min, int64_t max,
                   int64_t *value, char *why, size_t why_size);

/* The same rule for one text. */
bool query_decimal(const char *text, int64_t min, int64_t max, int64_t *value);

#endif
