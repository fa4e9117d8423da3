/* Receives a copy of the other node's whole database, and makes it the replica. */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "parts.h"
#include "queue/pages.h"
#include "sqlite/store_schema.h"

enum { PLACE_BYTES = 8, ENTRY_BYTES = PLACE_BYTES + PAGE_BYTES };

/* Gives the copy up. FULL when errno means "no room", else FAILED. */
static enum replica_result failed(struct replica *replica) {
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    log_error("cannot write %s-replica-new: %m", replica->conf->database);
    replica_drop_upload(replica);
    return full ? REPLICA_FULL : REPLICA_FAILED;
}

bool replica_is_newer(const struct replica *replica, const struct replica_source *source) {
    const struct replica_state *state = &replica->state;
    bool same = memcmp(&state->identity.database, &source->identity.database, ID_SIZE) == 0;
    int64_t least = source->identity.epoch + (same ? 1 : 0);
    return state->there && state->node == source->node && state->identity.epoch >= least;
}

static enum replica_result begin(struct replica *replica, const struct replica_part *part) {
    struct upload *upload = &replica->upload;
    char path[REPLICA_PATH_SIZE];
    replica_drop_upload(replica);
    replica->state.complete = 0; /* it lacks batches that only a copy can bring */
    if (!replica_has_room(replica, part->file_bytes)) {
        replica_remove(replica, "-bad"); /* of less use than the copy */
        if (!replica_has_room(replica, part->file_bytes))
            return REPLICA_FULL;
    }
    replica_path(replica, "-new", path);
    replica_remove(replica, "-new");
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    *upload = (struct upload){.file.fd = fd, .copy = part->copy};
    return fd >= 0 ? REPLICA_OK : failed(replica);
}

/* Writes the pages of a part. BAD when their size or place is wrong. */
static enum replica_result write_pages(struct replica *replica, const struct replica_part *part) {
    if (part->length % ENTRY_BYTES != 0)
        return REPLICA_BAD;
    for (size_t i = 0; i < part->length; i += ENTRY_BYTES) {
        const char *entry = part->pages + i;
        uint64_t at;
        memcpy(&at, entry, sizeof at);
        at = le64toh(at);
        if (at % PAGE_BYTES != 0 || at >= (uint64_t)PAGES_BYTES_MAX)
            return REPLICA_BAD;
        if (!paced_write(&replica->upload.file, entry + PLACE_BYTES, PAGE_BYTES, (int64_t)at))
            return failed(replica);
    }
    return REPLICA_OK;
}

/* --- The end --- */

/* The number that a one-row statement gives; -1 when it gives none. */
static int64_t number_of(sqlite3 *database, const char *sql) {
    sqlite3_stmt *row = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(database, sql, -1, &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW)
        number = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    return number;
}

/* Whether the open copy's own rows agree with what the other node says of it. */
static bool is_of_source(sqlite3 *copy, const struct replica_source *source) {
    sqlite3_stmt *row = NULL;
    bool good =
        sqlite3_prepare_v2(copy, sql_text[SQL_REPLICA_STATE], -1, &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW && sqlite3_column_bytes(row, 0) == ID_SIZE &&
        memcmp(sqlite3_column_blob(row, 0), source->identity.database.bytes, ID_SIZE) == 0 &&
        sqlite3_column_int(row, 1) == source->node &&
        sqlite3_column_int64(row, 2) == source->identity.epoch &&
        sqlite3_column_bytes(row, 4) == BATCH_CHECK_SIZE;
    sqlite3_finalize(row);
    return good && number_of(copy, sql_text[SQL_REPLICA_SCHEMA]) == source->schema;
}

/* Checks the copy. OK; BAD: it is no whole database; OTHER: it is another one. */
static enum replica_result look_into(struct replica *replica, const struct replica_source *source,
                                     int64_t file_bytes) {
    char path[REPLICA_PATH_SIZE];
    sqlite3 *copy = NULL;
    enum replica_result result = REPLICA_BAD;
    replica_path(replica, "-new", path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    bool open = sqlite3_open_v2(path, &copy, flags, NULL) == SQLITE_OK;
    if (open)
        store_distrust(copy);
    if (open && number_of(copy, sql_text[SQL_PAGE_COUNT]) * PAGE_BYTES == file_bytes &&
        store_schema_look(copy, source->schema) == SQLITE_OK)
        result = is_of_source(copy, source) ? REPLICA_OK : REPLICA_OTHER;
    sqlite3_close(copy);
    if (result != REPLICA_OK)
        log_error("what node %d has sent is not the database that it was to be: it is not taken",
                  source->node);
    return result;
}

/* Copies the replica's WAL into its file and closes it, so that the WAL is not needed any more. A
 * replica that fails at this is put aside. False: a reader or the disk is in the way, try later. */
static bool close_old(struct replica *replica) {
    int pages = 0;
    int copied = 0;
    if (!replica->database)
        return true;
    int code = sqlite3_wal_checkpoint_v2(replica->database, NULL, SQLITE_CHECKPOINT_PASSIVE, &pages,
                                         &copied);
    if (code == SQLITE_OK && copied < pages)
        code = SQLITE_BUSY; /* somebody reads an older state */
    if (code != SQLITE_OK)
        return replica_failed(replica, code, "its end") == REPLICA_FAILED;
    replica_shut(replica);
    return true;
}

/* Makes the copy the replica. */
static enum replica_result finish(struct replica *replica, const struct replica_source *source,
                                  const struct replica_part *part) {
    struct upload *upload = &replica->upload;
    if (ftruncate(upload->file.fd, part->file_bytes) != 0 || fsync(upload->file.fd) != 0)
        return failed(replica);
    enum replica_result result = look_into(replica, source, part->file_bytes);
    bool differed = replica->state.there && (replica->state.bad || part->differs ||
                                             memcmp(&replica->state.identity, &source->identity,
                                                    sizeof source->identity) != 0);
    if (result == REPLICA_OK && !close_old(replica))
        return REPLICA_FULL; /* the same part comes again */
    if (result == REPLICA_OK)
        result = replica_put_in_place(replica, differed) ? REPLICA_OK : REPLICA_FAILED;
    replica_drop_upload(replica);
    if (!replica->database && (result == REPLICA_OK || result == REPLICA_FAILED))
        result = replica_load(replica) == REPLICA_OK ? result : REPLICA_FAILED;
    if (result == REPLICA_OK)
        log_info("the replica of node %d's database is whole, up to batch %lld",
                 replica->state.node, (long long)replica->state.batch);
    replica->state.complete = result == REPLICA_OK && source->complete && !replica->incomplete;
    return result;
}

enum replica_result replica_copy(struct replica *replica, const struct replica_source *source,
                                 const struct replica_part *part) {
    struct upload *upload = &replica->upload;
    if (replica_is_newer(replica, source))
        return REPLICA_OTHER;
    enum replica_result result = part->number == 0 ? begin(replica, part) : REPLICA_OK;
    if (result != REPLICA_OK)
        return result;
    if (upload->file.fd < 0 || memcmp(&upload->copy, &part->copy, sizeof part->copy) != 0 ||
        part->number > upload->next || part->number + 1 < upload->next)
        return REPLICA_GAP;
    if (!replica_has_room(replica, (int64_t)part->length))
        return REPLICA_FULL;
    if (part->number == upload->next)
        result = write_pages(replica, part);
    if (result == REPLICA_BAD)
        replica_drop_upload(replica);
    if (result != REPLICA_OK)
        return result;
    upload->next = part->number + 1;
    return part->last ? finish(replica, source, part) : REPLICA_OK;
}
