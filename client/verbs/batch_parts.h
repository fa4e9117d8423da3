#ifndef HASHMILL_CLIENT_BATCH_PARTS_H
#define HASHMILL_CLIENT_BATCH_PARTS_H

#include "json.h"
#include "verbs/batch.h"

/* How the parts of a batch are settled; for the files batch*.c. */

/* Tells the command that a part is placed or has failed, and forgets it. */
void batch_settle(struct sending *sending, struct batch *batch, struct part *part, bool failed);

/* Settles a part with the member "id" of an object. False when there is none. */
bool batch_take_id(struct sending *sending, struct batch *batch, struct part *part,
                   const struct json *json, int object);

/* Settles a part that is refused for good with a status of HTTP, and says why. */
void batch_refuse(struct sending *sending, struct batch *batch, struct part *part, int status,
                  const char *why);

/* Sends each part with its body, all at the same time. As batch_send. */
int batch_send_bodies(struct sending *sending, struct batch *batch, int node);

#endif
