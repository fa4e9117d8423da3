#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

enum { TEXT_MAX = 1000, LINE_MAX_BYTES = TEXT_MAX * 4 + 200 };

static const char *log_program = "hashmill";
static const char *log_role = "main";
static enum log_level log_level_max = LOG_LEVEL_INFO;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_open(const char *program, const char *role) {
    log_program = program;
    log_role = role;
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

/* Appends text to line at position `at`, with anything but printable ASCII as \xNN. Returns the new
 * end. The caller guarantees room for four times strlen(text). */
static size_t append_escaped(char *line, size_t at, const char *text) {
    static const char digits[] = "0123456789abcdef";
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c >= 0x20 && *c < 0x7f) {
            line[at++] = (char)*c;
        } else {
            line[at++] = '\\';
            line[at++] = 'x';
            line[at++] = digits[*c >> 4];
            line[at++] = digits[*c & 15];
        }
    }
    return at;
}

static void write_line(enum log_level level, const char *format, va_list arguments) {
    if (level > log_level_max)
        return;
    int saved_errno = errno;
    char text[TEXT_MAX];
    char line[LINE_MAX_BYTES];
    char now[CLOCK_TEXT_SIZE];
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        text[0] = '\0';
    clock_format(now, clock_wall_ms());
    int head = snprintf(line, 200, "%s %s[%d] %s %s: ", now, log_program, (int)getpid(), log_role,
                        level_names[level]);
    size_t end = append_escaped(line, head < 200 ? (size_t)head : 199, text);
    line[end++] = '\n';
    if (write(STDERR_FILENO, line, end) < 0) {
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
