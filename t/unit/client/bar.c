/* The progress bar: what it says in each width, how it moves between reports, and what it writes to
 * something that is no terminal. The terminal itself is in t/client/bar.t. */
#include "client/bar/bar.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/bar/bar_motion.h"
#include "json_check.h"
#include "tap.h"

/* Thursday, 2026-01-01T12:00:00Z */
#define NOON_MS 1767268800000

static const struct bar_state half = {.items_done = 3,
                                      .items_all = 12,
                                      .iterations_done = 312345678,
                                      .iterations_all = 1000000000,
                                      .rate = 12345678,
                                      .eta_seconds = 125};

/* The bar as a string, until the next call. */
static const char *drawn(const struct bar_state *state, int columns, bool utf8) {
    static struct buffer out;
    struct bar_look look = {.columns = columns, .utf8 = utf8, .now_ms = NOON_MS};
    buffer_clear(&out);
    bar_text(&out, state, &look);
    buffer_append(&out, "", 1);
    return out.data;
}

static void check_widths(void) {
    is_text(drawn(&half, 97, true),
            " 3/12 items  ▕███████▏               ▏  31.2 %   312 M/1.00 G it  12.3 M it/s  "
            "ETA 2m05s (12:02)",
            "wide: all fields");
    is_text(drawn(&half, 77, true),
            " 3/12 items  ▕██████▌              ▏  31.2 %  12.3 M it/s  ETA 2m05s (12:02)",
            "80 columns: without iterations");
    is_text(drawn(&half, 77, false),
            " 3/12 items  [######               ]  31.2 %  12.3 M it/s  ETA 2m05s (12:02)",
            "without UTF-8: # and brackets");
    is_text(drawn(&half, 37, true), "▕████▋          ▏  31.2 %  ETA 2m05s", "40 columns");
    is_text(drawn(&half, 17, true), "▕██▏    ▏  31.2 %", "20 columns: bar and percentage");
    is_text(drawn(&half, 3, true), "", "three columns: nothing");
}

/* Draws in every width and compares what is said of the columns with what they are. */
static void check_columns(struct bar_state state) {
    struct buffer out = {0};
    int wrong = 0;
    state.note = "waits for http://127.0.0.1:8080, which does not answer";
    for (int i = 0; i < 600; i++) {
        struct bar_look look = {.columns = i / 2, .utf8 = i % 2, .now_ms = NOON_MS};
        buffer_clear(&out);
        int columns = bar_text(&out, &state, &look), counted = 0;
        for (size_t at = 0; at < out.length; counted++)
            at += utf8_length((const unsigned char *)out.data + at, out.length - at);
        wrong += columns != counted || columns > look.columns;
    }
    is_int(wrong, 0, "it takes the columns that it says, and never more than it has");
    buffer_free(&out);
}

static void check_parts(void) {
    struct bar_state state = half;
    state.iterations_done = state.iterations_all - 1;
    ok(strstr(drawn(&state, 37, true), "█▉▏  99.9 %") != NULL,
       "one iteration is missing: not full");
    state.iterations_done = state.iterations_all;
    state.eta_seconds = 0;
    ok(strstr(drawn(&state, 37, true), "██▏   100 %") != NULL, "all are done: full");
    state = (struct bar_state){.items_done = 1, .items_all = 4, .eta_seconds = -1};
    is_text(drawn(&state, 30, true), "1/4 items  ▕██▎      ▏  25.0 %",
            "items are the measure without iterations; what is unknown is left out");
    state = (struct bar_state){.eta_seconds = -1};
    is_text(drawn(&state, 20, false), "[          ]   0.0 %", "nothing is known");
}

