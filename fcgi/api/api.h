#ifndef HASHMILL_API_H
#define HASHMILL_API_H

#include "http/router.h"

/* The calls of the API: the route table, and the handlers, a file for each audience. */

extern const struct route api_routes[];     /* routes.c */
extern const struct route replica_routes[]; /* replica.c: those of the replica process */

/* enqueue.c: clients enqueue items. */
void api_enqueue(struct call *call); /* PUT /enqueue?iterations=N */

/* enqueue_many.c: clients enqueue items by their digests. */
void api_enqueue_many(struct call *call); /* POST /items */

/* pull.c: clients get values. */
void api_pull(
    struct call *call); /* POST /pullCompleted?top=N[&order=latest|oldest], answered at once */
extern const struct long_poll_verbs
    api_pull_long_poll; /* POST /pullCompleted?top=N&wait=S, parked */

/* items.c: clients look at and cancel items. */
void api_look(struct call *call);    /* GET /items/ID[?wait=S], answered at once */
void api_running(struct call *call); /* GET /stats/running[?limit=N] */
void api_cancel(struct call *call);  /* DELETE /items/ID */
extern const struct long_poll_verbs api_look_long_poll; /* GET /items/ID?wait=S, parked */

/* lists.c: clients list items, and cancel many. */
void api_list(struct call *call);        /* GET /items[?state=S&client=NAME&after=ID&limit=N] */
void api_cancel_many(struct call *call); /* DELETE /items?state=waiting&confirm=N[...] */

/* workers.c: workers lease and report. */
extern const struct long_poll_verbs api_lease_long_poll; /* POST /lease, parked */
void api_results(struct call *call);                     /* POST /results */
void api_retire(struct call *call);                      /* POST /retire */

/* peers.c: the peer's calls. */
void api_peer_hello(struct call *call);                      /* POST /peer/hello */
void api_peer_done(struct call *call);                       /* POST /peer/done */
void api_peer_reserve(struct call *call);                    /* POST /peer/reserve */
void api_peer_pulls(struct call *call);                      /* POST /peer/pulls */
void api_peer_list(struct call *call);                       /* POST /peer/list */
void api_peer_cancel(struct call *call);                     /* POST /peer/cancel */
extern const struct long_poll_verbs api_peer_look_long_poll; /* POST /peer/look, parked */

/* replica.c: the peer's calls about the replica of its database here. */
void api_replica_state(struct call *call);   /* POST /peer/replica/state */
void api_replica_batches(struct call *call); /* POST /peer/replica/batches?... */
void api_replica_pages(struct call *call);   /* POST /peer/replica/pages?... */
void api_replica_compare(struct call *call); /* POST /peer/replica/compare?... */
void api_replica_take(struct call *call);    /* POST /peer/replica/take */
void api_replica_read(struct call *call);    /* POST /peer/replica/read?... */

/* admin.c: operators. */
void api_pause(struct call *call);   /* POST /admin/pause?what=PART */
void api_resume(struct call *call);  /* POST /admin/resume?what=PART */
void api_release(struct call *call); /* POST /admin/release?name=NAME */

/* "paused": the names of the parts whose bits are set, for stats.c, too. */
void api_put_paused(struct buffer *body, int64_t paused);

/* health.c, stats.c: monitoring. */
void api_health(struct call *call);        /* GET /healthz[?probe=ready|live] */
void api_stats(struct call *call);         /* GET /stats */
void api_stats_history(struct call *call); /* GET /stats/history[?span=1h|24h|30d] */

#endif
