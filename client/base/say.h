#ifndef HASHMILL_CLIENT_SAY_H
#define HASHMILL_CLIENT_SAY_H

#include <stdbool.h>

#include "buffer.h"

/* Messages for people go to standard error, data to standard output. */

/* Prints "hashmill: TEXT" and a newline on standard error. Control characters, and bytes that are
 * no UTF-8, are shown as \xNN. errno is preserved; "%m" works. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What is drawn on the terminal while a command works. */
struct drawing {
    void (*note)(void *context, const char *line); /* takes a message, without the newline */
    void (*hide)(void *context); /* is called before anything goes to standard output, unless
                                    that is a file */
    void *context;
};

/* Has messages go through a drawing, which is borrowed, from now on; NULL: back to standard error.
 */
void say_through(const struct drawing *drawing);

/* Writes bytes to standard output; what is written is kept until out_flush, or until it is much. */
void out_bytes(const struct buffer *bytes);

/* Writes what is kept. False when the output cannot be written; the first time it says so, unless
 * the reader has closed a pipe, which is no fault. */
bool out_flush(void);

/* Appends a file's name to a line: a backslash becomes \\, a newline \n, a carriage return \r. */
void put_name(struct buffer *line, const char *name);

/* Whether put_name changes the name. sha512sum begins such a line with a backslash, and so do we.
 */
bool name_is_escaped(const char *name);

#endif
