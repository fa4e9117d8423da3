#ifndef HASHMILL_IDEMPOTENCY_H
#define HASHMILL_IDEMPOTENCY_H

#include "server.h"

/* Reads the Idempotency-Key header field of a call into key: "" when there is none. False, with the
 * reply filled, when it is not 1 to QUEUE_KEY_SIZE - 1 visible ASCII characters, or is there twice.
 * Quotes around it, which the IETF's draft knows, are taken as a part of it. */
bool idempotency_key(struct call *call, char key[QUEUE_KEY_SIZE]);

#endif
