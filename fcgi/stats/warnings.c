#include "warnings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/certificates.h"
#include "certificate.h"
#include "clock.h"
#include "queue/fields.h"
#include "queue/queue_operators.h"

enum { DETAIL_SIZE = 800, MIB = 1024 * 1024 };

/* Appends one warning. */
__attribute__((format(printf, 3, 4))) static void warn(struct buffer *body, const char *code,
                                                       const char *format, ...) {
    char detail[DETAIL_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    json_open(body, '{');
    json_name(body, "code");
    json_put_string(body, code);
    json_name(body, "detail");
    json_put_string(body, detail);
    json_close(body, '}');
}

static long long seconds(int64_t ms) {
    return ms / 1000;
}

/* Items that nobody takes. While leasing is paused that is wanted. */
static void warn_of_waits(struct buffer *body, const struct conf *conf,
                          const struct queue_tally *tally) {
    bool scales = conf->provider[0] != '\0';
    if (tally->items[ITEM_WAITING] == 0 || tally->paused & PART_LEASING)
        return;
    if (tally->workers == 0 && tally->oldest_wait_ms > WARN_NO_WORKER_MS)
        warn(
            body, "no-worker",
            "Items wait, the first for %lld s, and no worker has called within the last minute. %s",
            seconds(tally->oldest_wait_ms),
            scales ? "The decisions below fleet say what the scaler does about it."
                   : "Start hashmill-worker with this node in its NODES, and a credential of it.");
    else if (tally->oldest_wait_ms > WARN_WAIT_MS)
        warn(body, "waiting-long",
             "An item has waited for %lld s: more comes in than the workers compute. %s",
             seconds(tally->oldest_wait_ms),
             scales ? "Raise WORKERS_MAX, or have less come in."
                    : "Start more workers, or have less come in.");
}

static void warn_of_pauses(struct buffer *body, const struct queue_tally *tally) {
    static const char *const effects[QUEUE_PARTS] = {"new items are refused",
                                                     "no worker is given an item",
                                                     "no machine is launched or terminated"};
    for (int part = 0; part < QUEUE_PARTS; part++) {
        if (tally->paused & 1 << part)
            warn(body, "paused",
                 "An operator has paused %s: %s. POST /admin/resume?what=%s lets it go on.",
                 queue_part_names[part], effects[part], queue_part_names[part]);
    }
}

/* The bytes that are free on the disk of the database, and the share of it in per cent; 100 when
 * that cannot be known. */
static double free_percent(const struct conf *conf, int64_t *bytes) {
    char directory[SETTING_TEXT_SIZE];
    struct statvfs disk;
    snprintf(directory, sizeof directory, "%s", conf->database);
    char *slash = strrchr(directory, '/');
    if (slash)
        slash[slash == directory] = '\0'; /* "/" stays */
    if (statvfs(slash ? directory : ".", &disk) != 0)
        return 100;
    double usable = (double)(disk.f_blocks - disk.f_bfree + disk.f_bavail); /* not root's share */
    *bytes = (int64_t)(disk.f_bavail * disk.f_frsize);
    return usable > 0 ? 100 * (double)disk.f_bavail / usable : 100;
}

static void warn_of_disk(struct buffer *body, const struct conf *conf,
                         const struct queue_tally *tally) {
    int64_t bytes = 0;
    if (tally->disk_full) {
        warn(body, "disk-full",
             "The disk of the database has no room: new items are refused with 507. Make room; "
             "they are taken again by themselves.");
        return;
    }
    double percent = free_percent(conf, &bytes);
    if (percent < WARN_DISK_PERCENT)
        warn(body, "disk-low",
             "The disk of the database has %.1f %% free, %lld MiB: make room before it is full, "
             "and new items are refused.",
             percent, (long long)(bytes / MIB));
}

static void warn_of_peer(struct buffer *body, const struct conf *conf,
                         const struct queue_tally *tally, const struct queue_peers *peers) {
    static const char what[] =
        "See whether it runs, and whether its URL in PEERS can be reached from here.";
    char since[CLOCK_TEXT_SIZE];
    int node = conf->peer.node;
    if (!conf->has_peer)
        return;
    if (tally->copying.away && tally->copying.heard_ms < 0)
        warn(body, "peer-away", "Node %d has not answered since this node started. %s", node, what);
    else if (tally->copying.away)
        warn(body, "peer-away", "Node %d has not answered for %lld s. %s", node,
             seconds(tally->copying.heard_ms), what);
    if (peers->incomplete_wall_ms <= 0)
        return;
    clock_format(since, peers->incomplete_wall_ms);
    warn(body, "copy-incomplete",
         "Since %s clients were told what the replica at node %d lacks: it is lost if this "
         "machine is. Keep this machine until that node has caught up, which it does by itself "
         "once it answers.",
         since, node);
}

static void warn_of_certificates(struct buffer *body, const struct conf *conf) {
    const struct certificate_seen *seen = certificates_look(conf);
    char at[CLOCK_TEXT_SIZE];
    for (int i = 0; i < CERTIFICATES; i++) {
        if (!seen[i].set)
            continue;
        int64_t days = seen[i].known ? certificate_days_left(seen[i].expires_ms) : 0;
        clock_format(at, seen[i].known ? seen[i].expires_ms : 0);
        if (!seen[i].known)
            warn(body, "certificate", "%s cannot be read or is broken; hashmill-fcgi -t says more.",
                 seen[i].setting);
        else if (days < 0)
            warn(body, "certificate",
                 "%s has expired at %s, and calls by TLS fail. Put a new certificate in its place.",
                 seen[i].setting, at);
        else if (days < WARN_CERTIFICATE_DAYS)
            warn(body, "certificate",
                 "%s expires at %s; then calls by TLS fail. Put a new certificate in its place.",
                 seen[i].setting, at);
    }
}

/* An old backup; none of a node that has never had one, as that is wanted. */
static void warn_of_backup(struct buffer *body, const struct queue_tally *tally) {
    char at[CLOCK_TEXT_SIZE];
    if (tally->backed_up_wall_ms <= 0 ||
        clock_wall_ms() - tally->backed_up_wall_ms <= WARN_BACKUP_MS)
        return;
    clock_format(at, tally->backed_up_wall_ms);
    warn(body, "backup-old",
         "The last backup was made at %s, more than %d hours ago. See whether "
         "hashmill-backup.timer runs, and what journalctl -u hashmill-backup says.",
         at, (int)(WARN_BACKUP_MS / (60 * 60 * 1000)));
}

static void warn_of_quarantine(struct buffer *body, const struct queue_fleet *fleet) {
    const struct queue_quarantined *last = &fleet->quarantine[0];
    char since[CLOCK_TEXT_SIZE];
    if (fleet->quarantine_count == 0)
        return;
    clock_format(since, last->wall_ms);
    warn(body, "quarantine",
         "In quarantine, and given nothing: %s since %s, for %s%s. Look at that machine, then let "
         "it in by POST /admin/release?name=%s.",
         last->identity, since, last->why, fleet->quarantine_count > 1 ? "; and others" : "",
         last->identity);
}

/* A launch that the provider does not carry out, or not soon. While scaling is paused nobody asks
 * for it, and a machine that has called is there, whatever the provider says. */
static void warn_of_launches(struct buffer *body, const struct conf *conf,
                             const struct queue_tally *tally, const struct queue_fleet *fleet) {
    int64_t most_ms = WARN_LAUNCH_MS + conf->provider_seconds * 1000;
    for (int i = 0; i < fleet->machine_count && !(tally->paused & PART_SCALING); i++) {
        const struct queue_machine *machine = &fleet->machines[i];
        int64_t since_ms = tally->clock_ms - machine->launched_ms;
        if (machine->state != MACHINE_LAUNCHING || machine->heard_ms >= 0 || since_ms <= most_ms)
            continue;
        warn(body, "scaling",
             "The machine %s was to be launched %lld s ago, and the provider has not done it. The "
             "log of the scaler has what it answers.",
             machine->name, seconds(since_ms));
        return; /* of several the oldest; they fail alike */
    }
}

void stats_put_warnings(struct buffer *body, const struct conf *conf,
                        const struct queue_tally *tally, const struct queue_fleet *fleet,
                        const struct queue_peers *peers) {
    json_name(body, "warnings");
    json_open(body, '[');
    warn_of_waits(body, conf, tally);
    warn_of_pauses(body, tally);
    warn_of_disk(body, conf, tally);
    warn_of_peer(body, conf, tally, peers);
    warn_of_certificates(body, conf);
    warn_of_backup(body, tally);
    warn_of_quarantine(body, fleet);
    warn_of_launches(body, conf, tally, fleet);
    json_close(body, ']');
}
