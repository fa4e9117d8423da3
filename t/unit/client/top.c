/* The screen of hashmill top: what it has room for in each size, and that nothing that comes from
 * outside does anything to a terminal. The terminal itself is in t/client/top.t. */
#include "client/top/top_text.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json_check.h"
#include "tap.h"

/* Thursday, 2026-01-01T12:00:00Z */
#define NOON_MS 1767268800000

/* A worker whose name is no friend. */
#define WORKER                                                                                     \
    "{\"name\":\"vm-\\u001b]0;evil\\u0007\",\"cores\":2,\"kernel\":\"avx512-x16\",\"rate\":"       \
    "12345678,"                                                                                    \
    "\"items\":6,\"last_seen_at\":\"2026-01-01T11:59:58.123Z\"}"

static const char stats_text[] =
    "{\"version\":\"0.1.1\",\"node\":0,\"warnings\":[{\"code\":\"disk-low\",\"detail\":"
    "\"Less than 5 % of the disk is free. Make room on it, or give the database another disk, as "
    "docs/operations.md says.\\u001b[2J\"}],\"paused\":[\"intake\"],"
    "\"items\":{\"waiting\":7,\"leased\":30,\"done\":1200,\"pulled\":0,\"cancelled\":0},"
    "\"remaining\":17000000000,\"eta_seconds\":125,\"oldest_wait_seconds\":3,"
    "\"rates\":{\"1s\":{\"enqueued\":3,\"done\":1,\"pulled\":0,\"iterations\":12345678},"
    "\"10s\":{\"enqueued\":0.3,\"done\":1,\"pulled\":0,\"iterations\":0},"
    "\"60s\":{\"enqueued\":3,\"done\":1,\"pulled\":0,\"iterations\":0}},"
    "\"fleet\":{\"workers\":[" WORKER "," WORKER "," WORKER "," WORKER "," WORKER "]}}";

static const char history_text[] =
    "{\"columns\":{\"done\":[null,0,10,20,40,80],\"waiting\":[null,8,8,4,2,0]}}";

static struct json stats, running, history;

/* Parses a text for good. */
static void parse(struct json *json, const char *text) {
    const char *why;
    if (!json_parse(json, text, strlen(text), &why))
        printf("Bail out! %s\n", why);
}

/* What many items that run look like. */
static void parse_running(void) {
    static struct buffer text;
    buffer_puts(&text, "{\"items\":[");
    for (int i = 0; i < 30; i++)
        buffer_printf(&text,
                      "%s{\"id\":\"01a20ad5-0000-7000-8000-0000000000%02d\",\"iterations\":"
                      "1000000000,\"remaining\":%d,\"rate\":12345678,\"eta_seconds\":125,"
                      "\"worker\":\"vm-\\u001b[31m\\u0007\\u009b\\u202e%d\\n\"}",
                      i > 0 ? "," : "", i, i == 0 ? 687654322 : 1000000000, i);
    buffer_append(&text, "]}", sizeof "]}");
    parse(&running, text.data);
}

/* The screen as a string, until the next call. */
static const char *drawn(int columns, int lines, bool utf8, bool all) {
    static struct buffer out;
    struct top_facts facts = {&stats, all ? &running : NULL, all ? &history : NULL};
    struct top_look look = {.columns = columns,
                            .lines = lines,
                            .utf8 = utf8,
                            .url = "http://127.0.0.1:8080",
                            .trouble = "",
                            .now_ms = NOON_MS};
    buffer_clear(&out);
    top_text(&out, &facts, &look);
    buffer_append(&out, "", 1);
    return out.data;
}

/* Whether a line of the screen begins with a text. */
static bool has_line(const char *screen, const char *text) {
    for (; screen; screen = strchr(screen, '\n')) {
        screen += *screen == '\n';
        if (strncmp(screen, text, strlen(text)) == 0)
            return true;
    }
    return false;
}

static int count_lines(const char *screen) {
    int count = 0;
    for (; *screen != '\0'; screen++)
        count += *screen == '\n';
    return count;
}

/* The columns of a line, and whether it has anything that a terminal obeys. */
static int columns_of(const char *line, bool *harmless) {
    int columns = 0;
    const unsigned char turned[] = {0xe2, 0x80, 0xae}; /* text from right to left */
    size_t length = strcspn(line, "\n");
    for (size_t at = 0; at < length; columns++) {
        size_t bytes = utf8_length((const unsigned char *)line + at, length - at);
        *harmless &= bytes > 0 && (unsigned char)line[at] >= ' ' && line[at] != 0x7f &&
                     strncmp(line + at, "\xc2\x9b", 2) != 0 &&
                     !(bytes == sizeof turned && memcmp(line + at, turned, bytes) == 0);
        at += bytes > 0 ? bytes : 1;
    }
    return columns;
}

