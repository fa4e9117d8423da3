#ifndef HASHMILL_INIT_H
#define HASHMILL_INIT_H

#include <stdbool.h>

#include "base/conf.h"

struct init_options {
    bool from_peer; /* fetch the queue from the peer's replica */
    bool new;       /* make an empty database if there is none, whatever the peer has */
    bool alone;     /* serve the present database, whatever the peer has */
};

/* hashmill-fcgi --init: makes sure that DATABASE may be served; run it before each start of the
 * server. Makes the database when there is none, fetches it from the peer's replica when that is
 * newer, and waits for the peer when only the peer can tell. Returns the exit code: 0, it may be
 * served; EXIT_CONFIG, a person must decide, and the log says between what; EXIT_TEMPORARY,
 * interrupted, run it again; EXIT_UNSAFE. A kill at any moment does no harm. */
int init_run(const struct conf *conf, const struct init_options *options);

#endif
