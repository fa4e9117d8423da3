#ifndef HASHMILL_FUZZ_CLIENT_FILES_H
#define HASHMILL_FUZZ_CLIENT_FILES_H

/* What the targets for files of the client program share. For one source file of a program. */

#include "base/say.h"
#include "fuzz.h"

/* Nothing must outlive a power cut here, and to wait for a disk would take most of the time. */
int fsync(int fd) {
    (void)fd;
    return 0;
}

int fdatasync(int fd) {
    (void)fd;
    return 0;
}

/* Messages are for nobody here. */
static void drop(void *context, const char *line) {
    (void)context;
    must(strlen(line) > 0);
}

static void hide(void *context) {
    (void)context;
}

static const struct drawing nobody = {drop, hide, NULL};

#endif
