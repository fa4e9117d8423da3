#ifndef HASHMILL_CERTIFICATES_H
#define HASHMILL_CERTIFICATES_H

/* The certificates that the settings name, and when they expire. */

#include "buffer.h"
#include "conf.h"

/* Appends the member "certificates" of GET /stats, if any is set: for each its name ("ca", "client"
 * or "listener"), and when it expires or why that is not known. The files are read once a minute at
 * most. */
void certificates_put(struct buffer *body, const struct conf *conf);

/* Logs a warning for each that has expired, will soon, or cannot be read. */
void certificates_warn(const struct conf *conf);

#endif
