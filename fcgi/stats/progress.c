#include "progress.h"

#include <math.h>

#include "clock.h"
#include "eta.h"
#include "queue/fields.h"

static struct eta_rules rules_of(const struct conf *conf) {
    return (struct eta_rules){.launches = conf->provider[0] != '\0',
                              .workers_max = conf->workers_max,
                              .wait_launch_ms = conf->wait_launch_seconds * 1000,
                              .boot_ms = conf->boot_seconds * 1000,
                              .lease_ms = conf->lease_seconds * 1000};
}

static void put_seconds(struct buffer *body, const char *name, double seconds) {
    json_name(body, name);
    json_put_number(body, round(seconds * 1000) / 1000);
}

static void put_moment(struct buffer *body, const char *name, int64_t now_ms, double seconds) {
    fields_put_time(body, name, now_ms + (int64_t)(seconds * 1000));
}

static void put_forecast(struct buffer *body, const struct eta *eta, int64_t now_ms) {
    if (!eta->known)
        return;
    put_seconds(body, "eta_seconds", eta->likely);
    put_seconds(body, "eta_seconds_low", eta->low);
    put_seconds(body, "eta_seconds_high", eta->high);
    put_moment(body, "expected_at", now_ms, eta->likely);
    put_moment(body, "expected_at_low", now_ms, eta->low);
    put_moment(body, "expected_at_high", now_ms, eta->high);
}

void stats_put_progress(struct buffer *body, const struct conf *conf, const struct queue_load *load,
                        const struct queue_progress *progress, bool names) {
    struct eta_rules rules = rules_of(conf);
    int64_t now_ms = clock_wall_ms();
    struct eta eta;
    eta_of_item(&rules, load, progress, &eta);
    if (eta.rate > 0) {
        json_name(body, "rate");
        json_put_number(body, round(eta.rate));
    }
    put_forecast(body, &eta, now_ms);
    if (progress->state == ITEM_WAITING) {
        fields_put_integer(body, "ahead", progress->ahead);
        json_name(body, "ahead_more");
        json_put_boolean(body, progress->more != 0);
        if (eta.start >= 0)
            put_moment(body, "expected_start_at", now_ms, eta.start);
    }
    if (eta.why[0] != '\0') {
        json_name(body, "why");
        json_put_string(body, eta.why);
    }
    if (names && progress->state == ITEM_LEASED && progress->name[0] != '\0') {
        json_name(body, "worker");
        json_put_string(body, progress->name);
    }
}

void stats_put_eta(struct buffer *body, const struct conf *conf, struct queue *queue) {
    const struct queue_load *load = queue_load(queue);
    struct eta_rules rules = rules_of(conf);
    struct eta eta;
    if (!load)
        return;
    eta_of_all(&rules, load, &eta);
    put_forecast(body, &eta, clock_wall_ms());
}
