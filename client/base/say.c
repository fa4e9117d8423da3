#include "base/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_SIZE = 2000 };

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
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < ' ' || byte == 0x7f)
            buffer_printf(&line, "\\x%02x", byte);
        else
            buffer_append(&line, at, 1);
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

void out_bytes(const struct buffer *bytes) {
    if (drawn)
        drawn->hide(drawn->context);
    if (!told && fwrite(bytes->data, 1, bytes->length, stdout) != bytes->length)
        out_failed();
}

bool out_flush(void) {
    if (!told && fflush(stdout) != 0)
        out_failed();
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
