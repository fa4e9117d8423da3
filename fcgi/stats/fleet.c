#include "fleet.h"

#include "base/machine_token.h"
#include "queue/fields.h"
#include "scaler/fleet.h"

enum { SHOWN_MS = 60 * 60 * 1000 }; /* workers that have called in the last hour are shown */

enum queue_result stats_read_fleet(struct queue *queue, const struct conf *conf,
                                   const struct queue_tally *tally, struct queue_fleet *fleet) {
    struct queue_fleet_since since = {.shown_ms = tally->clock_ms - SHOWN_MS,
                                      .silent_ms = tally->clock_ms - fleet_silent_ms(conf)};
    return queue_fleet(queue, &since, fleet);
}

static void put_text(struct buffer *body, const char *name, const char *text) {
    json_name(body, name);
    json_put_string(body, text);
}

static void put_seconds(struct buffer *body, const char *name, int64_t ms) {
    json_name(body, name);
    json_put_number(body, (double)ms / 1000);
}

enum { RUNNING = MACHINE_GONE + 1 };

const char *const stats_machine_states[STATS_MACHINE_STATES] = {[MACHINE_LAUNCHING] = "launching",
                                                                [MACHINE_LAUNCHED] = "booting",
                                                                [MACHINE_LEAVING] = "leaving",
                                                                [MACHINE_GONE] = "stray",
                                                                [RUNNING] = "running"};

/* A launched one boots until its worker has called. */
const char *stats_machine_state(const struct queue_machine *machine) {
    bool runs = machine->state <= MACHINE_LAUNCHED && machine->heard_ms >= 0;
    return stats_machine_states[runs ? RUNNING : machine->state];
}

bool stats_shows_machine(const struct conf *conf, const struct queue_machine *machine) {
    return machine->state != MACHINE_GONE || machine_is_own(conf, machine->name);
}

static void put_machines(struct buffer *body, const struct conf *conf,
                         const struct queue_fleet *fleet) {
    json_name(body, "machines");
    json_open(body, '[');
    for (int i = 0; i < fleet->machine_count; i++) {
        const struct queue_machine *machine = &fleet->machines[i];
        if (!stats_shows_machine(conf, machine))
            continue;
        json_open(body, '{');
        put_text(body, "name", machine->name);
        put_text(body, "id", machine->id);
        put_text(body, "state", stats_machine_state(machine));
        fields_put_time(body, "launched_at", machine->launched_wall_ms);
        fields_put_integer(body, "rate", machine->rate);
        fields_put_integer(body, "items", machine->items);
        json_close(body, '}');
    }
    json_close(body, ']');
}

static void put_workers(struct buffer *body, const struct queue_fleet *fleet) {
    json_name(body, "workers");
    json_open(body, '[');
    for (int i = 0; i < fleet->worker_count; i++) {
        const struct queue_seen *seen = &fleet->workers[i];
        json_open(body, '{');
        put_text(body, "name", seen->worker.name);
        put_text(body, "identity", seen->worker.identity);
        put_text(body, "machine", seen->worker.machine);
        put_text(body, "address", seen->worker.address);
        fields_put_integer(body, "cores", seen->worker.cores);
        put_text(body, "kernel", seen->worker.kernel);
        fields_put_integer(body, "rate", seen->worker.rate);
        fields_put_integer(body, "items", seen->items);
        fields_put_time(body, "first_seen_at", seen->first_wall_ms);
        fields_put_time(body, "last_seen_at", seen->last_wall_ms);
        json_name(body, "retired");
        json_put_boolean(body, seen->retired != 0);
        json_close(body, '}');
    }
    json_close(body, ']');
}

static void put_decisions(struct buffer *body, const struct queue_fleet *fleet) {
    json_name(body, "decisions");
    json_open(body, '[');
    for (int i = 0; i < fleet->decision_count; i++) {
        json_open(body, '{');
        fields_put_time(body, "at", fleet->decisions[i].wall_ms);
        put_text(body, "why", fleet->decisions[i].why);
        json_close(body, '}');
    }
    json_close(body, ']');
}

static void put_quarantine(struct buffer *body, const struct queue_fleet *fleet) {
    json_name(body, "quarantine");
    json_open(body, '[');
    for (int i = 0; i < fleet->quarantine_count; i++) {
        json_open(body, '{');
        put_text(body, "identity", fleet->quarantine[i].identity);
        fields_put_time(body, "since", fleet->quarantine[i].wall_ms);
        put_text(body, "why", fleet->quarantine[i].why);
        json_close(body, '}');
    }
    json_close(body, ']');
}

void stats_put_fleet(struct buffer *body, const struct conf *conf,
                     const struct queue_fleet *fleet) {
    json_name(body, "fleet");
    json_open(body, '{');
    json_name(body, "scaling");
    json_put_boolean(body, conf->provider[0] != '\0');
    fields_put_integer(body, "workers_min", conf->workers_min);
    fields_put_integer(body, "workers_max", conf->workers_max);
    put_seconds(body, "boot_seconds",
                fleet->boot_ms >= 0 ? fleet->boot_ms : conf->boot_seconds * 1000);
    put_machines(body, conf, fleet);
    put_workers(body, fleet);
    put_quarantine(body, fleet);
    put_decisions(body, fleet);
    json_close(body, '}');
}
