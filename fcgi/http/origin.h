#ifndef HASHMILL_ORIGIN_H
#define HASHMILL_ORIGIN_H

#include <stdbool.h>

#include "server.h"

/*
 * What a browser may do on the listeners for clients and for metrics. A page of another site can
 * have the browser of somebody who reaches this server call it: the browser says so in
 * Sec-Fetch-Site and Origin. Or its name is made to lead here (DNS rebinding), so that it is no
 * other site any more: then Host has that name. Programs that are no browser send neither
 * Sec-Fetch-Site nor Origin.
 */

/* Whether the call is no other site's. False when server->reply is filled with a 403: cross-site,
 * or foreign-host, which is asked where no key is needed. Without KEYS it also warns the operator,
 * by refusals_note_open, of calls that came over a network. */
bool origin_is_own(struct call *call);

#endif
