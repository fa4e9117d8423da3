#ifndef HASHMILL_DEMANDS_H
#define HASHMILL_DEMANDS_H

#include "server.h"

/*
 * Header fields that change the meaning of the body, or set conditions for the call (RFC 9110). To
 * ignore them would store something that the client did not mean, so such calls are refused;
 * docs/api.md has the table.
 *
 * False, with the problem in server->reply, for Expect with anything but 100-continue (417); on a
 * call that reads its body for Content-Range (400) and Content-Encoding other than identity (415);
 * and on a call that changes something for a precondition that does not hold (412). call->route
 * must be set.
 */
bool demands_met(struct call *call);

/* Replaces a 200 to a GET or HEAD whose precondition does not hold (412, 304); other statuses stay.
 * Call it when server->reply is filled; call->route may be NULL. */
void demands_of_reply(struct call *call);

#endif
