#ifndef HASHMILL_IDEMPOTENCY_H
#define HASHMILL_IDEMPOTENCY_H

#include "server.h"

/* Reads the Idempotency-Key header field of a call into key, "" without one. False, with the reply
 * filled, when it is not 1 to QUEUE_KEY_SIZE - 1 visible ASCII characters, or comes twice. Quotes
 * around it, as in the IETF's draft, are part of the key. */
bool idempotency_key(struct call *call, char key[QUEUE_KEY_SIZE]);

/* Whether a call that takes no Idempotency-Key has none. False with the reply, which ends in what
 * to do. */
bool idempotency_none(struct call *call, const char *instead);

#endif
