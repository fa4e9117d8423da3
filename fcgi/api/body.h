#ifndef HASHMILL_BODY_H
#define HASHMILL_BODY_H

#include "http/server.h"

/* Reads the body of a client's call, of 1 to max_bytes bytes, to its end, and compares it with
 * Content-Digest and Repr-Digest if they are there. The body is appended to `text`, unless that is
 * NULL; digest gets its SHA-512. False, with the reply in place, for a field that cannot be read
 * and a body that is empty, too large, broken or not the one that was announced. */
bool body_read(struct call *call, size_t max_bytes, struct buffer *text,
               uint8_t digest[DIGEST_SIZE]);

/* For who receives and hashes bodies itself: whether the body is the one of which the request's
 * fields announce a digest, if they do. False with the reply in place, also when they cannot be
 * read. */
bool body_fits(struct call *call, const void *bytes, size_t length,
               const uint8_t digest[DIGEST_SIZE]);

/* The replies to an empty body, and to one that could not be hashed. */
void body_refuse_empty(struct call *call, size_t max_bytes);
void body_refuse_failed_hash(struct call *call);

#endif