/* Files that are put, of how many, and of a number that is not known. */
static void check_files(void) {
    struct bar_state state = {.files = true,
                              .items_done = 1200,
                              .items_all = 3000,
                              .iterations_done = 1228800,
                              .rate = 412.7,
                              .eta_seconds = 5};
    struct buffer line = {0};
    is_text(drawn(&state, 97, true),
            "1200/3000 files  ▕██████████               ▏  40.0 %  1.22 MB     412 files/s  "
            "ETA 5s (12:00)",
            "wide: files, bytes, rate");
    is_text(drawn(&state, 77, true),
            "1200/3000 files  ▕█████▌        ▏  40.0 %     412 files/s  ETA 5s (12:00)",
            "80 columns: without bytes");
    is_text(drawn(&state, 37, true), "▕██████         ▏  40.0 %  ETA 5s", "40 columns");
    bar_line(&line, &state, NOON_MS);
    buffer_append(&line, "", 1);
    is_text(line.data, "1200 of 3000 files put, 1.22 MB read, 412 files/s, ETA 5s (12:00)",
            "a line");
    state.rate = 0, state.eta_seconds = -1;
    is_text(drawn(&state, 77, true), "1200/3000 files  ▕█████▌        ▏  40.0 %",
            "the rate is not known yet: the bar is as long");
    state.items_all = 0, state.rate = 3.21;
    is_text(drawn(&state, 77, true), "1200 files  1.22 MB     3.2 files/s",
            "no number of all files: a count, and no bar");
    is_text(drawn(&state, 30, true), "1200 files     3.2 files/s", "the bytes have no room");
    is_text(drawn(&state, 17, true), "1200 files", "nor the rate");
    is_text(drawn(&state, 9, true), "", "nor the count");
    state.items_done = 1;
    buffer_clear(&line);
    bar_line(&line, &state, NOON_MS);
    buffer_append(&line, "", 1);
    is_text(line.data, "1 file put, 1.22 MB read, 3.2 files/s", "a line");
    buffer_free(&line);
}

static void check_numbers(void) {
    static const struct {
        int64_t value;
        const char *text;
    } numbers[] = {{0, "0"},
                   {999, "999"},
                   {1000, "1.00 k"},
                   {1239, "1.23 k"},
                   {99999, "99.9 k"},
                   {999999, "999 k"},
                   {12345678, "12.3 M"},
                   {9007199254740991, "9.00 P"},
                   {INT64_MAX, "9.22 E"},
                   {-1, "0"}};
    char text[BAR_NUMBER_SIZE];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        bar_number(text, numbers[i].value);
        is_text(text, numbers[i].text, "a number, rounded down");
    }
}

static void check_times(void) {
    static const struct {
        double seconds;
        const char *duration, *clock;
    } times[] = {{0, "ETA 0s", "(12:00)"},
                 {59.2, "ETA 1m00s", "(12:01)"},
                 {3600 * 3 + 61, "ETA 3h01m", "(15:01)"},
                 {86400 + 7200, "ETA 1d02h", "(Fri 14:00)"},
                 {86400 * 8, "ETA 8d00h", "(9 Jan)"},
                 {86400.0 * 400, "ETA 400d", "(Feb 2027)"},
                 {1e300, "ETA 1157407d", "(Nov 5194)"}};
    struct bar_state state = half;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        state.eta_seconds = times[i].seconds;
        const char *text = drawn(&state, 110, false);
        ok(strstr(text, times[i].duration) && strstr(text, times[i].clock), "%s %s",
           times[i].duration, times[i].clock);
    }
}

