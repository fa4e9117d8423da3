#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "json_check.h"

/* TAIL_MAX: what may follow the text of a line. */
enum { TEXT_MAX = 1000, TAIL_MAX = LOG_REQUEST_SIZE + 24, ESCAPE_MAX = 13 };

/* A line that is being made. */
struct line {
    size_t length;
    char bytes[PIPE_BUF];
};

static const char *log_program = "hashmill";
static const char *log_role = "main";
static enum log_level log_level_max = LOG_LEVEL_INFO;
static enum log_format log_form = LOG_FORMAT_TEXT;
static bool log_to_journal;
static struct log_request log_request;
static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const char *const format_names[] = {"text", "json"};
static const int priorities[] = {3, 4, 6, 7}; /* of syslog */

/* Whether standard error is what systemd names as DEVICE:INODE. */
static bool is_journal(const char *named) {
    struct stat own;
    char text[60];
    if (!named || fstat(STDERR_FILENO, &own) != 0)
        return false;
    snprintf(text, sizeof text, "%ju:%ju", (uintmax_t)own.st_dev, (uintmax_t)own.st_ino);
    return strcmp(named, text) == 0;
}

void log_open(const char *program, const char *role) {
    log_program = program;
    log_role = role;
    log_to_journal = is_journal(getenv("JOURNAL_STREAM"));
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

void log_set_level(enum log_level level) {
    log_level_max = level;
}

bool log_level_named(const char *name, enum log_level *level) {
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
        if (strcasecmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_format(enum log_format format) {
    log_form = format;
}

bool log_format_named(const char *name, enum log_format *format) {
    for (int i = LOG_FORMAT_TEXT; i <= LOG_FORMAT_JSON; i++) {
        if (strcasecmp(name, format_names[i]) == 0) {
            *format = (enum log_format)i;
            return true;
        }
    }
    return false;
}

void log_set_request(const char *id) {
    size_t length = id ? strnlen(id, LOG_REQUEST_SIZE - 1) : 0;
    if (length > 0)
        memcpy(log_request.id, id, length);
    log_request.id[length] = '\0';
}

struct log_request log_get_request(void) {
    return log_request;
}

/* Appends what has room; program and role are short. */
static void append(struct line *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void append(struct line *line, const char *format, ...) {
    va_list arguments;
    size_t room = sizeof line->bytes - line->length;
    va_start(arguments, format);
    int length = vsnprintf(line->bytes + line->length, room, format, arguments);
    va_end(arguments);
    if (length > 0)
        line->length += (size_t)length < room ? (size_t)length : room - 1;
}

/* Appends one \uNNNN, or two for a code point beyond U+FFFF. */
static void append_code_point(struct line *line, unsigned code) {
    if (code > 0xffff) {
        append(line, "\\u%04x", 0xd800 + ((code - 0x10000) >> 10));
        code = 0xdc00 + (code & 0x3ff);
    }
    append(line, "\\u%04x", code);
}

/* The code point of a UTF-8 sequence. */
static unsigned decode(const unsigned char *bytes, size_t length) {
    unsigned code = length == 1 ? bytes[0] : bytes[0] & (0xffU >> (length + 1));
    for (size_t i = 1; i < length; i++)
        code = code << 6 | (bytes[i] & 0x3f);
    return code;
}

/* Appends the first character of a text for JSON. Returns how many bytes that is. */
static size_t append_json(struct line *line, const unsigned char *text, size_t available) {
    size_t length = utf8_length(text, available);
    if (length == 0) {
        append_code_point(line, 0xfffd);
        return 1;
    }
    if (*text == '"' || *text == '\\')
        append(line, "\\%c", *text);
    else if (*text >= 0x20 && *text < 0x7f)
        line->bytes[line->length++] = (char)*text;
    else
        append_code_point(line, decode(text, length));
    return length;
}

static size_t append_plain(struct line *line, const unsigned char *text) {
    if (*text >= 0x20 && *text < 0x7f)
        line->bytes[line->length++] = (char)*text;
    else
        append(line, "\\x%02x", *text);
    return 1;
}

/* Appends the text as the line's form wants it, up to where the line has no room but for its end.
 */
static void append_text(struct line *line, const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + strlen(text);
    while (at < end && line->length + ESCAPE_MAX + TAIL_MAX < sizeof line->bytes)
        at += log_form == LOG_FORMAT_JSON ? append_json(line, at, (size_t)(end - at))
                                          : append_plain(line, at);
}

/* Makes a line of the text, without the line break. */
static void make_line(struct line *line, enum log_level level, const char *text) {
    char now[CLOCK_TEXT_SIZE];
    clock_format(now, clock_wall_ms());
    if (log_to_journal)
        append(line, "<%d>", priorities[level]);
    if (log_form == LOG_FORMAT_JSON) {
        append(line,
               "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%.60s\",\"pid\":%d,"
               "\"role\":\"%.60s\",\"message\":\"",
               now, level_names[level], log_program, (int)getpid(), log_role);
        append_text(line, text);
        append(line, "\"");
        if (log_request.id[0])
            append(line, ",\"request\":\"%s\"", log_request.id);
        append(line, "}");
    } else {
        append(line, "%s %.60s[%d] %.60s %s: ", now, log_program, (int)getpid(), log_role,
               level_names[level]);
        append_text(line, text);
        if (log_request.id[0])
            append(line, " (request %s)", log_request.id);
    }
}

static void write_line(enum log_level level, const char *format, va_list arguments) {
    if (level > log_level_max)
        return;
    int saved_errno = errno;
    char text[TEXT_MAX];
    struct line line;
    line.length = 0;
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        text[0] = '\0';
    make_line(&line, level, text);
    line.bytes[line.length++] = '\n';
    if (write(STDERR_FILENO, line.bytes, line.length) < 0) {
        /* Nobody is left to tell. */
    }
    errno = saved_errno;
}

#define DEFINE_LOG(name, level)                                                                    \
    void name(const char *format, ...) {                                                           \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        write_line(level, format, arguments);                                                      \
        va_end(arguments);                                                                         \
    }

DEFINE_LOG(log_error, LOG_LEVEL_ERROR)
DEFINE_LOG(log_warn, LOG_LEVEL_WARN)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)
