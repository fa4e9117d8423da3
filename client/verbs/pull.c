#include <stdio.h>
#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/stop.h"
#include "clock.h"
#include "files/pull_file.h"
#include "hex.h"
#include "net/net.h"
#include "random.h"
#include "verbs/item.h"
#include "verbs/lines.h"
#include "verbs/query.h"
#include "verbs/verbs.h"

enum {
    TOP_MAX = 1000,
    WAIT_SECONDS = 20,
    EARLY_MS = 500, /* a node that does not hold its reply is not asked again before */
    SILENT_MS = 3000,
    STATUS_GONE = 410,
    STATUS_CONFLICT = 422
};

struct pull {
    struct session *session;
    struct pull_file *file; /* of --out; NULL: standard output */
    struct pull_state state;
    bool begun;   /* state says what is asked for */
    bool unknown; /* and its node may have handed that out, and it is not written yet */
    bool told;    /* that it is waited for */
    struct answer answer;
    struct json json;
    struct buffer lines;
    int64_t count; /* of values so far */
    int batch;     /* values in lines */
};

static const char *form_of(const struct command *command) {
    return command->json ? "json" : command->quiet ? "quiet" : "plain";
}

/* Writes down what is about to be asked. */
static bool begin(struct pull *pull) {
    pull->begun = !pull->file || pull_file_begin(pull->file, &pull->state);
    return pull->begun;
}

/* Makes a key for the next batch. */
static bool begin_new(struct pull *pull) {
    const struct command *command = &pull->session->command;
    uint8_t key[(PULL_KEY_SIZE - 1) / 2];
    int64_t left = command->top > 0 ? command->top - pull->count : PULL_TOP_MAX;
    random_fill(key, sizeof key);
    pull->state = (struct pull_state){.top = left < PULL_TOP_MAX ? left : PULL_TOP_MAX};
    hex_encode(pull->state.key, key, sizeof key);
    snprintf(pull->state.url, sizeof pull->state.url, "%s",
             net_url(pull->session->net, net_pick(pull->session->net, NET_ANY)));
    snprintf(pull->state.client, sizeof pull->state.client, "%s",
             command->client ? command->client : "");
    snprintf(pull->state.form, sizeof pull->state.form, "%s", form_of(command));
    pull->unknown = false;
    return begin(pull);
}

/* Appends the line of one value. */
static void put_line(struct pull *pull, const struct item *item) {
    const struct command *command = &pull->session->command;
    struct buffer *lines = &pull->lines;
    if (command->json) {
        struct buffer line = {0};
        object_begin(&line, "value");
        object_text(&line, "id", item->id);
        object_number(&line, "iterations", item->iterations);
        object_text(&line, "value", item->value);
        json_close(&line, '}');
        buffer_append(lines, line.data, line.length);
        buffer_free(&line);
    } else if (command->quiet) {
        buffer_puts(lines, item->value);
    } else {
        buffer_printf(lines, "%s %s", item->id, item->value);
    }
    buffer_puts(lines, "\n");
}

/* Makes the lines of a batch. */
static int read_batch(struct pull *pull) {
    struct item item;
    pull->batch = 0;
    buffer_clear(&pull->lines);
    if (!answer_list(&pull->answer, &pull->json))
        return CLIENT_FAILED;
    for (int at = json_first(&pull->json, 0); at >= 0; at = json_next(&pull->json, at)) {
        if (!item_read(&item, &pull->answer, &pull->json, at))
            return CLIENT_FAILED;
        if (item.value[0] == '\0') {
            say("a pull has handed out an item without a value: %s", item.id);
            return CLIENT_FAILED;
        }
        put_line(pull, &item);
        pull->batch++;
    }
    return CLIENT_DONE;
}

/* Asks its node once for the batch of the key. CLIENT_LATER: it has to be asked again. */
static int ask_once(struct pull *pull, int node) {
    struct net *net = pull->session->net;
    struct buffer path = {0};
    char header[PULL_KEY_SIZE + 20];
    bool waits = pull->session->command.follow && !pull->unknown;
    buffer_printf(&path, "/pullCompleted?top=%lld&order=oldest", (long long)pull->state.top);
    if (waits)
        buffer_printf(&path, "&wait=%d", WAIT_SECONDS);
    query_add(&path, "client", pull->session->command.client);
    buffer_append(&path, "", 1);
    snprintf(header, sizeof header, "Idempotency-Key: %s", pull->state.key);
    struct ask ask = {.method = "POST",
                      .path = path.data,
                      .header = header,
                      .wait_seconds = waits ? WAIT_SECONDS : 0};
    net_start(net, node, &ask, &pull->answer);
    net_finish(net, &pull->answer);
    buffer_free(&path);
    if (!answer_is_not_done(&pull->answer))
        pull->unknown = true;
    if (pull->answer.outcome == OUTCOME_INTERRUPTED)
        return CLIENT_INTERRUPTED;
    return pull->answer.outcome == OUTCOME_ANSWERED ? CLIENT_DONE : CLIENT_LATER;
}

