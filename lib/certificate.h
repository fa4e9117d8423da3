#ifndef HASHMILL_CERTIFICATE_H
#define HASHMILL_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"

/*
 * The certificate files of a program: PEM, with one certificate or several.
 */

enum { CERTIFICATE_WARN_DAYS = 30 };

/* The rows of a settings table that name these files, made by the table's own macro for texts:
 * TEXT(key, field, unit, preset, help). The program's struct has tls_ca, tls_cert and tls_key. */
#define CERTIFICATE_SETTINGS(TEXT)                                                                 \
    TEXT("TLS_CA", tls_ca, "path", "",                                                             \
         "Certificate authorities (PEM); one of them must have signed the certificate of a node "  \
         "that is called by https; no other is trusted."),                                         \
        TEXT("TLS_CERT", tls_cert, "path", "",                                                     \
             "Certificate (PEM) that this program shows to the nodes that it calls by https."),    \
        TEXT("TLS_KEY", tls_key, "path", "", "The key of TLS_CERT (PEM, without a passphrase).")

/* Reads the earliest expiry, in wall time, of a file's certificates. False with the reason in
 * `why`: the file cannot be read, holds no certificate, or a broken one. */
bool certificate_expiry(const char *path, int64_t *expires_ms, char *why, size_t why_size);

/* The whole days from now to a moment in wall time, rounded down; negative when it has passed. */
int64_t certificate_days_left(int64_t expires_ms);

/* Checks the files of TLS_CA, TLS_CERT and TLS_KEY: readable, with certificates, and the key of the
 * certificate. With `https`, a URL is https, which needs TLS_CA. False with a sentence in `why`
 * that says what to do. An expired certificate passes: see certificate_warn. */
bool certificate_check(const struct http_tls *tls, bool https, char *why, size_t why_size);

/* Logs a warning when a certificate in a setting's file has expired, will expire within
 * CERTIFICATE_WARN_DAYS, or cannot be read. An empty path means no file. */
void certificate_warn(const char *setting, const char *path);

#endif
