#include "query.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The value of a hex digit, or -1. */
static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Resolves '+' and percent-escapes into out, NUL-terminated. False when an escape is broken or
 * stands for NUL, or the result does not fit. */
static bool decode(char *out, size_t size, const char *text, size_t length) {
    size_t used = 0;
    for (size_t i = 0; i < length; i++) {
        char next = text[i] == '+' ? ' ' : text[i];
        if (text[i] == '%') {
            int high = i + 2 < length ? hex_value(text[i + 1]) : -1;
            int low = i + 2 < length ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0 || (high | low) == 0)
                return false;
            next = (char)(high << 4 | low);
            i += 2;
        }
        if (used + 1 >= size)
            return false;
        out[used++] = next;
    }
    out[used] = '\0';
    return true;
}

/* The place of name among the call's parameters, or -1. */
static int place(const struct query *query, const char *name) {
    for (int i = 0; query->names[i]; i++) {
        if (strcmp(query->names[i], name) == 0)
            return i;
    }
    return -1;
}

/* Refuses a name; says which parameters the call has. */
static bool refuse_name(const struct query *query, const char *name, char *why, size_t why_size) {
    int used = snprintf(why, why_size, "There is no parameter \"%s\" here; this call takes %s",
                        name, query->names[0] ? "" : "none");
    for (int i = 0; query->names[i] && used > 0 && (size_t)used < why_size; i++)
        used +=
            snprintf(why + used, why_size - (size_t)used, "%s%s", i ? ", " : "", query->names[i]);
    if (used > 0 && (size_t)used < why_size)
        snprintf(why + used, why_size - (size_t)used, ".");
    return false;
}

/* Takes one NAME=VALUE; a name without '=' has an empty value. */
static bool take(struct query *query, const char *text, size_t length, char *why, size_t why_size) {
    char name[QUERY_VALUE_SIZE];
    const char *equals = memchr(text, '=', length);
    size_t name_length = equals ? (size_t)(equals - text) : length;
    if (!decode(name, sizeof name, text, name_length))
        return refuse_name(query, "(too long or badly escaped)", why, why_size);
    int at = place(query, name);
    if (at < 0)
        return refuse_name(query, name, why, why_size);
    if (query->given[at]) {
        snprintf(why, why_size, "The parameter %s is given more than once; give it once.", name);
        return false;
    }
    query->given[at] = true;
    if (equals &&
        !decode(query->values[at], QUERY_VALUE_SIZE, equals + 1, length - name_length - 1)) {
        snprintf(why, why_size, "The value of %s is too long or badly escaped.", name);
        return false;
    }
    return true;
}

bool query_parse(struct query *query, const char *text, const char *const *names, char *why,
                 size_t why_size) {
    *query = (struct query){.names = names};
    while (*text != '\0') {
        size_t length = strcspn(text, "&");
        if (length > 0 && !take(query, text, length, why, why_size))
            return false;
        text += length + (text[length] == '&');
    }
    return true;
}

const char *query_text(const struct query *query, const char *name) {
    int at = place(query, name);
    return at >= 0 && query->given[at] ? query->values[at] : NULL;
}

bool query_decimal(const char *text, int64_t min, int64_t max, int64_t *value) {
    int64_t number = 0;
    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || number > (INT64_MAX - 9) / 10)
            return false;
        number = number * 10 + (*text - '0');
    }
    if (number < min || number > max)
        return false;
    *value = number;
    return true;
}

bool query_integer(const struct query *query, const char *name, int64_t min, int64_t max,
                   int64_t *value, char *why, size_t why_size) {
    const char *text = query_text(query, name);
    if (text && query_decimal(text, min, max, value))
        return true;
    if (text)
        snprintf(why, why_size, "%s must be a decimal number from %" PRId64 " to %" PRId64 ".",
                 name, min, max);
    else
        snprintf(why, why_size, "%s is missing; give %s=N, N from %" PRId64 " to %" PRId64 ".",
                 name, name, min, max);
    return false;
}