/* Says once, when a node answers nothing for longer, why no other is asked. */
static void tell_waiting(struct pull *pull, int node) {
    const struct net *net = pull->session->net;
    char since[NET_TIME_SIZE];
    pull->told &= net_failing_ms(net, node) > 0;
    if (pull->told || !pull->unknown || net_failing_ms(net, node) < SILENT_MS)
        return;
    net_failing_since(net, node, since);
    say("waiting for %s, which has given no answer since %s: it may have handed out up to %lld "
        "values, which come before those of other nodes",
        net_url(net, node), since, (long long)pull->state.top);
    pull->told = true;
}

/* Asks until there is an answer. A node that has certainly not handed anything out is left for
 * another. */
static int ask_for_batch(struct pull *pull) {
    struct net *net = pull->session->net;
    int node = net_named(net, pull->state.url);
    if (node == NET_ANY) {
        say("a pull was broken off at %s: name that node in --url, too", pull->state.url);
        return CLIENT_FAILED;
    }
    for (;;) {
        tell_waiting(pull, node);
        if (!net_wait_due(net, node))
            return stop_asked() ? CLIENT_INTERRUPTED : CLIENT_LATER;
        int code = ask_once(pull, node);
        if (code != CLIENT_LATER)
            return code;
        int next = pull->unknown ? node : net_pick(net, NET_ANY);
        if (next == node)
            continue;
        node = next;
        snprintf(pull->state.url, sizeof pull->state.url, "%s", net_url(net, node));
        if (!begin(pull))
            return CLIENT_FAILED;
    }
}

/* Writes the lines of a batch where they belong. */
static bool write_batch(struct pull *pull) {
    pull->count += pull->batch;
    if (pull->file)
        return pull_file_append(pull->file, &pull->state, &pull->lines);
    out_bytes(&pull->lines);
    if (out_flush())
        return true;
    say("of the last %d values that were taken some are not written: hashmill ls --state pulled "
        "has "
        "their ids, hashmill get ID shows each",
        pull->batch);
    return false;
}

/* Pulls one batch. *more: whether there may be another. */
static int pull_batch(struct pull *pull, bool *more) {
    const struct command *command = &pull->session->command;
    if (!pull->begun && !begin_new(pull))
        return CLIENT_FAILED;
    int64_t begun_ms = clock_steady_ms();
    int code = ask_for_batch(pull);
    if (code != CLIENT_DONE)
        return code;
    int status = pull->answer.status;
    if (pull->unknown && (status == STATUS_GONE || status == STATUS_CONFLICT)) {
        say("the batch that was broken off: %s", pull->answer.why);
        pull->begun = false;
        return CLIENT_DONE;
    }
    if (status != 200) {
        say("pull: %s", pull->answer.why);
        return answer_exit(&pull->answer) == CLIENT_DONE ? CLIENT_FAILED
                                                         : answer_exit(&pull->answer);
    }
    code = read_batch(pull);
    if (code != CLIENT_DONE)
        return code;
    if (pull->batch > 0 && !write_batch(pull))
        return CLIENT_FAILED;
    pull->begun = pull->batch == 0; /* a key without a batch is as good as new */
    pull->unknown = false;
    *more =
        (pull->batch > 0 || command->follow) && (command->top == 0 || pull->count < command->top);
    if (*more && pull->batch == 0)
        net_pause(pull->session->net, begun_ms + EARLY_MS);
    return CLIENT_DONE;
}

/* Opens --out. What was broken off goes on as it began. */
static int open_out(struct pull *pull) {
    const struct command *command = &pull->session->command;
    bool found = false;
    int code = CLIENT_DONE;
    if (!command->out)
        return code;
    pull->file = pull_file_open(command->out, &pull->state, &found, &code);
    if (!pull->file || !found)
        return code;
    pull->begun = pull->unknown = true;
    if (strcmp(pull->state.form, form_of(command)) == 0 &&
        strcmp(pull->state.client, command->client ? command->client : "") == 0)
        return code;
    say("a pull into %s was broken off: run it again with the same --json, -q and --client",
        command->out);
    return CLIENT_USAGE;
}

int verb_pull(struct session *session) {
    struct pull pull = {.session = session};
    bool more = true;
    int code = open_out(&pull);
    while (code == CLIENT_DONE && more)
        code = stop_asked() ? CLIENT_INTERRUPTED : pull_batch(&pull, &more);
    if (pull.file && (code == CLIENT_DONE || (pull.begun && !pull.unknown)))
        pull_file_end(pull.file);
    if (code == CLIENT_LATER)
        say("the time of --timeout is over; the same command goes on");
    if (pull.file)
        pull_file_close(pull.file);
    answer_free(&pull.answer);
    json_free(&pull.json);
    buffer_free(&pull.lines);
    return code;
}
