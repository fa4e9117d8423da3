#ifndef HASHMILL_CLIENT_ENQUEUE_H
#define HASHMILL_CLIENT_ENQUEUE_H

#include "base/command.h"
#include "files/journal.h"

/*
 * Puts the files of a command into the queue, each once, however often the command is run: what has
 * its id in the journal of the job is not sent again, and what was sent without an answer goes to
 * the same node with the same key.
 */

/* A file on its way. The texts live during the call. */
struct enqueued {
    int item;         /* its number in the journal; of two equal files the same */
    const char *name; /* as it was given */
    const uint8_t *digest;
};

struct enqueue_events {
    /* In the order of the files: each that will be put, or was put before. */
    void (*listed)(void *context, const struct enqueued *file);
    /* In any order: its id is in the journal, unless `failed`. */
    void (*placed)(void *context, const struct enqueued *file, bool failed);
    void *context;
};

/* Puts all files. Returns the exit code; messages say what went wrong. */
int enqueue_all(struct session *session, struct journal *journal,
                const struct enqueue_events *events);

/* Checks what put and run need on the command line. False with a message. */
bool enqueue_check(const struct command *command);

/* The job of a command: "default" unless it names one. */
const char *enqueue_job(const struct command *command);

#endif
