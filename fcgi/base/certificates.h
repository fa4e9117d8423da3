#ifndef HASHMILL_CERTIFICATES_H
#define HASHMILL_CERTIFICATES_H

/* The certificates that the settings name, and their expiry. */

#include "conf.h"

enum { CERTIFICATES = 3 };

struct certificate_seen {
    const char *name;    /* "ca", "client" or "listener" */
    const char *setting; /* "TLS_CA", "TLS_CERT" or "TLS_LISTENER_CERT" */
    bool set;            /* the setting names a file */
    bool known;          /* the file could be read */
    int64_t expires_ms;  /* wall time, if known */
};

/* Returns all CERTIFICATES of them; reads the files at most once a minute. */
const struct certificate_seen *certificates_look(const struct conf *conf);

/* Logs a warning for each that has expired, will expire soon, or cannot be read. */
void certificates_warn(const struct conf *conf);

#endif
