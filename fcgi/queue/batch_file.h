#ifndef HASHMILL_BATCH_FILE_H
#define HASHMILL_BATCH_FILE_H

/* Files of the log of batches; shared by its writer and its reader. */

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
    uint8_t before[BATCH_CHECK_SIZE]; /* check of the previous record in the file; unless at is 0 */
};

void batch_files_name(struct batch_files *files, const char *database);

/* Opens an existing file, O_RDONLY or O_RDWR. The file must be a regular one, owned by this user
 * and without another hard link: what somebody else put there is neither read nor written. -1 with
 * errno. */
int batch_file_open(const char *path, int flags);

/* Reads size bytes from an offset. Returns how many were read: fewer at the end of the file or on
 * an error. */
size_t batch_file_read(int fd, char *to, size_t size, off_t at);

/* Finds a record by walking from head to head. The numbers must be consecutive and the changes must
 * be within the file. */
bool batch_file_find(int fd, int64_t number, struct batch_place *place);

/* Write and read the head of a record: all but its changes. False when the bytes are not a head. */
void batch_head_write(char head[BATCH_HEAD_SIZE], const struct batch_record *record);
bool batch_head_read(const char head[BATCH_HEAD_SIZE], struct batch_record *record);

#endif