static void check_sizes(bool utf8) {
    int too_wide = 0, too_high = 0, harmful = 0;
    static const int heights[] = {1, 2, 3, 5, 8, 12, 19, 20, 23, 40};
    for (int columns = 1; columns < 170; columns++) {
        for (size_t i = 0; i < sizeof heights / sizeof *heights; i++) {
            int lines = heights[i];
            const char *screen = drawn(columns, lines, utf8, true);
            bool harmless = true;
            too_high += count_lines(screen) > lines;
            for (const char *line = screen; *line != '\0'; line += strcspn(line, "\n") + 1)
                too_wide += columns_of(line, &harmless) > columns;
            harmful += !harmless;
        }
    }
    is_int(too_wide, 0, "no line is wider than the terminal");
    is_int(too_high, 0, "no screen is higher");
    is_int(harmful, 0, "names from outside are harmless");
}

static void check_wide(void) {
    const char *screen = drawn(140, 40, true, true);
    ok(has_line(screen, "hashmill 0.1.1   http://127.0.0.1:8080   node 0   12:00:00\n\n"), "head");
    ok(has_line(screen, "01a20ad5-0000-7000-8000-000000000000  ▕█████▎           ▏  31.2 %   "
                        "312 M of 1.00 G    2m05s   12.3 M  vm-?[31m???0?\n"),
       "an item with id, bar, iterations, ETA, rate, worker");
    ok(has_line(screen, "done        ▁▂▃▅█  150 in the last hour\n"), "the last hour: done");
    ok(has_line(screen, "waiting     ██▅▃▁  at most 8\n"), "and what waited");
    ok(has_line(screen, "workers "), "workers");
    ok(has_line(drawn(140, 40, false, true), "done        _.:=#  150"), "in ASCII, too");
    screen = drawn(140, 40, true, false);
    ok(!has_line(screen, "running") && !has_line(screen, "done"), "what is not known is left out");
}

static void check_usual(void) {
    const char *screen = drawn(80, 23, true, true);
    ok(has_line(screen,
                "warning     disk-low: Less than 5 % of the disk is free. Make room on it, or\n"
                "            give the database another disk, as docs/operations.md says.?[2J\n"),
       "80 columns: a warning in whole words, to its end");
    ok(has_line(screen, "vm-?]0;evil?                            6   12.3 M      2  avx512-x16   "
                        "11:59:58\n"),
       "a worker");
    ok(has_line(screen,
                "running 4/30                             done      ETA     it/s  worker\n"
                "01a20ad5-0000-7000-8000-000000000000   31.2 %    2m05s   12.3 M  vm-?[31m???0?\n"),
       "an item without a bar");
    is_int(count_lines(screen), 23, "all lines are used");
    screen = drawn(60, 23, true, true);
    ok(has_line(screen, "▕████▉           ▏  31.2 %    2m05s   12.3 M  vm-?[31m???0?\n"),
       "60 columns: without id, with a bar");
}

static void check_small(void) {
    const char *screen = drawn(40, 12, false, true);
    is_text(screen,
            "hashmill 0.1.1   http://127.0.0.1:8080\n"
            "items       7 waiting   30 leased\n"
            "remaining   17.0 G iterations, ETA 2m05s\n"
            "paused      intake\n"
            "warning     disk-low: Less than 5 % of\n"
            "            the disk is free. Make ro...\n"
            "a second     put   done pulled     it\n"
            "last 10s    0.30      1      0      0\n"
            "running      ETA     it/s  worker\n"
            " 31.2 %    2m05s   12.3 M  vm-?[31m??...\n"
            "  0.0 %    2m05s   12.3 M  vm-?[31m??...\n"
            "  0.0 %    2m05s   12.3 M  vm-?[31m??...\n",
            "40 columns, 12 lines: what matters most");
}

int main(void) {
    setenv("TZ", "UTC0", 1);
    tzset();
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        return 1;
    parse(&stats, stats_text);
    parse(&history, history_text);
    parse_running();
    check_sizes(true);
    check_sizes(false);
    check_wide();
    check_usual();
    check_small();
    json_free(&stats);
    json_free(&history);
    json_free(&running);
    return done_testing();
}
