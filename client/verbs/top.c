/* The verb top. */
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "bar/bar_text.h"
#include "base/exit.h"
#include "base/say.h"
#include "base/stop.h"
#include "clock.h"
#include "net/net.h"
#include "top/top_text.h"
#include "verbs/lines.h"
#include "verbs/verbs.h"

enum {
    TURN_MS = 100,
    SILENT_MS = 4000, /* without an answer: it is said */
    TROUBLE_SIZE = 300,
    LINES_ONCE = 10000,
    COLUMNS_ONCE = 140,
    COLUMNS_PRESET = 80,
    LINES_PRESET = 24
};

/* What is asked for, again and again. */
enum feed { STATS, RUNNING, HISTORY, FEEDS };

static const struct {
    struct ask ask;
    int every_ms;
} feeds[FEEDS] = {
    [STATS] = {{.method = "GET", .path = "/stats"}, 2000},
    [RUNNING] = {{.method = "GET", .path = "/stats/running?limit=100"}, 2000},
    [HISTORY] = {{.method = "GET", .path = "/stats/history?span=1h"}, 30000},
};

/* The last answer to one of them. */
struct fact {
    struct answer answer;
    bool asking;
    int64_t next_ms; /* steady time of the next request */
    struct json json;
    struct buffer body; /* that json points into */
    bool known;         /* json is set */
};

struct top {
    struct session *session;
    struct fact facts[FEEDS];
    int node;            /* whose they are */
    int64_t answered_ms; /* when there was an answer, in steady time */
    char trouble[TROUBLE_SIZE];
    int silent;          /* for how many seconds, as shown; 0: it is not */
    struct winsize size; /* of the terminal, when it was last drawn on */
    struct termios before;
    bool quit;
    int code;
};

