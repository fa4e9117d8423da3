#include "top/screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE_SIZE = 2000, LABEL_COLUMNS = 12, FOLD_MIN = 16 };

const char style_plain[] = "", style_title[] = "\033[1m", style_warning[] = "\033[33m",
           style_trouble[] = "\033[31m";

int lines_left(const struct screen *screen) {
    int left = screen->look->lines - screen->lines;
    return left > 0 ? left : 0;
}

/* Appends blanks. */
static void put_blanks(struct screen *screen, int columns) {
    if (columns > 0)
        buffer_printf(screen->out, "%*s", columns, "");
    screen->used += columns > 0 ? columns : 0;
}

/* Appends a text in at most so many columns, at their left or right end; below 0: as it is. */
static void put_text(struct screen *screen, const char *style, int width, bool right,
                     const char *text) {
    const struct top_look *look = screen->look;
    struct buffer clean = {0};
    int left = look->columns - screen->used;
    if (lines_left(screen) == 0 || left <= 0)
        return;
    int room = width < 0 || width > left ? left : width;
    int columns = bar_clean(&clean, text, room, look->utf8);
    if (right && width >= 0)
        put_blanks(screen, room - columns);
    bool styled = look->colour && style[0] != '\0';
    buffer_puts(screen->out, styled ? style : "");
    buffer_append(screen->out, clean.data, clean.length);
    buffer_puts(screen->out, styled ? "\033[0m" : "");
    screen->used += columns;
    if (!right && width >= 0)
        put_blanks(screen, room - columns);
    buffer_free(&clean);
}

void put_cell(struct screen *screen, const char *style, int width, const char *format, ...) {
    char text[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put_text(screen, style, width, false, text);
}

void put_right(struct screen *screen, const char *style, int width, const char *format, ...) {
    char text[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put_text(screen, style, width, true, text);
}

void put_part(struct screen *screen, const char *style, int gap, const char *format, ...) {
    char text[LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (screen->used + gap + (int)strlen(text) > screen->look->columns)
        return;
    put_cell(screen, style_plain, gap, "%s", "");
    put_text(screen, style, -1, false, text);
}

void end_line(struct screen *screen) {
    if (lines_left(screen) > 0) {
        while (screen->out->length > 0 && screen->out->data[screen->out->length - 1] == ' ')
            screen->out->length--;
        buffer_puts(screen->out, "\n");
    }
    screen->lines++;
    screen->used = 0;
}

/* The bytes of a text that go on a line of so many columns: up to a blank if there is one. */
static size_t fold_at(const char *text, int columns) {
    size_t most = (size_t)columns;
    size_t length = strlen(text);
    if (length <= most)
        return length;
    for (size_t i = most; i > 0; i--) {
        if (text[i] == ' ')
            return i;
    }
    return most;
}

void put_folded(struct screen *screen, const char *style, const char *label, const char *text,
                int most) {
    int columns = screen->look->columns - LABEL_COLUMNS;
    for (int i = 0; i < most && (*text != '\0' || i == 0); i++) {
        size_t length = columns < FOLD_MIN || i == most - 1 ? strlen(text) : fold_at(text, columns);
        put_cell(screen, style, LABEL_COLUMNS, "%s", i == 0 ? label : "");
        put_cell(screen, style, -1, "%.*s", (int)length, text);
        end_line(screen);
        text += length;
        text += strspn(text, " ");
    }
}

double number_of(const struct json *json, int object, const char *name) {
    double number = -1;
    json_positive(json, json_member(json, object, name), &number);
    return number;
}

void read_text(char text[TOP_TEXT_SIZE], const struct json *json, int object, const char *name) {
    if (!json_string(json, json_member(json, object, name), text, TOP_TEXT_SIZE) || text[0] == '\0')
        snprintf(text, TOP_TEXT_SIZE, "-");
}

void write_number(char text[BAR_NUMBER_SIZE], double number) {
    if (number < 0)
        snprintf(text, BAR_NUMBER_SIZE, "-");
    else if (number > 0 && number < 1000 && number != (double)(int64_t)number)
        snprintf(text, BAR_NUMBER_SIZE, "%.2f", number);
    else
        bar_number(text, number < 9e18 ? (int64_t)number : INT64_MAX);
}
