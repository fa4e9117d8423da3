#ifndef HASHMILL_INIT_H
#define HASHMILL_INIT_H

#include <stdbool.h>

#include "base/conf.h"

struct init_options {
    bool from_peer; /* the queue is to come from the peer's replica */
    bool new;       /* where no database is, an empty one is to be made, whatever the peer has */
    bool alone;     /* the database that is there is to count, whatever the peer has */
};

/* hashmill-fcgi --init: sees to it that DATABASE may be served, before the server is started. Makes
 * it when there is none, has it fetched from the peer's replica when that is newer, and waits for
 * the peer when only that can tell. The exit code: 0, it may be served; EXIT_CONFIG, a person has
 * to decide, and it was said between what; EXIT_TEMPORARY, it broke off, and is to be run again;
 * EXIT_UNSAFE. A kill at any moment does no harm. */
int init_run(const struct conf *conf, const struct init_options *options);

#endif
