#ifndef HASHMILL_LOG_H
#define HASHMILL_LOG_H

/*
 * The log: one line on standard error for each event, written with one write(2) of at most PIPE_BUF
 * bytes, so that lines of several processes never mix:
 *
 *     2026-01-31T12:00:00.123Z hashmill-fcgi[4711] writer warn: text
 *
 * or in the form "json":
 *
 *     {"time":"2026-01-31T12:00:00.123Z","level":"warn","program":"hashmill-fcgi","pid":4711,
 *      "role":"writer","message":"text"}
 *
 * What a request causes has its id behind the text, " (request ID)", or as the member "request".
 * When standard error is the journal of systemd, each line begins with <N>, its priority, which the
 * journal takes away: 3 for an error, 4, 6, and 7 for debug.
 *
 * Levels: an error needs an operator; a warning is something that hashmill got over by itself; info
 * is what an operator likes to read afterwards; debug is for developers. A client's mistake is
 * answered to the client and is at most a debug line.
 */

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

enum { LOG_REQUEST_SIZE = 65 }; /* of the id of a request, with the NUL */

/* The id of a request, which goes along with what one process asks another to do; "": none. */
struct log_request {
    char id[LOG_REQUEST_SIZE];
};

/* Names the program and the process's role ("master", "writer", ...). Both strings must outlive
 * their use. May be called again, as after a fork. Looks at JOURNAL_STREAM, by which systemd says
 * whether standard error is its journal. Ignores SIGPIPE and SIGXFSZ: from here on no write ends
 * the process. One to a closed pipe fails with EPIPE, one beyond the limit on file sizes with
 * EFBIG. */
void log_open(const char *program, const char *role);

/* Sets the least important level that is written; info until called. */
void log_set_level(enum log_level level);

/* Reads a level's name, "error", "warn", "info" or "debug", in upper or lower case. False for any
 * other text. */
bool log_level_named(const char *name, enum log_level *level);

/* Sets the form of the lines; text until called. Children that are forked inherit it. */
void log_set_format(enum log_format format);

/* Reads a form's name, "text" or "json", in upper or lower case. False for any other text. */
bool log_format_named(const char *name, enum log_format *format);

/* Sets the id of the request whose lines follow, which is copied; NULL: none. The id is of letters,
 * digits, ".", "_" and "-", at most LOG_REQUEST_SIZE - 1 of them. For a process with one thread. */
void log_set_request(const char *id);

/* The id that is set now. */
struct log_request log_get_request(void);

/* Write one line. Control characters and bytes outside ASCII in the finished text are shown as
 * \xNN, in JSON as \uNNNN (U+FFFD for a byte that is not UTF-8), so nobody can forge a line. A text
 * over 1,000 bytes is cut, and one that has no room in its line. errno is preserved; "%m" works. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
