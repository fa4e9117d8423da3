/* The gauges of GET /metrics. */

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/certificates.h"
#include "metrics/exposition.h"
#include "parts.h"
#include "stats/fleet.h"
#include "stats/peers.h"

enum { PATH_SIZE = SETTING_TEXT_SIZE + 16 };

/* --- The node --- */

static void put_build(struct buffer *text, const struct scrape_view *view, const char *name) {
    char node[24];
    snprintf(node, sizeof node, "%lld", (long long)view->conf->node);
    exposition_put(text, name, LABELS({"version", HASHMILL_VERSION}, {"node", node}), 1);
}

static void put_up(struct buffer *text, const struct scrape_view *view, const char *name) {
    exposition_put(text, name, NULL, view->has_tally);
}

static void put_start(struct buffer *text, const struct scrape_view *view, const char *name) {
    (void)view;
    exposition_put_seconds(text, name, NULL, metrics_start_ms(), 1000);
}

/* --- Of the tally: the writer says it --- */

static void put_items(struct buffer *text, const struct scrape_view *view, const char *name) {
    for (int state = 0; state < ITEM_STATES && view->has_tally; state++)
        exposition_put(text, name, LABELS({"state", item_state_name((enum item_state)state)}),
                       view->tally.items[state]);
}

static void put_remaining(struct buffer *text, const struct scrape_view *view, const char *name) {
    if (view->has_tally)
        exposition_put(text, name, NULL, view->tally.remaining);
}

static void put_oldest(struct buffer *text, const struct scrape_view *view, const char *name) {
    if (view->has_tally)
        exposition_put_seconds(text, name, NULL, view->tally.oldest_wait_ms, 1000);
}

static void put_workers(struct buffer *text, const struct scrape_view *view, const char *name) {
    if (view->has_tally)
        exposition_put(text, name, NULL, view->tally.workers);
}

static void put_parked(struct buffer *text, const struct scrape_view *view, const char *name) {
    if (view->has_tally)
        exposition_put(text, name, NULL, view->tally.parked);
}

static void put_paused(struct buffer *text, const struct scrape_view *view, const char *name) {
    for (int part = 0; part < QUEUE_PARTS && view->has_tally; part++)
        exposition_put(text, name, LABELS({"part", queue_part_names[part]}),
                       view->tally.paused >> part & 1);
}

static void put_backup(struct buffer *text, const struct scrape_view *view, const char *name) {
    if (view->has_tally && view->tally.backed_up_wall_ms > 0)
        exposition_put_seconds(text, name, NULL, view->tally.backed_up_wall_ms, 1000);
}

/* --- The fleet --- */

static void put_machines(struct buffer *text, const struct scrape_view *view, const char *name) {
    for (int state = 0; state < STATS_MACHINE_STATES && view->has_fleet; state++) {
        int64_t count = 0;
        for (int i = 0; i < view->fleet.machine_count; i++) {
            const struct queue_machine *machine = &view->fleet.machines[i];
            count += stats_shows_machine(view->conf, machine) &&
                     stats_machine_state(machine) == stats_machine_states[state];
        }
        exposition_put(text, name, LABELS({"state", stats_machine_states[state]}), count);
    }
}

static void put_quarantined(struct buffer *text, const struct scrape_view *view, const char *name) {
    if (view->has_fleet)
        exposition_put(text, name, NULL, view->fleet.quarantined);
}

/* --- The peer --- */

static void put_loans(struct buffer *text, const struct scrape_view *view, const char *name) {
    if (!view->has_peers)
        return;
    exposition_put(text, name, LABELS({"side", "taken"}), stats_loans(&view->peers, LOAN_TAKEN));
    exposition_put(text, name, LABELS({"side", "given"}), stats_loans(&view->peers, LOAN_GIVEN));
}

/* Appends a sample of the peer. */
static void put_of_peer(struct buffer *text, const struct scrape_view *view, const char *name,
                        int64_t value) {
    char peer[16];
    snprintf(peer, sizeof peer, "%d", view->conf->peer.node);
    exposition_put(text, name, LABELS({"peer", peer}), value);
}

static void put_peer_up(struct buffer *text, const struct scrape_view *view, const char *name) {
    if (view->conf->has_peer && view->has_tally)
        put_of_peer(text, view, name, !view->tally.copying.away);
}

static bool has_replica(const struct scrape_view *view) {
    return view->conf->has_peer && view->conf->copying != COPY_NONE;
}

static void put_behind(struct buffer *text, const struct scrape_view *view, const char *name) {
    if (has_replica(view) && view->has_tally && view->tally.copying.known)
        put_of_peer(text, view, name, view->tally.copying.batches);
}

static void put_incomplete(struct buffer *text, const struct scrape_view *view, const char *name) {
    if (has_replica(view) && view->has_peers)
        put_of_peer(text, view, name, view->peers.incomplete_wall_ms > 0);
}

