#ifndef HASHMILL_BUFFER_H
#define HASHMILL_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A growing run of bytes: request bodies read, replies written. Clearing keeps the memory, so a
 * process that reuses a buffer allocates only until it has seen its largest text.
 */
struct buffer {
    char *data; /* owned; NULL until the first append */
    size_t length;
    size_t capacity;
};

/* Makes room for `extra` more bytes after length. Running out of memory ends the process with a log
 * line: every caller is a supervised process whose requests are bounded in size. */
void buffer_reserve(struct buffer *buffer, size_t extra);

/* Append bytes, a string, or printf output. */
void buffer_append(struct buffer *buffer, const void *bytes, size_t length);
void buffer_puts(struct buffer *buffer, const char *text);
void buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Empties the buffer and keeps its memory. */
void buffer_clear(struct buffer *buffer);

/* Gives the memory back; the buffer is then as if zeroed. */
void buffer_free(struct buffer *buffer);

#endif
