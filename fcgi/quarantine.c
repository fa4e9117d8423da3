#include "quarantine.h"

#include <stdio.h>

#include "exit_code.h"
#include "log.h"
#include "master/sockets.h"
#include "queue/queue_fleet.h"
#include "queue/queue_operators.h"

int quarantine_run(const struct conf *conf, const char *identity, bool begins) {
    char channel[SETTING_TEXT_SIZE + 24];
    struct queue_quarantine quarantine = {.begins = begins, .why = "by an operator"};
    if (!queue_is_name(identity)) {
        log_error("a name of a key or a machine has 1 to %zu letters, digits, dots, underscores "
                  "and dashes: see identity in GET /stats",
                  sizeof quarantine.identity - 1);
        return EXIT_CONFIG;
    }
    snprintf(quarantine.identity, sizeof quarantine.identity, "%s", identity);
    sockets_channel(channel, conf);
    struct queue *queue = queue_open(conf, channel);
    enum queue_result result = queue ? queue_quarantine(queue, &quarantine) : QUEUE_FAULT;
    if (queue)
        queue_close(queue);
    if (result == QUEUE_OK || result == QUEUE_NONE) {
        printf("%s is %s in quarantine%s\n", identity, begins ? "now" : "no longer",
               result == QUEUE_NONE ? "; it was so before" : "");
        return EXIT_OK;
    }
    log_error("nothing was changed: %s",
              result == QUEUE_DOWN ? "no server can be reached through RUN_DIR: it must run, and "
                                     "this must be its user"
                                   : "the server could not save it; see its log");
    return EXIT_TEMPORARY;
}
