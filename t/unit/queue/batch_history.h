#ifndef BATCH_HISTORY_H
#define BATCH_HISTORY_H

/* A log of batches in a directory of its own, with a history of records that can be told apart. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/queue/batch_log.h"
#include "scratch.h"
#include "tap.h"

enum { HISTORY = 3000, LARGEST = BATCH_CHANGES_MAX + 1 };

static char database[100];
static char current[120];
static char old[120];
static char changes[LARGEST];
static EVP_MD_CTX *hash;

/* What was last made under each number. */
static struct {
    uint8_t check[BATCH_CHECK_SIZE];
    size_t size;
    int salt;
} history[HISTORY];

static void fresh_log(void) {
    char directory[60];
    scratch_template(directory, "batch-log");
    if (!mkdtemp(directory))
        abort();
    snprintf(database, sizeof database, "%s/queue.db", directory);
    snprintf(current, sizeof current, "%s-log", database);
    snprintf(old, sizeof old, "%s-log.old", database);
    memset(history, 0, sizeof history);
}

static char byte_of(int number, int salt, size_t i) {
    return (char)(number * 31 + salt * 7 + (int)(i * 13));
}

/* A record whose bytes follow from number and salt. */
static struct batch_record make(int number, size_t size, int salt) {
    struct batch_record record = {.number = number, .changes = changes, .size = size};
    for (size_t i = 0; i < size; i++)
        changes[i] = byte_of(number, salt, i);
    memcpy(record.check, history[number - 1].check, BATCH_CHECK_SIZE);
    if (!batch_check(hash, record.check, &record))
        abort();
    memcpy(history[number].check, record.check, BATCH_CHECK_SIZE);
    history[number].size = size;
    history[number].salt = salt;
    return record;
}

static void append(struct batch_log *log, int number, size_t size, int salt) {
    struct batch_record record = make(number, size, salt);
    batch_log_append(log, &record);
}

static void append_all(struct batch_log *log, int first, int last, size_t size) {
    for (int number = first; number <= last; number++)
        append(log, number, size, 0);
}

/* Whether the bytes after the first are exactly the record that was last made under a number. */
static bool is_record(const struct buffer *bytes, int number) {
    struct batch_record record;
    if (batch_record_read(bytes->data + 1, bytes->length - 1, &record) != bytes->length - 1 ||
        record.number != number || record.size != history[number].size ||
        memcmp(record.check, history[number].check, BATCH_CHECK_SIZE) != 0)
        return false;
    for (size_t i = 0; i < record.size; i++) {
        if (record.changes[i] != byte_of(number, history[number].salt, i))
            return false;
    }
    return true;
}

/* How many of these records a reader has; below 0 when one is not as it was last made. */
static int count(struct batch_reader *reader, int first, int last) {
    int found = 0;
    struct buffer bytes = {0};
    buffer_puts(&bytes, "x"); /* what stands before it stays */
    for (int number = first; number <= last; number++) {
        bytes.length = 1;
        if (batch_reader_get(reader, number, &bytes))
            found += is_record(&bytes, number) ? 1 : -HISTORY;
        else if (bytes.length != 1)
            found -= HISTORY;
    }
    buffer_free(&bytes);
    return found;
}

/* The same, for a reader that was just opened. */
static int count_fresh(int first, int last) {
    struct batch_reader *reader = batch_reader_open(database);
    int found = count(reader, first, last);
    batch_reader_close(reader);
    return found;
}

/* How long a file is; -1 when it is not there. */
static long long size_of(const char *path) {
    struct stat info;
    return lstat(path, &info) == 0 ? (long long)info.st_size : -1;
}

/* Writes bytes into a file, as a damaged disk would. */
static void damage(const char *path, long long at, const char *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0 || pwrite(fd, bytes, size, at) != (ssize_t)size)
        abort();
    close(fd);
}

static struct batch_log *open_at(int last) {
    return batch_log_open(database, last, history[last].check);
}

#endif
