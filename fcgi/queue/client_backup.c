/* The verb queue_backup: takes the pages that the writer sends and makes a file of them,
 * with its own rights and at its own pace. */

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "log.h"

/* The disk may be the queue's own, whose commits wait for what it has to write before: so little is
 * written at once, and then others have the disk for several times as long as that took. */
enum { SYNC_BYTES = 512 * 1024, PAUSES = 3 };

/* What a failed call on the file means; it is logged. */
static enum queue_result failed(const char *path) {
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    log_error("cannot write %s: %m", path);
    return full ? QUEUE_DISK_FULL : QUEUE_FAULT;
}

static bool write_page(int fd, const struct page *page) {
    size_t done = 0;
    while (done < sizeof page->bytes) {
        ssize_t wrote = pwrite(fd, page->bytes + done, sizeof page->bytes - done,
                               (off_t)(page->at + (int64_t)done));
        if (wrote < 0 && errno != EINTR)
            return false;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return true;
}

static bool sync_and_pause(int fd) {
    struct timespec before;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &before);
    bool good = fdatasync(fd) == 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t ns = (now.tv_sec - before.tv_sec) * 1000000000 + now.tv_nsec - before.tv_nsec;
    ns = good ? ns * PAUSES : 0;
    nanosleep(&(struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000}, NULL);
    return good;
}

/* Writes one part; syncs now and then. */
static bool write_part(int fd, const struct pages *pages, int64_t *unsynced) {
    for (int i = 0; i < pages->count; i++) {
        if (!write_page(fd, &pages->items[i]))
            return false;
    }
    *unsynced += (int64_t)pages->count * PAGE_BYTES;
    if (*unsynced < SYNC_BYTES)
        return true;
    *unsynced = 0;
    return sync_and_pause(fd);
}

/* Fetches the whole copy. */
static enum queue_result fetch(struct queue *queue, int fd, const char *path) {
    const struct pages *pages = &queue->message.body.pages;
    int64_t unsynced = 0;
    client_start(queue, OPERATION_BACKUP);
    const uint64_t id = queue->message.header.id;
    enum queue_result result = client_call(queue);
    while (result == QUEUE_OK) {
        if (!write_part(fd, pages, &unsynced))
            return failed(path);
        if (pages->complete)
            return ftruncate(fd, pages->file_bytes) == 0 ? QUEUE_OK : failed(path);
        result = client_await(queue, id, OPERATION_BACKUP);
    }
    return result;
}

enum queue_result queue_backup(struct queue *queue, const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(path);
    enum queue_result result = fetch(queue, fd, path);
    if (queue->fd >= 0)
        close(queue->fd); /* whatever of it is still under way is of no use any more */
    queue->fd = -1;
    if (result == QUEUE_OK && !reader_mark_copy(path))
        result = QUEUE_FAULT;
    if (result == QUEUE_OK && fsync(fd) != 0)
        result = failed(path);
    close(fd);
    if (result != QUEUE_OK)
        unlink(path);
    return result;
}
