#include "bar_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#include "json_check.h"

enum {
    GAP = 2,        /* columns between two fields */
    CAPS = 2,       /* columns of the ends of the bar */
    BAR_MAX = 42,   /* columns of the bar when there is room */
    NOTED_MAX = 18, /* and beside a note */
    NOTE_MIN = 8,   /* columns that are worth a note */
    COLUMNS_MIN = 4,
    EIGHTHS = 8,
    FIELD_SIZE = 80
};

/* The fields in their order; the bar stands behind the items. */
enum field { ITEMS, PERCENT, ITERATIONS, RATE, ETA, CLOCK, FIELDS };

struct fields {
    char text[FIELDS][FIELD_SIZE]; /* "" for one that is not shown */
};

/* A field is left out when the bar would have fewer columns than this beside it; in this order. */
static const struct {
    enum field field;
    int bar_min;
} sacrifices[] = {{ITERATIONS, 20}, {CLOCK, 12}, {RATE, 10}, {ITEMS, 7}, {ETA, 6}, {PERCENT, 6}};

/* The columns kept for a field, so that the bar keeps its length while the numbers change. */
static const int usual_columns[FIELDS] = {[ETA] = 10, [CLOCK] = 7};

void bar_number(char text[BAR_NUMBER_SIZE], int64_t value) {
    static const char units[] = " kMGTPE";
    int64_t unit = 1;
    int power = 0;
    for (value = value < 0 ? 0 : value; value / unit >= 1000; power++)
        unit *= 1000;
    int whole = (int)(value / unit);
    int thousandths = power == 0 ? 0 : (int)(value % unit / (unit / 1000));
    if (power == 0)
        snprintf(text, BAR_NUMBER_SIZE, "%d", whole);
    else if (whole >= 100)
        snprintf(text, BAR_NUMBER_SIZE, "%d %c", whole, units[power]);
    else if (whole >= 10)
        snprintf(text, BAR_NUMBER_SIZE, "%d.%d %c", whole, thousandths / 100, units[power]);
    else
        snprintf(text, BAR_NUMBER_SIZE, "%d.%02d %c", whole, thousandths / 10, units[power]);
}

/* Whole seconds, rounded up, within what the texts can show. */
static int64_t whole_seconds(double seconds) {
    const double most = 1e11; /* 3,000 years */
    if (!(seconds > 0))
        return 0;
    int64_t whole = (int64_t)(seconds < most ? seconds : most);
    return whole + ((double)whole < seconds && seconds < most);
}

void bar_duration(char text[BAR_DURATION_SIZE], double seconds) {
    const int64_t minute = 60, hour = 3600, day = 86400;
    int64_t whole = whole_seconds(seconds);
    if (whole < minute)
        snprintf(text, BAR_DURATION_SIZE, "%ds", (int)whole);
    else if (whole < hour)
        snprintf(text, BAR_DURATION_SIZE, "%dm%02ds", (int)(whole / minute), (int)(whole % minute));
    else if (whole < day)
        snprintf(text, BAR_DURATION_SIZE, "%dh%02dm", (int)(whole / hour),
                 (int)(whole % hour / minute));
    else if (whole < 100 * day)
        snprintf(text, BAR_DURATION_SIZE, "%dd%02dh", (int)(whole / day),
                 (int)(whole % day / hour));
    else
        snprintf(text, BAR_DURATION_SIZE, "%dd", (int)(whole / day));
}

/* How many of so many parts are done, rounded down; all of them only at the end. */
static int64_t parts_done(const struct bar_state *state, int64_t parts) {
    bool by_items = state->iterations_all <= 0;
    int64_t done = by_items ? state->items_done : state->iterations_done;
    int64_t all = by_items ? state->items_all : state->iterations_all;
    if (all <= 0 || done <= 0)
        return 0;
    if (done >= all)
        return parts;
    int64_t count = (int64_t)((double)done / (double)all * (double)parts);
    return count < parts ? count : parts - 1;
}

static void put_percent(char text[FIELD_SIZE], const struct bar_state *state) {
    int64_t permille = parts_done(state, 1000);
    if (permille == 1000)
        snprintf(text, FIELD_SIZE, "100 %%");
    else
        snprintf(text, FIELD_SIZE, "%d.%d %%", (int)(permille / 10), (int)(permille % 10));
}

