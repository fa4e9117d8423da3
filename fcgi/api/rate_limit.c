#include "rate_limit.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

enum { FIELD_SIZE = 160 }; /* bytes of a field of three quotas with its NUL */

/* What a structured field can have (RFC 9651, section 3.3.1). */
static int64_t integer(int64_t number) {
    static const int64_t max = 999999999999999;
    return number < 0 ? 0 : number > max ? max : number;
}

/* In how many seconds a rate makes a whole burst, rounded up. */
static int64_t window(const struct rate_limit_state *state) {
    return (state->burst - 1) / state->rate + 1;
}

/* Adds a quota to the end of a field: its name, and a number with the name of that. */
static void put(char field[FIELD_SIZE], size_t *length, const char *name, char parameter,
                int64_t number) {
    *length += (size_t)snprintf(field + *length, FIELD_SIZE - *length, "%s\"%s\";%c=%" PRId64,
                                *length > 0 ? ", " : "", name, parameter, integer(number));
}

void rate_limit_reply(struct reply *reply, const struct rate_limit_state *state) {
    char policy[FIELD_SIZE];
    char left[FIELD_SIZE];
    size_t policy_length = 0;
    size_t left_length = 0;
    if (state->items > 0) {
        put(policy, &policy_length, "items", 'q', state->items);
        put(left, &left_length, "items", 'r', state->items_left);
    }
    if (state->work > 0) {
        put(policy, &policy_length, "work", 'q', state->work);
        put(left, &left_length, "work", 'r', state->work_left);
    }
    if (state->rate > 0 && state->burst > 0) {
        put(policy, &policy_length, "rate", 'q', state->burst);
        snprintf(policy + policy_length, FIELD_SIZE - policy_length, ";w=%" PRId64,
                 integer(window(state)));
        put(left, &left_length, "rate", 'r', state->rate_left);
        snprintf(left + left_length, FIELD_SIZE - left_length, ";t=%" PRId64,
                 integer(state->seconds));
    }
    if (policy_length == 0)
        return;
    reply_header(reply, "RateLimit-Policy", policy);
    reply_header(reply, "RateLimit", left);
}
