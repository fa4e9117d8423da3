/* The verb queue_backup: writes the pages that the writer sends to a file, with this process's
 * rights and at its pace. */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/paced.h"
#include "client.h"
#include "log.h"

/* The result of a failed call on the file, which is logged. */
static enum queue_result failed(const char *path) {
    bool full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;
    log_error("cannot write %s: %m", path);
    return full ? QUEUE_DISK_FULL : QUEUE_FAULT;
}

/* Writes one part. */
static bool write_part(struct paced *file, const struct pages *pages) {
    for (int i = 0; i < pages->count; i++) {
        if (!paced_write(file, pages->items[i].bytes, PAGE_BYTES, pages->items[i].at))
            return false;
    }
    return true;
}

/* Fetches the whole copy. */
static enum queue_result fetch(struct queue *queue, int fd, const char *path) {
    static struct pages pages; /* too large for the stack */
    struct paced file = {.fd = fd};
    enum queue_result result = queue_copy_begin(queue, &pages);
    while (result == QUEUE_OK) {
        if (!write_part(&file, &pages))
            return failed(path);
        if (pages.complete)
            return ftruncate(fd, pages.file_bytes) == 0 ? QUEUE_OK : failed(path);
        result = queue_copy_next(queue, &pages);
    }
    return result;
}

/* Has the engine note that there is a new backup. That is a good one, whatever becomes of the note.
 */
static void note_backup(struct queue *queue) {
    if (!files_act_as_owner(queue->conf->run_dir))
        return;
    if (client_call(queue, OPERATION_NOTE_BACKUP, NULL, 0, NULL, 0) != QUEUE_OK)
        log_warn("the backup is whole, but the server could not note that it was made, and will "
                 "warn of an old one too early");
    files_act_as_self();
}

enum queue_result queue_backup(struct queue *queue, const char *path) {
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(path);
    enum queue_result result = QUEUE_FAULT;
    /* The way to the server leads through its own directory. */
    if (files_act_as_owner(queue->conf->run_dir)) {
        result = fetch(queue, fd, path);
        queue_copy_end(queue);
    }
    if (!files_act_as_self())
        result = QUEUE_FAULT;
    if (result == QUEUE_OK && !reader_mark_copy(path))
        result = QUEUE_FAULT;
    if (result == QUEUE_OK && fsync(fd) != 0)
        result = failed(path);
    close(fd);
    if (result == QUEUE_OK)
        note_backup(queue);
    else
        unlink(path);
    return result;
}
