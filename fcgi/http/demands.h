#ifndef HASHMILL_DEMANDS_H
#define HASHMILL_DEMANDS_H

#include "server.h"

/*
 * Header fields that say that the body is something else than it looks like, or on what condition
 * the call may be carried out (RFC 9110). A call that would ignore them would store what the client
 * did not mean, so it is refused; docs/api.md has the table.
 *
 * False, with the problem in server->reply, for Expect with anything but 100-continue (417); on a
 * call that reads its body for Content-Range (400) and Content-Encoding other than identity (415);
 * and on a call that changes something for a precondition that does not hold (412). call->route
 * must be set.
 */
bool demands_met(struct call *call);

/* Replaces a 200 to a GET or HEAD whose precondition does not hold (412, 304): what is not there is
 * told as such whatever the condition. Call it when server->reply is filled; call->route may be
 * NULL. */
void demands_of_reply(struct call *call);

#endif
