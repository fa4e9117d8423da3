#include "certificates.h"

#include "certificate.h"
#include "clock.h"
#include "fields.h"

enum { FILES = 3, KEPT_MS = 60000 };

/* A certificate file, and what was read in it last. */
struct seen {
    bool known;
    int64_t expires_ms; /* wall time; of a known one */
};

static const char *const names[FILES] = {"ca", "client", "listener"};
static const char *const settings[FILES] = {"TLS_CA", "TLS_CERT", "TLS_LISTENER_CERT"};

static const char *path_of(const struct conf *conf, int file) {
    const char *const paths[FILES] = {conf->tls_ca, conf->tls_cert, conf->tls_listener_cert};
    return paths[file];
}

/* The path is nobody's business who may see this. */
static void put_one(struct buffer *body, int file, const struct seen *seen) {
    char error[100];
    json_open(body, '{');
    json_name(body, "name");
    json_put_string(body, names[file]);
    if (seen->known) {
        fields_put_time(body, "expires_at", seen->expires_ms);
        fields_put_integer(body, "days_left", certificate_days_left(seen->expires_ms));
    } else {
        snprintf(error, sizeof error, "%s cannot be read or is broken; hashmill-fcgi -t says more",
                 settings[file]);
        json_name(body, "error");
        json_put_string(body, error);
    }
    json_close(body, '}');
}

void certificates_put(struct buffer *body, const struct conf *conf) {
    static struct seen seen[FILES];
    static int64_t read_ms = -KEPT_MS; /* steady time */
    char why[500];
    int set = 0;
    bool again = clock_steady_ms() - read_ms >= KEPT_MS;
    for (int i = 0; i < FILES; i++) {
        const char *path = path_of(conf, i);
        if (path[0] == '\0')
            continue;
        if (again)
            seen[i].known = certificate_expiry(path, &seen[i].expires_ms, why, sizeof why);
        if (set++ == 0) {
            json_name(body, "certificates");
            json_open(body, '[');
        }
        put_one(body, i, &seen[i]);
    }
    if (set > 0)
        json_close(body, ']');
    if (again)
        read_ms = clock_steady_ms();
}

void certificates_warn(const struct conf *conf) {
    for (int i = 0; i < FILES; i++)
        certificate_warn(settings[i], path_of(conf, i));
}
