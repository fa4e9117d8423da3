#ifndef HASHMILL_STATS_CERTIFICATES_H
#define HASHMILL_STATS_CERTIFICATES_H

#include "base/conf.h"
#include "buffer.h"

/* Appends the member "certificates" of GET /stats, if any is set: for each its name ("ca", "client"
 * or "listener"), and its expiry or why that is not known. */
void stats_put_certificates(struct buffer *body, const struct conf *conf);

#endif