/* The time of day of the end: "14:32", on another day "Thu 14:32", or "2 Jan" when that is further
 * away, or "Jan 2031". "" when it is not known. */
static void put_clock(char text[FIELD_SIZE], double eta_seconds, int64_t now_ms) {
    const int64_t day = 86400;
    int64_t seconds = whole_seconds(eta_seconds);
    time_t now = (time_t)(now_ms / 1000), end = now + (time_t)seconds;
    struct tm today, then;
    text[0] = '\0';
    if (eta_seconds < 0 || !localtime_r(&now, &today) || !localtime_r(&end, &then))
        return;
    bool same_day = today.tm_yday == then.tm_yday && today.tm_year == then.tm_year;
    if (same_day)
        strftime(text, FIELD_SIZE, "%H:%M", &then);
    else if (seconds < 6 * day)
        strftime(text, FIELD_SIZE, "%a %H:%M", &then);
    else if (seconds < 300 * day)
        strftime(text, FIELD_SIZE, "%e %b", &then);
    else
        strftime(text, FIELD_SIZE, "%b %Y", &then);
    if (text[0] == ' ') /* of %e, the day of the month */
        memmove(text, text + 1, strlen(text));
}

static int digits(int64_t value) {
    return snprintf(NULL, 0, "%lld", (long long)value);
}

/* Whether the end is known, so that there is a bar. */
static bool has_end(const struct bar_state *state) {
    return !state->files || state->items_all > 0;
}

/* What is counted, one or several. */
static const char *name_of(const struct bar_state *state, int64_t count) {
    if (state->files)
        return count == 1 ? "file" : "files";
    return count == 1 ? "item" : "items";
}

/* A number of bytes: "12.3 MB". */
static void put_bytes(char text[FIELD_SIZE], int64_t bytes) {
    char number[BAR_NUMBER_SIZE];
    bar_number(number, bytes);
    snprintf(text, FIELD_SIZE, bytes < 1000 ? "%s B" : "%sB", number);
}

/* A rate with its unit. "" when it is not known. */
static void put_rate(char text[FIELD_SIZE], const struct bar_state *state) {
    char number[BAR_NUMBER_SIZE];
    double rate = state->rate < 9e18 ? state->rate : 9e18;
    text[0] = '\0';
    if (rate <= 0)
        return;
    bar_number(number, (int64_t)rate);
    if (state->files && rate < 10) /* "0 files/s" would look like none */
        snprintf(number, sizeof number, "%.1f", rate);
    snprintf(text, FIELD_SIZE, "%s %s", number, state->files ? "files/s" : "it/s");
}

/* The columns of most rates. */
static int rate_columns(const struct bar_state *state) {
    return (int)strlen(state->files ? "12.3 k files/s" : "12.3 k it/s");
}

/* Writes the fields that say how much is done. */
static void fill_amounts(struct fields *fields, const struct bar_state *state) {
    char done[BAR_NUMBER_SIZE], all[BAR_NUMBER_SIZE], text[FIELD_SIZE];
    if (state->items_all > 1)
        snprintf(fields->text[ITEMS], FIELD_SIZE, "%*lld/%lld %s", digits(state->items_all),
                 (long long)state->items_done, (long long)state->items_all, name_of(state, 2));
    else if (!has_end(state))
        snprintf(fields->text[ITEMS], FIELD_SIZE, "%lld %s", (long long)state->items_done,
                 name_of(state, state->items_done));
    put_percent(text, state);
    if (has_end(state))
        snprintf(fields->text[PERCENT], FIELD_SIZE, "%6s", text);
    if (state->files) {
        put_bytes(text, state->iterations_done);
        snprintf(fields->text[ITERATIONS], FIELD_SIZE, "%7.70s", text);
    } else if (state->iterations_all > 0) {
        bar_number(done, state->iterations_done);
        bar_number(all, state->iterations_all);
        snprintf(fields->text[ITERATIONS], FIELD_SIZE, "%6s/%s it", done, all);
    }
}