/* --- Files --- */

/* Appends the size of a file beside the database; nothing if it is not there. */
static void put_size(struct buffer *text, const struct scrape_view *view, const char *name,
                     const char *end) {
    char path[PATH_SIZE];
    struct stat info;
    snprintf(path, sizeof path, "%s%s", view->conf->database, end);
    if (stat(path, &info) == 0)
        exposition_put(text, name, NULL, info.st_size);
}

static void put_wal(struct buffer *text, const struct scrape_view *view, const char *name) {
    put_size(text, view, name, "-wal");
}

static void put_database(struct buffer *text, const struct scrape_view *view, const char *name) {
    put_size(text, view, name, "");
}

static void put_disk(struct buffer *text, const struct scrape_view *view, const char *name) {
    struct statvfs info;
    if (statvfs(view->conf->database, &info) == 0)
        exposition_put(text, name, NULL, (int64_t)(info.f_bavail * info.f_frsize));
}

static void put_certificates(struct buffer *text, const struct scrape_view *view,
                             const char *name) {
    const struct certificate_seen *seen = certificates_look(view->conf);
    for (int i = 0; i < CERTIFICATES; i++) {
        if (seen[i].set && seen[i].known)
            exposition_put(text, name, LABELS({"file", seen[i].name}), seen[i].expires_ms / 1000);
    }
}

/* --- Clients, with METRICS_CLIENTS --- */

static void put_client_items(struct buffer *text, const struct scrape_view *view,
                             const char *name) {
    const struct queue_clients *clients = &view->clients;
    for (int i = 0; view->has_clients && i < clients->count; i++) {
        for (int state = 0; state < ITEM_STATES; state++)
            exposition_put(text, name,
                           LABELS({"client", clients->list[i].name},
                                  {"state", item_state_name((enum item_state)state)}),
                           clients->list[i].items[state]);
    }
}

static void put_client_remaining(struct buffer *text, const struct scrape_view *view,
                                 const char *name) {
    const struct queue_clients *clients = &view->clients;
    for (int i = 0; view->has_clients && i < clients->count; i++)
        exposition_put(text, name, LABELS({"client", clients->list[i].name}),
                       clients->list[i].remaining);
}

static const struct {
    const char *name;
    const char *help;
    void (*put)(struct buffer *text, const struct scrape_view *view, const char *name);
} gauges[] = {
    {"hashmill_build_info", "The version that serves, and its NODE; always 1.", put_build},
    {"hashmill_start_time_seconds", "When the server was started or reloaded; counters begin then.",
     put_start},
    {"hashmill_up", "Whether the writer answers; what only it knows is left out when it does not.",
     put_up},
    {"hashmill_items", "Items of this node, by state.", put_items},
    {"hashmill_iterations_remaining", "Iterations still to compute, of all items.", put_remaining},
    {"hashmill_oldest_wait_seconds", "How long the item that waits longest has waited.",
     put_oldest},
    {"hashmill_workers", "Workers that have called within the last minute.", put_workers},
    {"hashmill_parked_calls", "Leases, looks and pulls that wait.", put_parked},
    {"hashmill_paused", "Whether an operator has paused this part.", put_paused},
    {"hashmill_machines", "Machines that this node has launched, by state.", put_machines},
    {"hashmill_loans", "Machines run at the other node's cost (taken), or at this node's (given).",
     put_loans},
    {"hashmill_wal_bytes", "Size of the database's write-ahead log.", put_wal},
    {"hashmill_database_bytes", "Size of the database's file.", put_database},
    {"hashmill_disk_free_bytes", "Room left for the server on the database's disk.", put_disk},
    {"hashmill_peer_up", "Whether the other node has answered within 3 seconds.", put_peer_up},
    {"hashmill_replica_behind_batches", "Batches that the replica at the other node lacks.",
     put_behind},
    {"hashmill_replica_incomplete",
     "Whether the replica at the other node lacks something that clients were told.",
     put_incomplete},
    {"hashmill_certificate_expiry_timestamp_seconds", "When a certificate expires.",
     put_certificates},
    {"hashmill_last_backup_timestamp_seconds", "When the last backup was made.", put_backup},
    {"hashmill_quarantined_identities", "Identities in quarantine.", put_quarantined},
    {"hashmill_client_items", "Items of a client, by state.", put_client_items},
    {"hashmill_client_iterations_remaining", "Iterations of a client still to compute.",
     put_client_remaining},
};

void scrape_put_gauges(struct buffer *text, const struct scrape_view *view) {
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++) {
        size_t before = text->length;
        exposition_begin(text, gauges[i].name, "gauge", gauges[i].help);
        size_t begun = text->length;
        gauges[i].put(text, view, gauges[i].name);
        if (text->length == begun)
            text->length = before;
    }
}
