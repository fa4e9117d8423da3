#include "bar.h"

#include <errno.h>
#include <langinfo.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bar_motion.h"
#include "clock.h"
#include "memory.h"

enum {
    DRAW_MS = 100, /* between two drawings */
    TURN_MS = 1000,
    LINE_MS = 60000,
    MARGIN = 3, /* columns that stay free: the terminal shows ^C there, and wraps no line */
    COLUMNS_PRESET = 80,
    NOTE_SIZE = 256,
    LINE_COLUMNS = 24000 /* of a note: the longest path has room, each byte as \xNN */
};

static const int signals[] = {SIGUSR1, SIGWINCH, SIGCONT};
enum { SIGNALS = sizeof signals / sizeof *signals };

struct bar {
    int fd;
    FILE *err;
    enum { SCREEN, LINES, SILENT } kind;
    bool utf8, colour;
    struct bar_motion motion;
    char note[NOTE_SIZE];
    struct buffer drawn; /* the text on the screen; empty: none */
    struct buffer text;  /* the one that is made */
    struct buffer out;
    int drawn_columns;
    int64_t drawn_ms; /* when something was last drawn; steady time */
    int64_t line_ms;  /* when the next line is due */
    bool changed;     /* a report has come since */
    bool lined;       /* a line of LINES was printed */
    struct sigaction before[SIGNALS];
};

static volatile sig_atomic_t line_wanted, screen_changed;

static void note_signal(int number) {
    if (number == SIGUSR1)
        line_wanted = 1;
    else
        screen_changed = 1;
}

static void catch_signals(struct bar *bar) {
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &action, &bar->before[i]);
}

static void leave_signals(struct bar *bar) {
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals[i], &bar->before[i], NULL);
}

