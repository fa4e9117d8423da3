#ifndef HASHMILL_CLIENT_SCREEN_H
#define HASHMILL_CLIENT_SCREEN_H

#include "bar/bar_text.h"
#include "json.h"
#include "top/top_text.h"

/* Lines that are made out of cells, within the columns and the lines of a look; for the files of
 * this room. Texts may come from outside: see bar_clean. */
struct screen {
    struct buffer *out;
    const struct top_look *look;
    int lines; /* that are ended */
    int used;  /* columns of the present line */
};

enum { TOP_TEXT_SIZE = 400 };

/* The styles of a cell. */
extern const char style_plain[], style_title[], style_warning[], style_trouble[];

/* Appends a cell, cut to `width` columns and to what is left of the line, and filled up with blanks
 * to `width`; -1: as wide as its text. */
void put_cell(struct screen *screen, const char *style, int width, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* As put_cell, with the text at the right. */
void put_right(struct screen *screen, const char *style, int width, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends a text behind a gap, if it fits as a whole. */
void put_part(struct screen *screen, const char *style, int gap, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Ends the line. Beyond the last line of the look nothing appears. */
void end_line(struct screen *screen);

/* Appends a text, broken at blanks into at most `most` lines, behind a label. */
void put_folded(struct screen *screen, const char *style, const char *label, const char *text,
                int most);

/* How many lines there is room for. */
int lines_left(const struct screen *screen);

/* A member of an object as a number; below 0 when it is not there. */
double number_of(const struct json *json, int object, const char *name);

/* Writes a member of an object, a text, or "-". */
void read_text(char text[TOP_TEXT_SIZE], const struct json *json, int object, const char *name);

/* Writes a number of people's size, "-" for one below 0; those below 1,000 with two digits behind
 * the point if they have such. */
void write_number(char text[BAR_NUMBER_SIZE], double number);

#endif