static void check_clean(void) {
    static const struct {
        const char *text;
        int columns;
        bool utf8;
        const char *clean;
    } texts[] = {{"a\033[2Jb\n\r\x7f", 20, true, "a?[2Jb???"},
                 {"caf\xc3\xa9 \xff", 20, true, "caf\xc3\xa9 ?"},
                 {"caf\xc3\xa9", 20, false, "caf??"},
                 {"\xc2\x9b\x32J \xe2\x80\x8e", 20, true, "?2J ?"},
                 {"a long one", 7, true, "a long…"},
                 {"a long one", 7, false, "a lo..."},
                 {"\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2", 5, true, "\xe6\xbc\xa2\xe5\xad\x97…"},
                 {"fits", 4, true, "fits"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buffer out = {0};
        int columns = bar_clean(&out, texts[i].text, texts[i].columns, texts[i].utf8);
        buffer_append(&out, "", 1);
        is_text(out.data, texts[i].clean, "text from outside is made harmless");
        ok(columns <= texts[i].columns, "and fits");
        buffer_free(&out);
    }
}

/* Reports two seconds apart, then none any more. */
static void check_motion(void) {
    struct bar_motion motion = {0};
    struct bar_state state = {
        .items_all = 2, .iterations_all = 1000, .rate = 100, .eta_seconds = 10};
    bar_motion_report(&motion, &state, 0);
    is_int(bar_motion_at(&motion, 1500).iterations_done, 0, "one report: the interval is unknown");
    state.iterations_done = 200;
    bar_motion_report(&motion, &state, 2000);
    is_int(bar_motion_at(&motion, 2500).iterations_done, 250, "it moves by the rate");
    bar_motion_report(&motion, &state, 3000);
    is_int(bar_motion_at(&motion, 3500).iterations_done, 350,
           "the same report again: no new start");
    ok(bar_motion_goes_on(&motion, 3500), "it goes on");
    is_int(bar_motion_at(&motion, 9000).iterations_done, 400, "for as long as reports were apart");
    ok(!bar_motion_goes_on(&motion, 9000), "and stands still then");
    is_int((int64_t)bar_motion_at(&motion, 9000).eta_seconds, 4, "the ETA counts down");
    is_int((int64_t)bar_motion_at(&motion, 60000).eta_seconds, 1, "the ETA stays above 0");
    state.iterations_done = 390;
    bar_motion_report(&motion, &state, 9000);
    is_int(bar_motion_at(&motion, 9000).iterations_done, 400, "it does not go backwards");
    is_int(bar_motion_at(&motion, 9500).iterations_done, 440,
           "and waits until it was caught up with");
    state.iterations_done = 997;
    bar_motion_report(&motion, &state, 11000);
    is_int(bar_motion_at(&motion, 12000).iterations_done, 998, "each of two items has one left");
    state.items_done = 1;
    bar_motion_report(&motion, &state, 13000);
    is_int(bar_motion_at(&motion, 15000).iterations_done, 999, "one item has one left");
    state.items_all = 1, state.iterations_all = 500, state.iterations_done = 0;
    bar_motion_report(&motion, &state, 16000);
    is_int(bar_motion_at(&motion, 17000).iterations_done, 0, "another job starts from its start");
}

/* What a bar in this mode writes to a pipe: three reports, SIGUSR1 if wanted, a note, the end. */
static const char *written(enum bar_mode mode, bool signalled) {
    static char text[4096];
    int ends[2];
    if (pipe(ends) != 0)
        return NULL;
    FILE *err = fdopen(ends[1], "w");
    struct bar *bar = bar_open(err, mode);
    for (int i = 0; i < 3; i++)
        bar_update(bar, &half);
    if (signalled)
        raise(SIGUSR1);
    bar_tick(bar);
    bar_note(bar, "a \033note");
    bar_close(bar);
    fclose(err);
    ssize_t length = read(ends[0], text, sizeof text - 1);
    text[length > 0 ? length : 0] = '\0';
    close(ends[0]);
    return text;
}

static void check_pipe(void) {
#define LINE "hashmill: 3 of 12 items, 312 M of 1.00 G iterations (31.2 %), 12.3 M it/s, ETA 2m"
    const char *text = written(BAR_AUTO, false);
    is_text(text, "a ?note\n", "a pipe: nothing but the note");
    text = written(BAR_NONE, true);
    ok(strncmp(text, LINE, strlen(LINE)) == 0 && strstr(text, ")\na ?note\n"),
       "SIGUSR1 prints a line when there is no bar");
    text = written(BAR_LINE, false);
    const char *second = strchr(text, '\n');
    ok(strncmp(text, LINE, strlen(LINE)) == 0, "--progress=line: a line at the start");
    ok(second && strncmp(second, "\na ?note\n" LINE, strlen("\na ?note\n" LINE)) == 0,
       "a note; and a line at the end");
}

int main(void) {
    setenv("TZ", "UTC0", 1);
    tzset();
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    check_widths();
    check_columns(half);
    check_columns((struct bar_state){.files = true, .items_all = 9, .items_done = 2, .rate = 1});
    check_columns((struct bar_state){.files = true, .items_done = 99999, .eta_seconds = -1});
    check_parts();
    check_files();
    check_numbers();
    check_times();
    check_clean();
    check_motion();
    check_pipe();
    return done_testing();
}