/* Writes all fields as they are when there is room. */
static void fill_fields(struct fields *fields, const struct bar_state *state, int64_t now_ms) {
    char text[FIELD_SIZE], duration[BAR_DURATION_SIZE];
    *fields = (struct fields){0};
    fill_amounts(fields, state);
    put_rate(text, state);
    if (text[0] != '\0')
        snprintf(fields->text[RATE], FIELD_SIZE, "%*.70s", rate_columns(state), text);
    if (state->eta_seconds >= 0) {
        bar_duration(duration, state->eta_seconds);
        snprintf(fields->text[ETA], FIELD_SIZE, "ETA %s", duration);
    }
    put_clock(text, state->eta_seconds, now_ms);
    if (text[0] != '\0')
        snprintf(fields->text[CLOCK], FIELD_SIZE, "(%.40s)", text);
    for (int i = RATE; i < FIELDS && state->files && state->rate <= 0; i++)
        snprintf(fields->text[i], FIELD_SIZE, "%*s",
                 i == RATE ? rate_columns(state) : usual_columns[i], ""); /* soon known */
}

/* The columns that a field takes with the gap beside it. */
static int field_columns(const struct fields *fields, enum field field) {
    int length = (int)strlen(fields->text[field]);
    int columns = length > usual_columns[field] ? length : usual_columns[field];
    return length == 0 ? 0 : columns + (field == CLOCK ? 1 : GAP);
}

/* Leaves out what does not fit. Returns the columns for the bar, if there is one. */
static int fit(struct fields *fields, int columns, bool bar) {
    for (int i = 0; i < FIELDS; i++)
        columns -= field_columns(fields, (enum field)i);
    for (size_t i = 0; i < sizeof sacrifices / sizeof *sacrifices; i++) {
        enum field field = sacrifices[i].field;
        if (columns < (bar ? sacrifices[i].bar_min : 0)) {
            columns += field_columns(fields, field);
            fields->text[field][0] = '\0';
        }
    }
    return columns;
}

/* Appends the bar alone. */
static void put_bar(struct buffer *out, const struct bar_state *state, const struct bar_look *look,
                    int columns) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int cells = columns - CAPS;
    int units = look->utf8 ? EIGHTHS : 1;
    int64_t filled = parts_done(state, (int64_t)cells * units);
    buffer_puts(out, look->utf8 ? "▕" : "[");
    if (look->colour)
        buffer_puts(out, "\033[32m");
    for (int i = 0; i < filled / units; i++)
        buffer_puts(out, look->utf8 ? "█" : "#");
    buffer_puts(out, eighths[filled % units]);
    if (look->colour)
        buffer_puts(out, "\033[0m");
    for (int64_t i = (filled + units - 1) / units; i < cells; i++)
        buffer_puts(out, " ");
    buffer_puts(out, look->utf8 ? "▏" : "]");
}

/* Appends a note in the columns that are left, if they are worth it. Returns those it takes. */
static int put_note(struct buffer *out, const char *note, const struct bar_look *look, int left) {
    if (!note || note[0] == '\0' || left < NOTE_MIN + GAP)
        return 0;
    buffer_printf(out, "%*s%s", GAP, "", look->colour ? "\033[33m" : "");
    int columns = bar_clean(out, note, left - GAP, look->utf8);
    buffer_puts(out, look->colour ? "\033[0m" : "");
    return columns + GAP;
}

int bar_text(struct buffer *out, const struct bar_state *state, const struct bar_look *look) {
    struct fields fields;
    int most = state->note && state->note[0] != '\0' ? NOTED_MAX : BAR_MAX;
    if (look->columns < COLUMNS_MIN)
        return 0;
    fill_fields(&fields, state, look->now_ms);
    int bar = fit(&fields, look->columns, has_end(state));
    bar = bar < most ? bar : most;
    bar = has_end(state) ? bar : 0;
    int used = bar;
    for (int i = 0; i < FIELDS; i++) {
        const char *text = fields.text[i];
        if (text[0] != '\0') {
            int gap = i == CLOCK ? 1 : GAP;
            buffer_printf(out, "%*s%s", i == ITEMS ? 0 : gap, "", text);
            used += (int)strlen(text) + (i == ITEMS && bar == 0 ? 0 : gap);
        }
        if (i == ITEMS && bar > 0) {
            buffer_printf(out, "%*s", text[0] != '\0' ? GAP : 0, "");
            put_bar(out, state, look, bar);
        }
    }
    used += put_note(out, state->note, look, look->columns - used);
    for (; out->length > 0 && out->data[out->length - 1] == ' '; used--)
        out->length--; /* a terminal folds a line without them */
    return used;
}

