#ifndef HASHMILL_VERBS_H
#define HASHMILL_VERBS_H

#include "router.h"

/* The handlers of the routes, a file for each audience. */

/* intake.c: clients bring work. */
void intake_enqueue(struct call *call); /* PUT /enqueue?iterations=N */

/* delivery.c: clients ask for it. */
void delivery_pull(struct call *call);   /* POST /pullCompleted?top=N[&order=latest|oldest] */
void delivery_look(struct call *call);   /* GET /items/ID[?wait=S], answered at once */
void delivery_cancel(struct call *call); /* DELETE /items/ID */
extern const struct wait_verbs delivery_look_waits; /* GET /items/ID?wait=S, held */

/* leasing.c: workers do it. */
extern const struct wait_verbs leasing_lease_waits; /* POST /lease, held */
void leasing_results(struct call *call);            /* POST /results */
void leasing_retire(struct call *call);             /* POST /retire */

/* peer_verbs.c: other nodes help and are helped. */
void peer_hello(struct call *call);             /* POST /peer/hello */
void peer_copies(struct call *call);            /* POST /peer/copies */
void peer_done(struct call *call);              /* POST /peer/done */
void peer_items(struct call *call);             /* POST /peer/items */
void peer_transfer(struct call *call);          /* POST /peer/transfer */
void peer_cancel(struct call *call);            /* POST /peer/cancel */
extern const struct wait_verbs peer_look_waits; /* POST /peer/look, held */

/* status.c: operators and their machines look after it. */
void status_health(struct call *call); /* GET /healthz[?probe=ready|live] */
void status_stats(struct call *call);  /* GET /stats */

#endif
