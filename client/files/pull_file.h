#ifndef HASHMILL_CLIENT_PULL_FILE_H
#define HASHMILL_CLIENT_PULL_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

/*
 * A file that pulled values are appended to, each once whatever is killed when. Beside it, while a
 * pull goes on, is FILE.pull: the key of the batch that is asked for, the node, and how long the
 * file was before. A batch of the same key is the same again; so what of it the file has already is
 * compared, and the rest appended.
 */

enum { PULL_KEY_SIZE = 33, PULL_TEXT_SIZE = 1024, PULL_TOP_MAX = 1000 };

/* What FILE.pull says. */
struct pull_state {
    char key[PULL_KEY_SIZE];
    char url[PULL_TEXT_SIZE];    /* of the node that was asked */
    char client[PULL_TEXT_SIZE]; /* of --client; empty: none */
    char form[8];                /* of the lines: "plain", "quiet" or "json" */
    int64_t top;
    int64_t length; /* of the file before the batch */
};

struct pull_file;

/* Opens the file, which is made if there is none, and locks it. *found tells whether a pull was
 * broken off, and *state how it began. NULL with a message, and the exit code in *code. */
struct pull_file *pull_file_open(const char *path, struct pull_state *state, bool *found,
                                 int *code);

/* Writes FILE.pull with the length that the file has now, which *state gets; it is on the disk
 * before this returns. False with a message. */
bool pull_file_begin(struct pull_file *file, struct pull_state *state);

/* Appends what the file does not have yet of a batch, and syncs it. False with a message. */
bool pull_file_append(struct pull_file *file, const struct pull_state *state,
                      const struct buffer *lines);

/* Removes FILE.pull: no batch is under way. */
void pull_file_end(struct pull_file *file);

/* Closes the file. FILE.pull stays if there is one. */
void pull_file_close(struct pull_file *file);

#endif
