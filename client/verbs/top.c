/* The verb top. */
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/stop.h"
#include "clock.h"
#include "net/net.h"
#include "top/top_text.h"
#include "verbs/lines.h"
#include "verbs/verbs.h"

enum { EVERY_MS = 2000, TURN_MS = 100, TROUBLE_SIZE = 300, LINES_ONCE = 10000, COLUMNS_ONCE = 500 };

static const struct ask stats_ask = {.method = "GET", .path = "/stats"};

struct top {
    struct session *session;
    struct answer answer;
    bool asking;
    int64_t next_ms; /* steady time of the next request */
    struct json stats;
    struct buffer body; /* that stats points into */
    bool known;         /* stats is set */
    int node;           /* whose they are */
    char trouble[TROUBLE_SIZE];
    struct winsize size; /* of the terminal, when it was last drawn on */
    struct termios before;
    bool quit;
    int code;
};

static bool is_utf8(void) {
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Appends the object as one line, with its type before its own members. */
static void put_stats(struct buffer *line, const struct json *stats) {
    const jsmntok_t *object = &stats->tokens[0];
    buffer_printf(line, "{\"type\":\"stats\"%s", object->size > 0 ? "," : "");
    for (int at = object->start + 1; at < object->end; at++) {
        bool ends = stats->text[at] == '\n' || stats->text[at] == '\r'; /* is between tokens */
        buffer_append(line, ends ? " " : &stats->text[at], 1);
    }
    buffer_puts(line, "\n");
}

/* Prints once, for a file or a pipe. */
static int print_once(struct session *session) {
    struct answer answer = {0};
    struct json stats = {0};
    struct buffer text = {0};
    int code = net_need(session->net, NET_ANY, &stats_ask, &answer, "top");
    if (code == CLIENT_DONE && !answer_json(&answer, &stats))
        code = CLIENT_FAILED;
    if (code == CLIENT_DONE && stats.tokens[0].type != JSMN_OBJECT) {
        answer_odd(&answer);
        code = CLIENT_FAILED;
    }
    struct top_look look = {.columns = COLUMNS_ONCE,
                            .lines = LINES_ONCE,
                            .utf8 = is_utf8(),
                            .trouble = "",
                            .now_ms = clock_wall_ms()};
    if (code == CLIENT_DONE && session->command.json) {
        put_stats(&text, &stats);
    } else if (code == CLIENT_DONE) {
        look.url = net_url(session->net, answer.node);
        top_text(&text, &stats, &look);
    }
    if (text.length > 0)
        out_bytes(&text);
    buffer_free(&text);
    json_free(&stats);
    answer_free(&answer);
    return code;
}

/* Draws the screen with one write: each line over what was there. */
static void draw(struct top *top) {
    struct buffer text = {0};
    struct buffer out = {0};
    struct top_look look = {.columns = top->size.ws_col > 0 ? top->size.ws_col : 80,
                            .lines = top->size.ws_row > 1 ? top->size.ws_row - 1 : 23,
                            .utf8 = is_utf8(),
                            .url = net_url(top->session->net, top->node),
                            .trouble = top->trouble,
                            .now_ms = clock_wall_ms()};
    if (top->known)
        top_text(&text, &top->stats, &look);
    else
        buffer_printf(&text, "%s\n", top->trouble[0] != '\0' ? top->trouble : "asking ...");
    buffer_puts(&out, "\033[H");
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '\n')
            buffer_puts(&out, "\033[K\r\n");
        else
            buffer_append(&out, &text.data[i], 1);
    }
    buffer_puts(&out, "\033[J");
    out_bytes(&out);
    out_flush();
    buffer_free(&text);
    buffer_free(&out);
}

/* Messages are a line of the screen. */
static void note(void *context, const char *line) {
    struct top *top = context;
    snprintf(top->trouble, sizeof top->trouble, "%s", line);
    draw(top);
}

static void hide(void *context) {
    (void)context;
}

/* Takes the reply to a request. */
static void take(struct top *top) {
    struct answer *answer = &top->answer;
    top->asking = false;
    top->next_ms = clock_steady_ms() + EVERY_MS;
    if (answer->outcome != OUTCOME_ANSWERED)
        return;
    top->code = answer_exit(answer);
    if (top->code != CLIENT_DONE) {
        top->quit = true;
        return;
    }
    struct buffer other = top->body;
    top->body = answer->body; /* the texts of stats live as long */
    answer->body = other;
    const char *why;
    top->known = json_parse(&top->stats, top->body.data, top->body.length - 1, &why);
    top->node = answer->node;
    top->trouble[0] = '\0';
    if (!top->known)
        snprintf(top->trouble, sizeof top->trouble, "the reply is not what a node says: %s", why);
    draw(top);
}

/* Asks when it is time. */
static void ask(struct top *top) {
    struct net *net = top->session->net;
    int node = net_pick(net, NET_ANY);
    if (top->asking || clock_steady_ms() < top->next_ms || !net_is_due(net, node))
        return;
    top->asking = true;
    net_start(net, node, &stats_ask, &top->answer);
}

/* Looks for the key q, and for a new size. */
static void look_at_terminal(struct top *top) {
    struct winsize size = top->size;
    char keys[64];
    ssize_t count = read(STDIN_FILENO, keys, sizeof keys);
    if (count > 0 && memchr(keys, 'q', (size_t)count))
        top->quit = true;
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    if (memcmp(&size, &top->size, sizeof size) == 0)
        return;
    top->size = size;
    draw(top);
}

/* Has keys come at once and unseen, in a screen of its own. Ctrl-Z would leave that screen as it
 * is: it does nothing. */
static void enter_screen(struct top *top) {
    static const struct buffer enter = {.data = "\033[?1049h\033[?25l\033[2J", .length = 18};
    struct termios keys = top->before;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys.c_cc[VMIN] = 0;
    keys.c_cc[VTIME] = 0;
    keys.c_cc[VSUSP] = _POSIX_VDISABLE;
    tcsetattr(STDIN_FILENO, TCSANOW, &keys);
    out_bytes(&enter);
}

static void leave_screen(struct top *top) {
    static const struct buffer leave = {.data = "\033[?25h\033[?1049l", .length = 14};
    out_bytes(&leave);
    out_flush();
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &top->before);
}

static int show_live(struct session *session) {
    struct top top = {.session = session};
    struct drawing drawing = {note, hide, &top};
    if (tcgetattr(STDIN_FILENO, &top.before) != 0)
        return print_once(session);
    enter_screen(&top);
    say_through(&drawing);
    while (!top.quit && !stop_asked() && !net_is_late(session->net)) {
        ask(&top);
        net_turn(session->net, TURN_MS);
        if (top.asking && top.answer.over)
            take(&top);
        look_at_terminal(&top);
    }
    say_through(NULL);
    leave_screen(&top);
    if (top.code != CLIENT_DONE)
        say("top: %s", top.answer.why);
    answer_free(&top.answer);
    json_free(&top.stats);
    buffer_free(&top.body);
    return stop_asked() ? CLIENT_INTERRUPTED : top.code;
}

int verb_top(struct session *session) {
    const char *term = getenv("TERM");
    if (!session->command.json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term &&
        term[0] != '\0' && strcmp(term, "dumb") != 0)
        return show_live(session);
    return print_once(session);
}
