#ifndef HASHMILL_CLIENT_WALK_H
#define HASHMILL_CLIENT_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/command.h"
#include "buffer.h"

/*
 * The files that a command names, one after the other: arguments first, then those of --from-file.
 * With -r the regular files below a directory come in the order of their names; symbolic links
 * below it are left out. Of a directory only the names are in memory.
 */

enum { BODY_BYTES_MAX = 262144 };

struct walk;

/* Opens a walk over what the command names. NULL with a message when the list cannot be opened. */
struct walk *walk_open(const struct command *command);
void walk_close(struct walk *walk);

enum walk_step { WALK_FILE, WALK_BAD /* said why */, WALK_END };

/* Reads the next file, its body into *body. *name gets its name as it was given, "-" for standard
 * input, which lives until the next call. */
enum walk_step walk_next(struct walk *walk, const char **name, struct buffer *body);

/* The name made absolute, without "." and empty parts; "-" stays. Appended with a NUL. */
void walk_absolute(struct buffer *path, const char *name);

#endif
