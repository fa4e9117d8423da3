#include "backup.h"

#include "base/child.h"
#include "log.h"
#include "master/sockets.h"
#include "queue/queue.h"

/* The reason for people; FAULT was logged already. */
static const char *reason(enum queue_result result) {
    switch (result) {
    case QUEUE_CONFLICT:
        return "another backup is under way";
    case QUEUE_DOWN:
        return "no server can be reached through RUN_DIR: it must run, and this must be its user";
    case QUEUE_UNKNOWN:
        return "the server broke it off; see its log";
    case QUEUE_DISK_FULL:
        return "there is no room for it";
    default:
        return "see above";
    }
}

int backup_run(const struct conf *conf, const char *path) {
    char channel[SETTING_TEXT_SIZE + 24];
    sockets_channel(channel, conf);
    struct queue *queue = queue_open(conf, channel);
    enum queue_result result = queue ? queue_backup(queue, path) : QUEUE_FAULT;
    if (queue)
        queue_close(queue);
    if (result == QUEUE_OK)
        return 0;
    log_error("no backup: %s", reason(result));
    return EXIT_TEMPORARY;
}
