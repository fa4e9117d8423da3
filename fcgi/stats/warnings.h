#ifndef HASHMILL_WARNINGS_H
#define HASHMILL_WARNINGS_H

/* The part of GET /stats that says what needs an operator. */

#include "base/conf.h"
#include "buffer.h"
#include "queue/queue_fleet.h"
#include "queue/queue_peers.h"

/* From when on something is a warning; docs/operations.md ("Warnings") has each. */
enum {
    WARN_NO_WORKER_MS = 15 * 1000, /* an item has waited longer, and no worker calls */
    WARN_WAIT_MS = 60 * 1000,      /* an item has waited longer, whoever calls */
    WARN_LAUNCH_MS = 60 * 1000, /* a launch takes longer than this and a call of the provider may */
    WARN_DISK_PERCENT = 5,      /* less of the database's disk is free */
    WARN_CERTIFICATE_DAYS = 14  /* a certificate expires within this many days */
};
#define WARN_BACKUP_MS (INT64_C(26) * 60 * 60 * 1000) /* the last backup is older */

/* Appends the member "warnings": an array of objects with `code`, one of those of docs/api.md, and
 * `detail`, sentences that say what is wrong and what to do. Empty: nothing is wrong. peers is not
 * looked at without PEERS. Looks at the disk, and at the certificates as certificates_look does. */
void stats_put_warnings(struct buffer *body, const struct conf *conf,
                        const struct queue_tally *tally, const struct queue_fleet *fleet,
                        const struct queue_peers *peers);

#endif
