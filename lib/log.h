#ifndef HASHMILL_LOG_H
#define HASHMILL_LOG_H

/*
 * The log: one line on standard error for each event, written with one write(2) so that lines of
 * several processes never mix:
 *
 *     2026-01-31T12:00:00.123Z hashmill-fcgi[4711] writer warn: text
 *
 * Levels: an error needs an operator; a warning is something that hashmill got over by itself; info
 * is what an operator likes to read afterwards; debug is for developers. A client's mistake is
 * answered to the client and is at most a debug line.
 */

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Names the program and the process's role ("master", "writer", ...). Both strings must outlive
 * their use. May be called again, as after a fork. Ignores SIGPIPE and SIGXFSZ: from here on no
 * write ends the process. One to a closed pipe fails with EPIPE, one beyond the limit on file sizes
 * with EFBIG. */
void log_open(const char *program, const char *role);

/* Sets the least important level that is written; info until called. */
void log_set_level(enum log_level level);

/* Reads a level's name, "error", "warn", "info" or "debug", in upper or lower case. False for any
 * other text. */
bool log_level_named(const char *name, enum log_level *level);

/* Write one line. Control characters and bytes outside ASCII in the finished text are shown as
 * \xNN, so nobody can forge a line. A text over 1,000 bytes is cut. errno is preserved; "%m" works.
 */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
