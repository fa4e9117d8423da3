#ifndef HASHMILL_REPLICA_PARSE_H
#define HASHMILL_REPLICA_PARSE_H

#include "http/server.h"
#include "queue/replica.h"

/*
 * The parameters and bodies of the peer's calls about the replica. Each function checks its part
 * and fills a type. False, with the problem in server->reply, when something is wrong or the node
 * is no peer of this one.
 */

/* node, database, epoch and schema of the query, and complete when the call has it. */
bool replica_read_source(struct call *call, struct replica_source *source);

/* Reads the body into server->text, as whole records of batches. */
bool replica_read_records(struct call *call);

/* copy, part, bytes, last and, if there, differs of the query; the body as pages, which the part
 * points into. */
bool replica_read_part(struct call *call, struct replica_part *part);

/* batch, first, last and hash of the query of /peer/replica/compare */
bool replica_read_range(struct call *call, struct queue_range *range);

/* {"protocol","node"} of /peer/replica/state; a running server adds "database","epoch": then *named
 * is true. */
bool replica_read_caller(struct call *call, struct replica_source *source, bool *named);

/* {"protocol","node","database","epoch"} of /peer/replica/take */
bool replica_read_taker(struct call *call, struct replica_source *source);

enum { REPLICA_READ_MAX = 1 << 20 };

/* node, epoch, at and length of the query of /peer/replica/read */
struct replica_piece {
    int32_t node;
    int64_t epoch;
    int64_t at;
    int64_t length; /* 1..REPLICA_READ_MAX */
};
bool replica_read_piece(struct call *call, struct replica_piece *piece);

#endif
