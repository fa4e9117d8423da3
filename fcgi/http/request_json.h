#ifndef HASHMILL_REQUEST_JSON_H
#define HASHMILL_REQUEST_JSON_H

#include "server.h"

/*
 * The JSON bodies of the calls on the worker listener: common to workers and other nodes. A body is
 * read into server->text and parsed into server->json.
 */

/* Reads and parses call->request's body, and checks that it has this protocol. False with the
 * problem in server->reply. */
bool request_json_read(struct call *call, int protocol);

/* The root's member of that name, or -1. */
int request_json_member(const struct call *call, const char *name);

/* Refuses a field of the body or, unless index is negative, of the element at index; `rule` says
 * what the field must be. Returns false, for the check's own return. */
bool request_json_refuse(struct call *call, int index, const char *field, const char *rule);

#endif
