#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "batch_file.h"

enum { READ_SIZE = 4096 }; /* bytes; the first read of a record, whose size is not yet known */

struct batch_reader {
    struct batch_files files;
    EVP_MD_CTX *hash;
    int fd;                          /* of the file that was read last; -1: none */
    int64_t next;                    /* number of the next record in it, */
    off_t at;                        /* and where */
    uint8_t check[BATCH_CHECK_SIZE]; /* of the previous record, */
    bool checked;                    /* if that is known */
};

struct batch_reader *batch_reader_open(const char *database) {
    struct batch_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    batch_files_name(&reader->files, database);
    reader->fd = -1;
    reader->hash = batch_hash();
    if (reader->hash)
        return reader;
    batch_reader_close(reader);
    return NULL;
}

static void close_file(struct batch_reader *reader) {
    if (reader->fd >= 0)
        close(reader->fd);
    reader->fd = -1;
}

void batch_reader_close(struct batch_reader *reader) {
    if (!reader)
        return;
    close_file(reader);
    EVP_MD_CTX_free(reader->hash);
    free(reader);
}

/* Goes to a record in one of the files. */
static bool seek(struct batch_reader *reader, int file, int64_t number) {
    struct batch_place place;
    close_file(reader);
    reader->fd = batch_file_open(reader->files.path[file], O_RDONLY);
    if (reader->fd < 0 || !batch_file_find(reader->fd, number, &place))
        return false;
    /* The first record of a file follows the record read last, if that was the previous one. */
    reader->checked = place.at > 0 || (reader->checked && reader->next == number);
    if (place.at > 0)
        memcpy(reader->check, place.before, BATCH_CHECK_SIZE);
    reader->next = number;
    reader->at = place.at;
    return true;
}

/* Whether the check of a record follows that of the previous one, if that is known. */
static bool follows(struct batch_reader *reader, const struct batch_record *record) {
    uint8_t check[BATCH_CHECK_SIZE];
    memcpy(check, reader->check, sizeof check);
    return !reader->checked || (batch_check(reader->hash, check, record) &&
                                memcmp(check, record->check, sizeof check) == 0);
}

/* Appends the next record of the file, if it has this number. */
static bool take(struct batch_reader *reader, int64_t number, struct buffer *bytes) {
    struct batch_record record;
    buffer_reserve(bytes, READ_SIZE);
    char *to = bytes->data + bytes->length;
    size_t length = batch_file_read(reader->fd, to, READ_SIZE, reader->at);
    if (length < BATCH_HEAD_SIZE || !batch_head_read(to, &record) || record.number != number)
        return false;
    size_t whole = BATCH_HEAD_SIZE + record.size;
    if (whole > length) {
        buffer_reserve(bytes, whole);
        to = bytes->data + bytes->length;
        length +=
            batch_file_read(reader->fd, to + length, whole - length, reader->at + (off_t)length);
    }
    if (batch_record_read(to, length, &record) == 0 || !follows(reader, &record))
        return false;
    bytes->length += whole;
    reader->at += (off_t)whole;
    reader->next = number + 1;
    memcpy(reader->check, record.check, BATCH_CHECK_SIZE);
    reader->checked = true;
    return true;
}

bool batch_reader_get(struct batch_reader *reader, int64_t number, struct buffer *bytes) {
    if (reader->fd >= 0 && reader->next == number && take(reader, number, bytes))
        return true;
    if ((seek(reader, BATCH_FILE_CURRENT, number) || seek(reader, BATCH_FILE_OLD, number)) &&
        take(reader, number, bytes))
        return true;
    close_file(reader);
    return false;
}
