#ifndef HASHMILL_LOG_LIMIT_H
#define HASHMILL_LOG_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Keeps what others can cause from filling the log: of each of them at most one line a minute, with
 * the number of those that were left out. All zeros to begin with. It may lie in memory that
 * processes share: then lines of two processes at one moment may both go out.
 */
enum { LOG_LIMIT_PLACES = 256 /* two names in one place count as one */ };

struct log_limit {
    struct log_limit_place {
        _Atomic int64_t until_ms; /* steady time; no line before */
        _Atomic int64_t left_out;
    } places[LOG_LIMIT_PLACES];
};

/* Whether a line about this name may go out now. If so, *left_out gets how many were left out since
 * the last one. */
bool log_limit_passes(struct log_limit *limit, const char *name, int64_t *left_out);

#endif
