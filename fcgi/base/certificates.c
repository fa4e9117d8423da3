#include "certificates.h"

#include "certificate.h"
#include "clock.h"

enum { KEPT_MS = 60000 };

static const char *const names[CERTIFICATES] = {"ca", "client", "listener"};
static const char *const settings[CERTIFICATES] = {"TLS_CA", "TLS_CERT", "TLS_LISTENER_CERT"};

static const char *path_of(const struct conf *conf, int file) {
    const char *const paths[CERTIFICATES] = {conf->tls_ca, conf->tls_cert, conf->tls_listener_cert};
    return paths[file];
}

const struct certificate_seen *certificates_look(const struct conf *conf) {
    static struct certificate_seen seen[CERTIFICATES];
    static int64_t read_ms = -KEPT_MS; /* steady time */
    char why[500];
    if (clock_steady_ms() - read_ms < KEPT_MS)
        return seen;
    for (int i = 0; i < CERTIFICATES; i++) {
        const char *path = path_of(conf, i);
        seen[i] = (struct certificate_seen){
            .name = names[i], .setting = settings[i], .set = path[0] != '\0'};
        seen[i].known =
            seen[i].set && certificate_expiry(path, &seen[i].expires_ms, why, sizeof why);
    }
    read_ms = clock_steady_ms();
    return seen;
}

void certificates_warn(const struct conf *conf) {
    for (int i = 0; i < CERTIFICATES; i++)
        certificate_warn(settings[i], path_of(conf, i));
}