/* Appends how much is done, as the start of a sentence. */
static void put_amounts(struct buffer *out, const struct bar_state *state) {
    char done[BAR_NUMBER_SIZE], all[BAR_NUMBER_SIZE], text[FIELD_SIZE];
    int64_t items = state->items_all > 0 ? state->items_all : state->items_done;
    if (state->items_all > 0)
        buffer_printf(out, "%lld of ", (long long)state->items_done);
    if (state->items_all > 0 || state->files)
        buffer_printf(out, "%lld %s%s, ", (long long)items, name_of(state, items),
                      state->files ? " put" : "");
    put_percent(text, state);
    if (state->files) {
        put_bytes(text, state->iterations_done);
        buffer_printf(out, "%s read", text);
    } else if (state->iterations_all > 0) {
        bar_number(done, state->iterations_done);
        bar_number(all, state->iterations_all);
        buffer_printf(out, "%s of %s iterations (%s)", done, all, text);
    } else {
        buffer_puts(out, text);
    }
}

void bar_line(struct buffer *out, const struct bar_state *state, int64_t now_ms) {
    char text[FIELD_SIZE], duration[BAR_DURATION_SIZE];
    put_amounts(out, state);
    put_rate(text, state);
    if (text[0] != '\0')
        buffer_printf(out, ", %s", text);
    put_clock(text, state->eta_seconds, now_ms);
    if (text[0] != '\0') {
        bar_duration(duration, state->eta_seconds);
        buffer_printf(out, ", ETA %s (%s)", duration, text);
    }
    if (state->note && state->note[0] != '\0') {
        buffer_puts(out, "; ");
        bar_clean(out, state->note, 200, false);
    }
}

/* The character of a valid sequence of UTF-8. */
static wchar_t decode(const unsigned char *bytes, size_t length) {
    wchar_t character = length == 1 ? bytes[0] : (wchar_t)(bytes[0] & (0x7f >> length));
    for (size_t i = 1; i < length; i++)
        character = character << 6 | (bytes[i] & 0x3f);
    return character;
}

/* Whether a character turns the direction of the text around it. */
static bool turns_text(wchar_t character) {
    return character == 0x061c || character == 0x200e || character == 0x200f ||
           (character >= 0x202a && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069);
}

/* The first character of a text: its bytes, and the columns it takes; -1 when it must not be
 * shown. */
static int character_columns(const char *text, bool utf8, size_t *bytes) {
    const unsigned char *first = (const unsigned char *)text;
    size_t length = utf8 ? utf8_length(first, strnlen(text, 4)) : *first < 0x80;
    *bytes = length > 0 ? length : 1;
    if (length == 0 || *first < ' ' || *first == 0x7f)
        return -1;
    if (length == 1)
        return 1;
    wchar_t character = decode(first, length);
    return turns_text(character) ? -1 : wcwidth(character);
}

/* The columns of a whole text. */
static int text_columns(const char *text, bool utf8) {
    int columns = 0;
    size_t bytes;
    for (; *text != '\0'; text += bytes) {
        int more = character_columns(text, utf8, &bytes);
        columns += more < 0 ? 1 : more;
    }
    return columns;
}

int bar_clean(struct buffer *out, const char *text, int columns, bool utf8) {
    const char *mark = utf8 ? "…" : "...";
    int mark_columns = utf8 ? 1 : 3;
    bool cut = text_columns(text, utf8) > columns;
    int used = 0;
    size_t bytes;
    if (cut && columns < mark_columns)
        return 0;
    for (; *text != '\0'; text += bytes) {
        int more = character_columns(text, utf8, &bytes);
        if (cut && used + (more < 0 ? 1 : more) > columns - mark_columns) {
            buffer_puts(out, mark);
            return used + mark_columns;
        }
        if (more < 0)
            buffer_puts(out, "?");
        else
            buffer_append(out, text, bytes);
        used += more < 0 ? 1 : more;
    }
    return used;
}
