#ifndef HASHMILL_CLIENT_COMMAND_H
#define HASHMILL_CLIENT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/client_conf.h"

#define COMMAND_ITERATIONS_MAX 9007199254740991 /* 2^53 - 1, as in a node */

/* What the command line asks for. Texts are those of argv; NULL: not given. */
struct command {
    char **arguments; /* what is no option */
    int count;
    int64_t iterations;   /* 0: not given */
    int64_t top, timeout; /* 0: not given */
    bool json, quiet, help;
    bool recursive, null_ends, send_body, follow;
    const char *job, *from_file, *out, *state, *client, *url, *key_file, *progress;
    int argc; /* the whole line, to be shown again */
    char **argv;
};

struct net;

/* What the function of a verb works with. */
struct session {
    struct command command;
    struct client_conf conf;
    struct net *net;
    int64_t deadline_ms; /* steady time: --timeout has passed; INT64_MAX: there is none */
};

#endif