static bool is_utf8(void) {
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static bool has_colours(void) {
    const char *no_colour = getenv("NO_COLOR");
    return !no_colour || no_colour[0] == '\0';
}

/* Takes the reply to a request. False, with a reason in *why, when it is no object of JSON. */
static bool take_json(struct fact *fact, const char **why) {
    struct buffer other = fact->body;
    fact->body = fact->answer.body; /* the texts of json live as long */
    fact->answer.body = other;
    fact->known = fact->body.length > 0 &&
                  json_parse(&fact->json, fact->body.data, fact->body.length - 1, why);
    if (fact->known && fact->json.tokens[0].type != JSMN_OBJECT) {
        fact->known = false;
        *why = "it is no object";
    }
    return fact->known;
}

static struct top_facts known_of(const struct top *top) {
    const struct fact *facts = top->facts;
    return (struct top_facts){.stats = facts[STATS].known ? &facts[STATS].json : NULL,
                              .running = facts[RUNNING].known ? &facts[RUNNING].json : NULL,
                              .history = facts[HISTORY].known ? &facts[HISTORY].json : NULL};
}

static void free_facts(struct top *top) {
    for (int i = 0; i < FEEDS; i++) {
        answer_free(&top->facts[i].answer);
        json_free(&top->facts[i].json);
        buffer_free(&top->facts[i].body);
    }
}

/* Appends an object of JSON as one line, with its type before its own members. */
static void put_object(struct buffer *text, const char *type, const struct json *json, int object) {
    const jsmntok_t *token = &json->tokens[object];
    buffer_printf(text, "{\"type\":\"%s\"%s", type, token->size > 0 ? "," : "");
    for (int at = token->start + 1; at < token->end; at++) {
        bool ends = json->text[at] == '\n' || json->text[at] == '\r'; /* is between tokens */
        buffer_append(text, ends ? " " : &json->text[at], 1);
    }
    buffer_puts(text, "\n");
}

/* Appends all that is known as lines of JSON. */
static void put_objects(struct buffer *text, const struct top_facts *facts) {
    put_object(text, "stats", facts->stats, 0);
    int items = facts->running ? json_member(facts->running, 0, "items") : -1;
    for (int at = items < 0 ? -1 : json_first(facts->running, items); at >= 0;
         at = json_next(facts->running, at)) {
        if (facts->running->tokens[at].type == JSMN_OBJECT)
            put_object(text, "running", facts->running, at);
    }
}

/* Asks for everything at one node, once. What is refused but for /stats is left out. */
static int ask_once(struct top *top) {
    struct net *net = top->session->net;
    const char *why;
    for (int i = 0; i < FEEDS; i++) {
        struct fact *fact = &top->facts[i];
        int code = i == STATS ? net_need(net, NET_ANY, &feeds[i].ask, &fact->answer, "top")
                              : net_call(net, top->node, &feeds[i].ask, &fact->answer);
        if (code != CLIENT_DONE)
            return code;
        top->node = fact->answer.node;
        if (answer_exit(&fact->answer) != CLIENT_DONE || take_json(fact, &why) || i != STATS)
            continue;
        answer_odd(&fact->answer);
        return CLIENT_FAILED;
    }
    return CLIENT_DONE;
}

/* Prints once, for a file or a pipe. */
static int print_once(struct session *session) {
    struct top top = {.session = session};
    struct buffer text = {0};
    int code = ask_once(&top);
    struct top_facts facts = known_of(&top);
    struct top_look look = {.columns = COLUMNS_ONCE,
                            .lines = LINES_ONCE,
                            .utf8 = is_utf8(),
                            .url = net_url(session->net, top.node),
                            .trouble = "",
                            .now_ms = clock_wall_ms()};
    if (code == CLIENT_DONE && session->command.json)
        put_objects(&text, &facts);
    else if (code == CLIENT_DONE)
        top_text(&text, &facts, &look);
    if (text.length > 0)
        out_bytes(&text);
    buffer_free(&text);
    free_facts(&top);
    return code;
}

/* What is wrong, for a line of the screen. */
static void write_trouble(const struct top *top, char text[TROUBLE_SIZE]) {
    if (top->silent > 0)
        snprintf(text, TROUBLE_SIZE, "no answer for %d s%s%.250s", top->silent,
                 top->trouble[0] != '\0' ? "; " : "", top->trouble);
    else
        snprintf(text, TROUBLE_SIZE, "%s", top->trouble);
}

/* Draws the screen with one write: each line over what was there. */
static void draw(struct top *top) {
    struct buffer text = {0};
    struct buffer out = {0};
    char trouble[TROUBLE_SIZE];
    struct top_facts facts = known_of(top);
    struct top_look look = {.columns = top->size.ws_col > 0 ? top->size.ws_col : COLUMNS_PRESET,
                            .lines = (top->size.ws_row > 1 ? top->size.ws_row : LINES_PRESET) - 1,
                            .utf8 = is_utf8(),
                            .colour = has_colours(),
                            .url = net_url(top->session->net, top->node),
                            .trouble = trouble,
                            .now_ms = clock_wall_ms()};
    write_trouble(top, trouble);
    if (facts.stats)
        top_text(&text, &facts, &look);
    else
        bar_clean(&text, trouble[0] != '\0' ? trouble : "asking ...", look.columns, look.utf8);
    buffer_puts(&out,
                "\033[H\033[K"); /* before the text: behind a full line it takes the last sign */
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '\n')
            buffer_puts(&out, "\r\n\033[K");
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
    static const char prefix[] = "hashmill: ";
    struct top *top = context;
    line += strncmp(line, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
    snprintf(top->trouble, sizeof top->trouble, "%s", line);
    draw(top);
}

static void hide(void *context) {
    (void)context;
}

/* Takes the reply about the whole queue. */
static void take_stats(struct top *top) {
    struct fact *fact = &top->facts[STATS];
    const char *why = "it is empty";
    top->code = answer_exit(&fact->answer);
    top->quit |= top->code != CLIENT_DONE;
    if (top->quit)
        return;
    for (int i = 0; i < FEEDS && top->node != fact->answer.node; i++) {
        top->facts[i].known = false; /* they are of another node */
        top->facts[i].next_ms = 0;
    }
    fact->next_ms = clock_steady_ms() + feeds[STATS].every_ms;
    top->node = fact->answer.node;
    top->answered_ms = clock_steady_ms();
    top->silent = 0;
    top->trouble[0] = '\0';
    if (!take_json(fact, &why))
        snprintf(top->trouble, sizeof top->trouble, "the reply is not what a node says: %s", why);
}

/* Takes replies that have come. */
static void take(struct top *top) {
    bool changed = false;
    for (int i = 0; i < FEEDS; i++) {
        struct fact *fact = &top->facts[i];
        const char *why;
        if (!fact->asking || !fact->answer.over)
            continue;
        fact->asking = false;
        fact->next_ms = clock_steady_ms() + feeds[i].every_ms;
        if (fact->answer.outcome != OUTCOME_ANSWERED)
            fact->next_ms = 0;
        else if (i == STATS)
            take_stats(top);
        else if (fact->answer.node == top->node) /* a client may not see all */
            fact->known = answer_exit(&fact->answer) == CLIENT_DONE && take_json(fact, &why);
        changed |= fact->answer.outcome == OUTCOME_ANSWERED;
    }
    if (changed && !top->quit)
        draw(top);
}

/* Asks for what is due; for the rest, the node that has answered for the whole queue. */
static void ask(struct top *top) {
    struct net *net = top->session->net;
    for (int i = 0; i < FEEDS; i++) {
        struct fact *fact = &top->facts[i];
        int node = i == STATS ? net_pick(net, NET_ANY) : top->node;
        if (fact->asking || clock_steady_ms() < fact->next_ms || !net_is_due(net, node) ||
            (i != STATS && (!top->facts[STATS].known || top->trouble[0] != '\0')))
            continue;
        fact->asking = true;
        net_start(net, node, &feeds[i].ask, &fact->answer);
    }
}

/* Looks for the key q, for a new size, and how long no answer has come. */
static void look_around(struct top *top) {
    struct winsize size = top->size;
    int64_t silent_ms = clock_steady_ms() - top->answered_ms;
    int silent = silent_ms >= SILENT_MS ? (int)(silent_ms / 1000) : 0;
    char keys[64];
    ssize_t count = read(STDIN_FILENO, keys, sizeof keys);
    if (count > 0 && memchr(keys, 'q', (size_t)count))
        top->quit = true;
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    if (memcmp(&size, &top->size, sizeof size) == 0 && silent == top->silent)
        return;
    top->size = size;
    top->silent = silent;
    draw(top);
}

/* Has keys come at once and unseen, in a screen of its own, in which no line goes on in the next.
 * Ctrl-Z would leave that screen as it is: it does nothing. */
static void enter_screen(struct top *top) {
    static const struct buffer enter = {.data = "\033[?1049h\033[?25l\033[?7l\033[2J",
                                        .length = 23};
    struct termios keys = top->before;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys.c_cc[VMIN] = 0;
    keys.c_cc[VTIME] = 0;
    keys.c_cc[VSUSP] = _POSIX_VDISABLE;
    tcsetattr(STDIN_FILENO, TCSANOW, &keys);
    out_bytes(&enter);
}

static void leave_screen(struct top *top) {
    static const struct buffer leave = {.data = "\033[?7h\033[?25h\033[?1049l", .length = 19};
    out_bytes(&leave);
    out_flush();
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &top->before);
}

static int show_live(struct session *session) {
    struct top top = {.session = session, .answered_ms = clock_steady_ms()};
    struct drawing drawing = {note, hide, &top};
    if (tcgetattr(STDIN_FILENO, &top.before) != 0)
        return print_once(session);
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &top.size);
    enter_screen(&top);
    say_through(&drawing);
    while (!top.quit && !stop_asked() && !net_is_late(session->net)) {
        ask(&top);
        net_turn(session->net, TURN_MS);
        take(&top);
        look_around(&top);
    }
    say_through(NULL);
    leave_screen(&top);
    if (top.code != CLIENT_DONE)
        say("top: %s", top.facts[STATS].answer.why);
    free_facts(&top);
    return stop_asked() ? CLIENT_INTERRUPTED : top.code;
}

int verb_top(struct session *session) {
    const char *term = getenv("TERM");
    if (!session->command.json && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term &&
        term[0] != '\0' && strcmp(term, "dumb") != 0)
        return show_live(session);
    return print_once(session);
}
