#include "certificates.h"

#include <stdio.h>

#include "base/certificates.h"
#include "certificate.h"
#include "queue/fields.h"

/* Omits the path: this reply is public. */
static void put_one(struct buffer *body, const struct certificate_seen *seen) {
    char error[100];
    json_open(body, '{');
    json_name(body, "name");
    json_put_string(body, seen->name);
    if (seen->known) {
        fields_put_time(body, "expires_at", seen->expires_ms);
        fields_put_integer(body, "days_left", certificate_days_left(seen->expires_ms));
    } else {
        snprintf(error, sizeof error, "%s cannot be read or is broken; hashmill-fcgi -t says more",
                 seen->setting);
        json_name(body, "error");
        json_put_string(body, error);
    }
    json_close(body, '}');
}

void stats_put_certificates(struct buffer *body, const struct conf *conf) {
    const struct certificate_seen *seen = certificates_look(conf);
    bool any = false;
    for (int i = 0; i < CERTIFICATES; i++) {
        if (!seen[i].set)
            continue;
        if (!any) {
            json_name(body, "certificates");
            json_open(body, '[');
        }
        any = true;
        put_one(body, &seen[i]);
    }
    if (any)
        json_close(body, ']');
}