/* Whether the terminal is one that can be drawn on. */
static bool is_screen(int fd) {
    const char *term = getenv("TERM");
    return isatty(fd) && term && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

struct bar *bar_open(FILE *err, enum bar_mode mode) {
    struct bar *bar = memory_or_end(calloc(1, sizeof *bar), "the progress bar");
    const char *no_colour = getenv("NO_COLOR");
    bar->err = err;
    bar->fd = fileno(err);
    bar->kind = mode == BAR_LINE ? LINES : SILENT;
    if (mode == BAR_AUTO && isatty(bar->fd))
        bar->kind = is_screen(bar->fd) ? SCREEN : LINES;
    bar->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    bar->colour = !no_colour || no_colour[0] == '\0';
    bar->line_ms = clock_steady_ms();
    bar->drawn_ms = bar->line_ms - DRAW_MS;
    line_wanted = screen_changed = 0;
    catch_signals(bar);
    return bar;
}

void bar_hold(struct bar *bar, int ms) {
    int64_t from_ms = clock_steady_ms() + ms;
    bar->line_ms = from_ms;
    bar->drawn_ms = from_ms - DRAW_MS;
}

/* Writes what is in `out`, and empties it. A terminal that is gone is not waited for. */
static void flush(struct bar *bar) {
    size_t written = 0;
    fflush(bar->err);
    while (written < bar->out.length) {
        ssize_t more = write(bar->fd, bar->out.data + written, bar->out.length - written);
        struct pollfd fd = {.fd = bar->fd, .events = POLLOUT};
        if (more >= 0)
            written += (size_t)more;
        else if (errno == EAGAIN)
            poll(&fd, 1, -1);
        else if (errno != EINTR)
            break;
    }
    buffer_clear(&bar->out);
}

static int screen_columns(const struct bar *bar) {
    struct winsize size;
    if (ioctl(bar->fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return COLUMNS_PRESET;
}

/* Whether the terminal is known to fold a line that is longer than its new width. In one that is
 * not, there may be something of others above the bar. */
static bool folds_lines(void) {
    static const char *const signs[] = {
        "TMUX", "VTE_VERSION", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "WT_SESSION", "TERM_PROGRAM"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        if (getenv(signs[i]))
            return true;
    }
    return false;
}

/* Appends what brings the cursor to the start of the bar; what follows goes over it. */
static void put_start(struct bar *bar) {
    int columns = screen_columns(bar);
    int rows = bar->drawn.length > 0 && folds_lines() ? (bar->drawn_columns - 1) / columns : 0;
    buffer_puts(&bar->out, "\r");
    for (int i = 0; i < rows; i++)
        buffer_puts(&bar->out, "\033[K\033[A");
}

/* Whether this process has the terminal; that of another job in front must not be drawn on. */
static bool is_in_front(const struct bar *bar) {
    pid_t front = tcgetpgrp(bar->fd);
    return front < 0 || front == getpgrp();
}

/* Appends what takes the bar off the screen. */
static void put_erase(struct bar *bar) {
    if (bar->drawn.length > 0 && is_in_front(bar)) {
        put_start(bar);
        buffer_puts(&bar->out, "\033[K");
    }
    buffer_clear(&bar->drawn);
}

/* Appends the bar as it should be, unless it is there. */
static void put_bar(struct bar *bar, int64_t now_ms) {
    struct bar_state state = bar_motion_at(&bar->motion, now_ms);
    struct bar_look look = {.columns = screen_columns(bar) - MARGIN,
                            .utf8 = bar->utf8,
                            .colour = bar->colour,
                            .now_ms = clock_wall_ms()};
    buffer_clear(&bar->text);
    int columns = bar_text(&bar->text, &state, &look);
    if (columns == 0) {
        put_erase(bar);
        return;
    }
    if (!screen_changed && bar->text.length == bar->drawn.length &&
        memcmp(bar->text.data, bar->drawn.data, bar->text.length) == 0)
        return;
    screen_changed = 0;
    put_start(bar);
    /* Without wrapping: the terminal may be narrower already than it says. */
    buffer_puts(&bar->out, "\033[?7l");
    buffer_append(&bar->out, bar->text.data, bar->text.length);
    buffer_puts(&bar->out, "\033[K\033[?7h");
    struct buffer other = bar->drawn;
    bar->drawn = bar->text;
    bar->text = other;
    bar->drawn_columns = columns;
}

static void draw(struct bar *bar, int64_t now_ms) {
    bar->drawn_ms = now_ms;
    bar->changed = false;
    if (!is_in_front(bar)) {
        buffer_clear(&bar->drawn);
        return;
    }
    put_bar(bar, now_ms);
    flush(bar);
}

/* Writes a line above the bar: text of our own. */
static void write_line(struct bar *bar, const struct buffer *line) {
    bool shown = bar->drawn.length > 0 && is_in_front(bar);
    put_erase(bar);
    buffer_append(&bar->out, line->data, line->length);
    buffer_puts(&bar->out, "\n");
    if (shown)
        put_bar(bar, clock_steady_ms());
    flush(bar);
}

/* Says in a line how far the work is. */
static void report_line(struct bar *bar, int64_t now_ms) {
    struct buffer line = {0};
    struct bar_state state = bar_motion_at(&bar->motion, now_ms);
    buffer_puts(&line, "hashmill: ");
    if (bar->motion.started)
        bar_line(&line, &state, clock_wall_ms());
    else
        buffer_puts(&line, "nothing is known yet");
    write_line(bar, &line);
    buffer_free(&line);
}

void bar_tick(struct bar *bar) {
    int64_t now_ms = clock_steady_ms();
    if (line_wanted) {
        line_wanted = 0;
        report_line(bar, now_ms);
    }
    if (!bar->motion.started)
        return;
    if (bar->kind == LINES && now_ms >= bar->line_ms) {
        bar->line_ms = now_ms + LINE_MS;
        bar->lined = true;
        report_line(bar, now_ms);
    }
    if (bar->kind == SCREEN && now_ms - bar->drawn_ms >= DRAW_MS)
        draw(bar, now_ms);
}

void bar_update(struct bar *bar, const struct bar_state *state) {
    struct bar_state copy = *state;
    snprintf(bar->note, sizeof bar->note, "%s", state->note ? state->note : "");
    copy.note = bar->note;
    bar_motion_report(&bar->motion, &copy, clock_steady_ms());
    bar->changed = true;
    bar_tick(bar);
}

int64_t bar_due_ms(const struct bar *bar) {
    int64_t now_ms = clock_steady_ms();
    if (line_wanted)
        return now_ms;
    if (bar->kind == SCREEN && bar->motion.started &&
        (bar->changed || screen_changed || bar_motion_goes_on(&bar->motion, now_ms)))
        return bar->drawn_ms + DRAW_MS;
    if (bar->kind == LINES && bar->motion.started && bar->line_ms < now_ms + TURN_MS)
        return bar->line_ms;
    return now_ms + TURN_MS;
}

bool bar_is_seen(const struct bar *bar) {
    return bar->kind == SCREEN && is_in_front(bar);
}

bool bar_is_wanted(const struct bar *bar) {
    return bar->kind != SILENT;
}

void bar_note(struct bar *bar, const char *line) {
    struct buffer text = {0};
    bar_clean(&text, line, LINE_COLUMNS, bar->utf8);
    write_line(bar, &text);
    buffer_free(&text);
}

void bar_hide(struct bar *bar) {
    if (!bar || bar->drawn.length == 0)
        return;
    put_erase(bar);
    flush(bar);
    if (isatty(STDOUT_FILENO))
        bar->drawn_ms = clock_steady_ms() - DRAW_MS; /* it comes back with the next tick */
}

void bar_close(struct bar *bar) {
    if (!bar)
        return;
    if (bar->lined)
        report_line(bar, clock_steady_ms());
    bar_hide(bar);
    leave_signals(bar);
    buffer_free(&bar->drawn);
    buffer_free(&bar->text);
    buffer_free(&bar->out);
    free(bar);
}
