#ifndef HASHMILL_BATCH_LOG_H
#define HASHMILL_BATCH_LOG_H

/*
 * The log of batches: what each committed batch has changed, in order, for the replica at the other
 * node. The writer appends to it before it commits; the peering process reads it. It survives the
 * death of either. Records lost (a power cut, a full disk, its bound) cost a new copy, never more.
 *
 * Two files beside the database: DATABASE-log, and DATABASE-log.old, the full one before it. A
 * record has the same bytes in the files and between nodes; numbers are little-endian:
 *
 *     "HMB1" | size of changes u32 | number i64 | check, 32 bytes | changes
 */

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

enum {
    BATCH_CHECK_SIZE = 32,
    BATCH_HEAD_SIZE = 48,
    BATCH_CHANGES_MAX = 64 * 1024 * 1024 /* bytes; a record that claims more is invalid */
};

struct batch_record {
    int64_t number; /* from 1 */
    uint8_t check[BATCH_CHECK_SIZE];
    const char *changes;
    size_t size;
};

/* Reads the record at the start of the bytes; changes points into them. Returns the size of the
 * record; 0 when the bytes do not begin with a whole record. Does not verify the check: see
 * batch_check. */
size_t batch_record_read(const char *bytes, size_t length, struct batch_record *record);

/* Makes a hash for batch_check, to be used again and again; free it with EVP_MD_CTX_free. NULL only
 * when memory is short. */
EVP_MD_CTX *batch_hash(void);

/* Replaces the check of the previous batch by that of this one: SHA-256 over the previous check,
 * the number as 8 bytes big-endian, and the changes. Uses nothing else of the record. False only
 * when memory is short. */
bool batch_check(EVP_MD_CTX *hash, uint8_t check[BATCH_CHECK_SIZE],
                 const struct batch_record *record);

/* --- The writer's side --- */

struct batch_log;

/* Opens the log of a database whose last batch is `last`. Drops all later records; drops everything
 * if the log lacks that batch or has another check for it. A log that cannot be written is logged
 * and tried again with later batches. NULL only when memory is short. */
struct batch_log *batch_log_open(const char *database, int64_t last,
                                 const uint8_t check[BATCH_CHECK_SIZE]);
void batch_log_close(struct batch_log *log);

/* Appends a record with one write and no sync. Replaces uncommitted records with this or a higher
 * number. Drops the whole log when a number was left out or the write fails; the log then begins
 * with this record or a later one. */
void batch_log_append(struct batch_log *log, const struct batch_record *record);

/* Removes the log of a database that is not replicated; nobody may have it open for writing. */
void batch_log_remove(const char *database);

/* --- The reader's side --- */

struct batch_reader;

/* NULL only when memory is short. */
struct batch_reader *batch_reader_open(const char *database);
void batch_reader_close(struct batch_reader *reader);

/* Appends the bytes of this record to `bytes`. The caller knows that the batch is committed. False
 * when the log no longer has the record, or has a torn one: its check does not follow that of the
 * previous record. (The first record of the log has no previous one: a caller that knows the check
 * of the previous batch must compare.) In order, a record costs one read; a large one, or one after
 * the end of a file, costs two. */
bool batch_reader_get(struct batch_reader *reader, int64_t number, struct buffer *bytes);

#endif
