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
 * TEXT(key, field, unit, preset, help). The program's struct has tls_ca, tls_cert, tls_key and
 * plain_tokens. */
#define CERTIFICATE_SETTINGS(TEXT)                                                                 \
    TEXT("TLS_CA", tls_ca, "path", "",                                                             \
         "Certificate authorities (PEM); one of them must have signed the certificate of a node "  \
         "that is called by https; no other is trusted."),                                         \
        TEXT("TLS_CERT", tls_cert, "path", "",                                                     \
             "Certificate (PEM) that this program shows to the nodes that it calls by https."),    \
        TEXT("TLS_KEY", tls_key, "path", "", "The key of TLS_CERT (PEM, without a passphrase)."),  \
        TEXT("PLAIN_TOKENS", plain_tokens, "yes or no", "no",                                      \
             "yes: tokens may go to other machines over plain http, where all on the way can "     \
             "read them; no: to this machine only.")

/* Reads the earliest expiry, in wall time, of a file's certificates. False with the reason in
 * `why`: the file cannot be read, holds no certificate, or a broken one. */
bool certificate_expiry(const char *path, int64_t *expires_ms, char *why, size_t why_size);

/* The whole days from now to a moment in wall time, rounded down; negative when it has passed. */
int64_t certificate_days_left(int64_t expires_ms);

/* Checks the files of TLS_CA, TLS_CERT and TLS_KEY: readable, with certificates, and the key of the
 * certificate. With `https`, a URL is https, which needs TLS_CA. False with a sentence in `why`
 * that says what to do. An expired certificate passes: see certificate_warn. */
bool certificate_check(const struct http_tls *tls, bool https, char *why, size_t why_size);

/* Checks that a token may be sent to the URL that a setting names ("" for none): by https, to this
 * machine, or anywhere when plain_tokens, which is what PLAIN_TOKENS says, is yes. False with a
 * sentence that says what to do in why. */
bool certificate_guards(const char *setting, const char *url, const char *plain_tokens, char *why,
                        size_t why_size);

/* Logs a warning when a certificate of the file that a setting names has expired, will within
 * CERTIFICATE_WARN_DAYS, or cannot be read. An empty path is no file. */
void certificate_warn(const char *setting, const char *path);

#endif
