#include "base/say.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/shown.h"

/* A message has room for the longest path there is. */
enum { TEXT_SIZE = 6000, KEPT_MAX = 65536 };

static const struct drawing *drawn;

void say_through(const struct drawing *drawing) {
    drawn = drawing;
}

void say(const char *format, ...) {
    int number = errno;
    char text[TEXT_SIZE];
    struct buffer line = {0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buffer_puts(&line, "hashmill: ");
    for (const char *at = text; *at != '\0';) {
        size_t length = shown_length(at);
        if (length == 0)
            buffer_printf(&line, "\\x%02x", (unsigned char)*at);
        buffer_append(&line, at, length);
        at += length > 0 ? length : 1;
    }
    buffer_append(&line, drawn ? "" : "\n", 1);
    if (drawn)
        drawn->note(drawn->context, line.data);
    else if (write(STDERR_FILENO, line.data, line.length) < 0)
        errno = 0; /* nobody can be told */
    buffer_free(&line);
    errno = number;
}

static bool told;

/* Notes that standard output fails. */
static void out_failed(void) {
    if (!told && errno != EPIPE)
        say("cannot write to standard output: %m");
    told = true;
}

static struct buffer kept; /* for standard output */

/* Writes what is kept, to its last byte: a signal does not cut it. */
static void write_kept(void) {
    size_t written = 0;
    while (written < kept.length && !told) {
        ssize_t more = write(STDOUT_FILENO, kept.data + written, kept.length - written);
        struct pollfd fd = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (more >= 0)
            written += (size_t)more;
        else if (errno == EAGAIN)
            poll(&fd, 1, -1);
        else if (errno != EINTR)
            out_failed();
    }
    buffer_clear(&kept);
}

/* Whether what is written may appear where the drawing is: not in a file. */
static bool is_beside_drawing(void) {
    static enum { UNKNOWN, BESIDE, ELSEWHERE } where;
    struct stat out;
    if (where == UNKNOWN)
        where = fstat(STDOUT_FILENO, &out) == 0 && (S_ISFIFO(out.st_mode) || isatty(STDOUT_FILENO))
                    ? BESIDE
                    : ELSEWHERE;
    return where == BESIDE;
}

void out_bytes(const struct buffer *bytes) {
    if (drawn && is_beside_drawing())
        drawn->hide(drawn->context);
    if (!told)
        buffer_append(&kept, bytes->data, bytes->length);
    if (kept.length >= KEPT_MAX || isatty(STDOUT_FILENO))
        write_kept();
}

bool out_flush(void) {
    if (!told && fflush(stdout) != 0) /* of the help */
        out_failed();
    write_kept();
    return !told;
}

void put_name(struct buffer *line, const char *name) {
    for (; *name != '\0'; name++) {
        if (*name == '\\')
            buffer_puts(line, "\\\\");
        else if (*name == '\n')
            buffer_puts(line, "\\n");
        else if (*name == '\r')
            buffer_puts(line, "\\r");
        else
            buffer_append(line, name, 1);
    }
}

bool name_is_escaped(const char *name) {
    return strpbrk(name, "\\\n\r") != NULL;
}
