#ifndef HASHMILL_FIELDS_H
#define HASHMILL_FIELDS_H

#include "json.h"
#include "queue.h"

/* Members of the JSON objects that are sent and received. */

void fields_put_integer(struct buffer *body, const char *name, int64_t value);

/* A time as RFC 3339 in UTC. */
void fields_put_time(struct buffer *body, const char *name, int64_t wall_ms);

void fields_put_digest(struct buffer *body, const char *name, const uint8_t digest[DIGEST_SIZE]);

/* An id; name is NULL for an element of an array. */
void fields_put_id(struct buffer *body, const char *name, struct uuid id);

/* Read a token written in this form. False when it is anything else. */
bool fields_read_id(const struct json *json, int token, struct uuid *id);
bool fields_read_digest(const struct json *json, int token, uint8_t digest[DIGEST_SIZE]);

#endif
