/* Compares rows of the replica with those of the other node. */

#include <string.h>

#include "log.h"
#include "parts.h"
#include "rows/rows_hash.h"

enum replica_result replica_compare(struct replica *replica, const struct replica_source *source,
                                    const struct queue_range *range) {
    struct replica_state *state = &replica->state;
    uint8_t hash[ROWS_HASH_SIZE];
    enum replica_result result = replica_look(replica);
    if (result == REPLICA_OK)
        result = replica_fits(replica, source);
    if (result == REPLICA_OK && state->batch < range->batch)
        return REPLICA_GAP; /* it was set back: the source believes that it has that batch */
    if (result != REPLICA_OK || state->batch != range->batch)
        return result;
    sqlite3_stmt *rows = replica_statement(replica, SQL_REPLICA_ROWS);
    if (!rows)
        return replica_failed(replica, sqlite3_extended_errcode(replica->database), "its items");
    sqlite3_bind_int64(rows, 1, range->first);
    sqlite3_bind_int64(rows, 2, range->last);
    int code = rows_hash(rows, hash);
    if (code != SQLITE_OK)
        return replica_failed(replica, code, "its items");
    if (memcmp(hash, range->hash, sizeof hash) == 0)
        return REPLICA_OK;
    log_error(
        "the replica of node %d's database differs from it between the items %lld and %lld at "
        "batch %lld: that node copies it again",
        state->node, (long long)range->first, (long long)range->last, (long long)range->batch);
    replica_note_bad(replica);
    return REPLICA_BAD;
}
