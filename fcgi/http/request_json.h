#ifndef HASHMILL_REQUEST_JSON_H
#define HASHMILL_REQUEST_JSON_H

#include "server.h"

/*
 * The JSON bodies of the calls on the worker listener: what those of workers and those of other
 * nodes have in common. A body is read into server->text and parsed into server->json.
 */

/* Reads call->request's body, parses it and checks that it is of this protocol. False with the
 * problem in server->reply. */
bool request_json_read(struct call *call, int protocol);

/* The root's member of that name, or -1. */
int request_json_member(const struct call *call, const char *name);

/* Refuses one field of the body, or of the element at index if that is not negative; rule says what
 * it must be. False, so that a check can return it. */
bool request_json_refuse(struct call *call, int index, const char *field, const char *rule);

#endif
