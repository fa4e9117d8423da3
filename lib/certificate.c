#include "certificate.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "clock.h"
#include "log.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

/* Opens a file; NULL with the reason. */
static FILE *open_file(const char *path, char *why, size_t why_size) {
    FILE *in = fopen(path, "re");
    if (!in)
        snprintf(why, why_size, "cannot read %.300s: %s", path, strerror(errno));
    return in;
}

/* When a certificate expires, in wall time; false when its field is no time. */
static bool read_expiry(const X509 *certificate, int64_t *expires_ms) {
    struct tm parts;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1)
        return false;
    *expires_ms = (int64_t)timegm(&parts) * 1000;
    return true;
}

/* The earliest expiry of all certificates in an open file. False when there is no certificate, or a
 * broken one. */
static bool read_all(FILE *in, int64_t *expires_ms) {
    X509 *certificate;
    int64_t one_ms;
    bool good = true;
    *expires_ms = INT64_MAX;
    ERR_clear_error();
    while (good && (certificate = PEM_read_X509(in, NULL, NULL, NULL)) != NULL) {
        good = read_expiry(certificate, &one_ms);
        if (good && one_ms < *expires_ms)
            *expires_ms = one_ms;
        X509_free(certificate);
    }
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    return good && ended && *expires_ms < INT64_MAX;
}

bool certificate_expiry(const char *path, int64_t *expires_ms, char *why, size_t why_size) {
    FILE *in = open_file(path, why, why_size);
    if (!in)
        return false;
    bool good = read_all(in, expires_ms);
    fclose(in);
    if (!good)
        snprintf(why, why_size, "%.300s has no certificate in PEM form, or a broken one", path);
    return good;
}

int64_t certificate_days_left(int64_t expires_ms) {
    int64_t left_ms = expires_ms - clock_wall_ms();
    return left_ms >= 0 ? left_ms / DAY_MS : -1 - (-1 - left_ms) / DAY_MS;
}

/* Keeps OpenSSL from asking for a passphrase on the terminal. */
static int no_passphrase(char *text, int size, int writing, void *context) {
    (void)text;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

/* The first certificate of a file; NULL when there is none. */
static X509 *read_certificate(const char *path) {
    FILE *in = fopen(path, "re");
    X509 *certificate = in ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
    if (in)
        fclose(in);
    return certificate;
}

/* The key in a file; NULL with the reason. */
static EVP_PKEY *read_key(const char *path, char *why, size_t why_size) {
    FILE *in = open_file(path, why, why_size);
    EVP_PKEY *key = in ? PEM_read_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;
    if (in && !key)
        snprintf(why, why_size,
                 "%.300s has no private key in PEM form, or one that needs a passphrase", path);
    if (in)
        fclose(in);
    return key;
}

/* Whether the key file has the key of the first certificate in the certificate file. */
static bool check_key(const struct http_tls *tls, char *why, size_t why_size) {
    char reason[500];
    EVP_PKEY *key = read_key(tls->key, reason, sizeof reason);
    X509 *certificate = key ? read_certificate(tls->cert) : NULL;
    bool good = certificate && X509_check_private_key(certificate, key) == 1;
    if (key && !good)
        snprintf(reason, sizeof reason,
                 "%.200s is not the key of the certificate in TLS_CERT, %.200s", tls->key,
                 tls->cert);
    if (!good)
        snprintf(why, why_size, "TLS_KEY: %s", reason);
    EVP_PKEY_free(key);
    X509_free(certificate);
    ERR_clear_error();
    return good;
}

/* Whether a setting names a file with certificates, or no file. */
static bool check_file(const char *setting, const char *path, char *why, size_t why_size) {
    int64_t expires_ms;
    char reason[500];
    if (path[0] == '\0' || certificate_expiry(path, &expires_ms, reason, sizeof reason))
        return true;
    snprintf(why, why_size, "%s: %s", setting, reason);
    return false;
}

bool certificate_check(const struct http_tls *tls, bool https, char *why, size_t why_size) {
    if (https && tls->ca[0] == '\0') {
        snprintf(why, why_size,
                 "an https URL needs TLS_CA, the file of the certificate authority that signed the "
                 "certificate there; for one that this system trusts: "
                 "TLS_CA=/etc/ssl/certs/ca-certificates.crt");
        return false;
    }
    if ((tls->cert[0] == '\0') != (tls->key[0] == '\0')) {
        snprintf(why, why_size, "TLS_CERT and TLS_KEY go together: set both or neither");
        return false;
    }
    return check_file("TLS_CA", tls->ca, why, why_size) &&
           check_file("TLS_CERT", tls->cert, why, why_size) &&
           (tls->cert[0] == '\0' || check_key(tls, why, why_size));
}

bool certificate_guards(const char *setting, const char *url, const char *plain_tokens, char *why,
                        size_t why_size) {
    bool anywhere = strcasecmp(plain_tokens, "yes") == 0;
    if (!anywhere && strcasecmp(plain_tokens, "no") != 0) {
        snprintf(why, why_size, "PLAIN_TOKENS must be yes or no");
        return false;
    }
    if (anywhere || url[0] == '\0' || http_is_secure_url(url) || http_is_local_url(url))
        return true;
    snprintf(why, why_size,
             "%s: the token would go to %.300s for everybody on the way to read: use https, see "
             "docs/tls.md, or in a network where nobody else is PLAIN_TOKENS=yes",
             setting, url);
    return false;
}

void certificate_warn(const char *setting, const char *path) {
    int64_t expires_ms;
    char why[500];
    char when[CLOCK_TEXT_SIZE];
    if (path[0] == '\0')
        return;
    if (!certificate_expiry(path, &expires_ms, why, sizeof why)) {
        log_warn("%s: %s", setting, why);
        return;
    }
    int64_t days = certificate_days_left(expires_ms);
    clock_format(when, expires_ms);
    if (days < 0)
        log_warn("%s: the certificate in %s expired at %s; make a new one", setting, path, when);
    else if (days < CERTIFICATE_WARN_DAYS)
        log_warn("%s: the certificate in %s expires in %lld days, at %s; make a new one", setting,
                 path, (long long)days, when);
}
