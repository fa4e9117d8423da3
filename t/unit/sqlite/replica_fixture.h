/* A replica of the database of primary.h, on a disk with as much room as is wanted, in a process
 * that can be killed before each step. */
#ifndef HASHMILL_T_REPLICA_H
#define HASHMILL_T_REPLICA_H

#include "primary.h"

/* Steps before which the process can be killed: it dies when steps_left are done; -1: never. */
static int steps_left = -1;

static inline void step(void) {
    if (steps_left == 0)
        _exit(9);
    if (steps_left > 0)
        steps_left--;
}

static inline int killed_rename(const char *from, const char *to) {
    step();
    return rename(from, to);
}
static inline int killed_unlink(const char *path) {
    step();
    return unlink(path);
}
static inline int killed_fsync(int fd) {
    step();
    return fsync(fd);
}
static inline int killed_ftruncate(int fd, off_t size) {
    step();
    return ftruncate(fd, size);
}

/* A disk that is as full as a test wants. */
static int64_t free_bytes = INT64_C(1) << 40;

static inline int little_room(const char *path, struct statvfs *info) {
    int result = statvfs(path, info);
    info->f_bavail = (fsblkcnt_t)(free_bytes / (int64_t)info->f_frsize);
    return result;
}

#define rename killed_rename
#define unlink killed_unlink
#define fsync killed_fsync
#define ftruncate killed_ftruncate
#define statvfs(path, info) little_room(path, info)
#include "fcgi/replica/apply.c"
#include "fcgi/replica/replica.c"
#define failed copy_failed
#define number_of copy_number_of
#include "fcgi/replica/compare.c"
#include "fcgi/replica/copy.c"
#undef failed
#undef number_of
#include "fcgi/replica/files.c"
#undef rename
#undef unlink
#undef fsync
#undef ftruncate
#undef statvfs

enum { PARTS_PAGES = 5 };

static struct conf conf;
static struct replica *replica;
static struct replica_state state;
static struct primary one;
static char part_bytes[PARTS_PAGES * ENTRY_BYTES];

static inline const struct replica_state *now(void) {
    replica_state(replica, &state);
    return &state;
}

static inline void reopen(void) {
    replica_close(replica);
    replica = replica_open(&conf);
    if (!replica)
        abort();
}

static inline bool exists(const char *end) {
    char name[20];
    char path[PRIMARY_PATH_SIZE];
    snprintf(name, sizeof name, "-replica%s", end);
    primary_name(path, name);
    return access(path, F_OK) == 0;
}

/* Removes whatever there is of a replica. */
static inline void forget(void) {
    replica_close(replica);
    primary_remove_all();
    replica = replica_open(&conf);
    if (!replica)
        abort();
}

/* Makes the part of a copy that begins with this page. */
static struct replica_part part_of(const char *file, int64_t bytes, int64_t number) {
    struct replica_part part = {.number = number, .file_bytes = bytes, .pages = part_bytes};
    memset(&part.copy, 'c', sizeof part.copy);
    int64_t at = number * PARTS_PAGES * PAGE_BYTES;
    for (int i = 0; i < PARTS_PAGES && at < bytes; i++, at += PAGE_BYTES) {
        memcpy(part_bytes + part.length, &at, sizeof at);
        memcpy(part_bytes + part.length + PLACE_BYTES, file + at, PAGE_BYTES);
        part.length += ENTRY_BYTES;
    }
    part.last = at >= bytes;
    return part;
}

/* Sends a copy of the file from the source; a test may have changed both. */
static inline enum replica_result send_file(const struct replica_source *source, const char *file,
                                            int64_t bytes) {
    enum replica_result result = REPLICA_OK;
    bool last = false;
    for (int64_t number = 0; result == REPLICA_OK && !last; number++) {
        struct replica_part part = part_of(file, bytes, number);
        result = replica_copy(replica, source, &part);
        last = part.last;
    }
    return result;
}

static inline enum replica_result copy(struct primary *primary) {
    int64_t bytes;
    char *file = primary_file(primary, &bytes);
    enum replica_result result = send_file(&primary->source, file, bytes);
    free(file);
    return result;
}

/* Whether every table of the replica's file has the rows of the primary's. */
static inline bool equal(struct primary *primary) {
    char path[PRIMARY_PATH_SIZE];
    primary_name(path, "-replica");
    return primary_equals(primary, path);
}

/* Sends what is in the buffer. */
static inline enum replica_result send(struct primary *primary, const struct buffer *records) {
    return replica_apply(replica, &primary->source, records->data, records->length);
}

/* Runs one batch and sends it. */
static inline enum replica_result run_batch(struct primary *primary, const char *sql) {
    struct buffer records = {0};
    primary_batch(primary, sql, &records);
    enum replica_result result = send(primary, &records);
    buffer_free(&records);
    return result;
}

static inline void fresh(void) {
    forget();
    primary_close(&one);
    primary_open(&one);
    primary_batch(&one, INSERT(1, "'a'") INSERT(2, "NULL"), NULL);
    if (copy(&one) != REPLICA_OK)
        abort();
}

/* Changes the replica's file behind its back. */
static inline void spoil(const char *sql) {
    char path[PRIMARY_PATH_SIZE];
    replica_close(replica);
    primary_name(path, "-replica");
    primary_change(path, sql);
    replica = replica_open(&conf);
}

static inline void set_up(void) {
    primary_set_up(&conf);
    replica = replica_open(&conf);
    ok(replica && !now()->there, "none at first");
}

static inline void tear_down(void) {
    primary_close(&one);
    replica_close(replica);
    primary_remove_directory();
}

#endif
