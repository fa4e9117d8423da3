#ifndef HASHMILL_WORKERS_PARSE_H
#define HASHMILL_WORKERS_PARSE_H

#include "http/server.h"

/*
 * The bodies of workers' calls. Each function reads call->request's body, checks every field and
 * fills its part of the queue's types. False, with the problem in server->reply that names the
 * field, when one is wrong: a request is accepted whole or not at all. Ignores unknown members.
 */

/* {"protocol","request","worker","items","iterations","wait"} of /lease */
bool workers_read_lease(struct call *call, struct queue_lease *lease);

/* {"protocol","worker","items":[{"id","lease","chain","remaining","release"?}]} of /results */
bool workers_read_report(struct call *call, struct queue_report *report);

/* {"protocol","worker"} of /retire */
bool workers_read_retire(struct call *call, struct queue_worker *worker);

#endif
