#ifndef HASHMILL_CLIENT_COUNT_H
#define HASHMILL_CLIENT_COUNT_H

#include <stdint.h>

#include "base/command.h"

/* Counts the files that a command names, for people: a walk (walk.h) may meet others later. Files
 * are not opened. From time to time `counted` gets the number so far, to be shown. Returns it; 0
 * when it cannot be known, as of a list that comes by a pipe, or when the user wants to stop. */
int64_t count_files(const struct command *command, void (*counted)(void *context, int64_t count),
                    void *context);

#endif
