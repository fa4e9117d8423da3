#ifndef HASHMILL_BATCH_LOG_H
#define HASHMILL_BATCH_LOG_H

/*
 * The log of batches: what each committed batch has changed, in order, for the replica at the other
 * node. The writer appends to it before it commits; the peering process reads it. It survives the
 * death of either; what it lost (a power cut, a full disk, its bound) costs a new copy, never more.
 *
 * Two files beside the database: DATABASE-log, and DATABASE-log.old, what was full before it. The
 * bytes of a record, in the files as between nodes; numbers are little-endian:
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
    BATCH_CHANGES_MAX = 64 * 1024 * 1024 /* bytes; more in one record is not believed */
};

struct batch_record {
    int64_t number; /* from 1 */
    uint8_t check[BATCH_CHECK_SIZE];
    const char *changes;
    size_t size;
};

/* Reads the record at the start of some bytes; changes points into them. Its bytes; 0 when they do
 * not begin with a whole record. The check is only read: see batch_check. */
size_t batch_record_read(const char *bytes, size_t length, struct batch_record *record);

/* A hash to pass to batch_check, again and again; EVP_MD_CTX_free frees it. NULL only when memory
 * is short. */
EVP_MD_CTX *batch_hash(void);

/* Turns the check of the batch before into that of this one: SHA-256 over the check, the number as
 * 8 bytes big-endian, and the changes. Reads nothing else of the record. False only when memory is
 * short. */
bool batch_check(EVP_MD_CTX *hash, uint8_t check[BATCH_CHECK_SIZE],
                 const struct batch_record *record);

/* --- The writer's side --- */

struct batch_log;

/* Opens the log of a database whose last batch is this one; what is behind it is dropped, and
 * everything if the log lacks it or has another check for it. A log that cannot be written is tried
 * again with later batches; that is logged. NULL only when memory is short. */
struct batch_log *batch_log_open(const char *database, int64_t last,
                                 const uint8_t check[BATCH_CHECK_SIZE]);
void batch_log_close(struct batch_log *log);

/* Adds a record, with one write and no sync. One that was added with its number or a higher one
 * before, and never committed, is replaced. When a number was left out, or when it cannot be
 * written, all is dropped and the log begins with this record or a later one. */
void batch_log_append(struct batch_log *log, const struct batch_record *record);

/* Empties the log of a database that is not replicated; nobody may have it open to write. */
void batch_log_remove(const char *database);

/* --- The reader's side --- */

struct batch_reader;

/* NULL only when memory is short. */
struct batch_reader *batch_reader_open(const char *database);
void batch_reader_close(struct batch_reader *reader);

/* Appends the bytes of the record with this number to bytes. The caller knows that the batch is
 * committed. False when the log has it no more, or torn: its check does not follow that of the
 * record before. (The first record of the log has none before it: whoever knows the check of the
 * batch before has to compare.) Reading in order costs one read for a record, two for a large one
 * and at the end of a file. */
bool batch_reader_get(struct batch_reader *reader, int64_t number, struct buffer *bytes);

#endif
