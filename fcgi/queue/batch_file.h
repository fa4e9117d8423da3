#ifndef HASHMILL_BATCH_FILE_H
#define HASHMILL_BATCH_FILE_H

/* What the two sides of the log of batches share: a file of it, looked at by whoever reads it. */

#include <stdbool.h>
#include <sys/types.h>

#include "batch_log.h"
#include "settings.h"

enum { BATCH_FILE_CURRENT, BATCH_FILE_OLD, BATCH_FILES };

struct batch_files {
    char path[BATCH_FILES][SETTING_TEXT_SIZE + 8];
};

/* A record in a file. */
struct batch_place {
    int64_t number;
    off_t at;
    off_t end;
    uint8_t check[BATCH_CHECK_SIZE];
    uint8_t
        before[BATCH_CHECK_SIZE]; /* check of the record before it in the file; unless at is 0 */
};

void batch_files_name(struct batch_files *files, const char *database);

/* Opens a file that is there, O_RDONLY or O_RDWR. It must be a plain one of this user without
 * another name: what somebody else put there is neither read nor written. -1 with errno. */
int batch_file_open(const char *path, int flags);

/* How many bytes it could read from there: fewer than size at the end, or when it fails. */
size_t batch_file_read(int fd, char *to, size_t size, off_t at);

/* Finds a record: walks from head to head, whose numbers must be consecutive and whose changes must
 * be within the file. */
bool batch_file_find(int fd, int64_t number, struct batch_place *place);

/* Writes the first bytes of a record, all but its changes; and reads them. False when they are not
 * those of any. */
void batch_head_write(char head[BATCH_HEAD_SIZE], const struct batch_record *record);
bool batch_head_read(const char head[BATCH_HEAD_SIZE], struct batch_record *record);

#endif
