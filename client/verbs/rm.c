#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/sum.h"
#include "net/net.h"
#include "verbs/item.h"
#include "verbs/lines.h"
#include "verbs/pages.h"
#include "verbs/query.h"
#include "verbs/verbs.h"

enum { DIFFERENT_MAX = 20, STATUS_NO_CONTENT = 204, STATUS_COUNT_DIFFERS = 409 };

struct removal {
    struct session *session;
    struct answer answer;
    struct json json;
    struct buffer ids; /* to cancel, one behind the other with NULs */
    int64_t cancelled; /* so far */
};

static int cancel(struct removal *removal, const char *id) {
    struct buffer path = {0};
    buffer_printf(&path, "/items/%s", id);
    struct ask ask = {.method = "DELETE", .path = path.data};
    int code = net_need(removal->session->net, NET_ANY, &ask, &removal->answer, id);
    buffer_free(&path);
    if (code == CLIENT_DONE && removal->answer.status != STATUS_NO_CONTENT) {
        answer_odd(&removal->answer);
        code = CLIENT_FAILED;
    }
    removal->cancelled += code == CLIENT_DONE;
    return code;
}

static void print_cancelled(const struct command *command, const char *id) {
    struct buffer line = {0};
    if (command->json) {
        object_begin(&line, "cancelled");
        object_text(&line, "id", id);
        object_print(&line);
        return;
    }
    buffer_puts(&line, id);
    line_print(&line);
}

/* Cancels the items that the command line names. */
static int cancel_named(struct removal *removal) {
    const struct command *command = &removal->session->command;
    int code = CLIENT_DONE;
    for (int i = 0; i < command->count; i++) {
        if (!item_is_id(command->arguments[i]))
            return CLIENT_USAGE;
    }
    for (int i = 0; i < command->count; i++) {
        int one = cancel(removal, command->arguments[i]);
        if (one == CLIENT_DONE)
            print_cancelled(command, command->arguments[i]);
        code = client_exit_worse(code, one);
        if (one != CLIENT_DONE && one != CLIENT_UNKNOWN_ID && one != CLIENT_FAILED)
            break;
    }
    return code;
}

/* Asks a node to cancel what waits there, with the number that this is thought to be. */
static int ask_to_cancel(struct removal *removal, int node, int64_t confirm) {
    struct buffer path = {0};
    buffer_printf(&path, "/items?state=waiting&confirm=%lld", (long long)confirm);
    query_add(&path, "client", removal->session->command.client);
    buffer_append(&path, "", 1);
    struct ask ask = {.method = "DELETE", .path = path.data};
    int code = net_call(removal->session->net, node, &ask, &removal->answer);
    buffer_free(&path);
    if (code == CLIENT_LATER)
        say("%s: the time of --timeout is over", net_url(removal->session->net, node));
    if (code != CLIENT_DONE || removal->answer.status == STATUS_COUNT_DIFFERS)
        return code;
    return answer_judge(&removal->answer, net_url(removal->session->net, node));
}

/* Cancels what waits at one node. Its number is asked for first; it changes while workers take
 * items. */
static int cancel_waiting(struct removal *removal, int node) {
    int64_t confirm = 0;
    for (int tries = 0; tries < DIFFERENT_MAX; tries++) {
        int64_t number = 0;
        int code = ask_to_cancel(removal, node, confirm);
        if (code != CLIENT_DONE)
            return code;
        bool done = removal->answer.status != STATUS_COUNT_DIFFERS;
        const char *member = done ? "cancelled" : "count";
        if (!answer_json(&removal->answer, &removal->json) ||
            !json_integer(&removal->json, json_member(&removal->json, 0, member), 0, INT64_MAX,
                          &number)) {
            answer_odd(&removal->answer);
            return CLIENT_FAILED;
        }
        removal->cancelled = sum_capped(removal->cancelled, done ? number : 0);
        if (done && number == confirm)
            return CLIENT_DONE;
        if (done)
            tries = 0; /* there was not time for all */
        confirm = done ? 0 : number;
    }
    say("%s: what waits changes faster than it can be counted; have an operator pause leasing",
        net_url(removal->session->net, node));
    return CLIENT_FAILED;
}

/* Cancels what waits at all nodes; last at those that do not answer. */
static int cancel_waiting_everywhere(struct removal *removal) {
    struct net *net = removal->session->net;
    struct answer answers[CLIENT_NODES_MAX] = {0};
    struct ask ask = {.method = "GET", .path = "/items?limit=1"};
    int code = CLIENT_DONE;
    net_ask_all(net, &ask, answers);
    for (int last = 0; last < 2; last++) {
        for (int node = 0; node < net_count(net); node++) {
            if ((answers[node].outcome != OUTCOME_ANSWERED) == (last == 1))
                code = client_exit_worse(code, cancel_waiting(removal, node));
        }
    }
    for (int node = 0; node < net_count(net); node++)
        answer_free(&answers[node]);
    return code;
}

static bool collect(void *context, const struct item *item) {
    struct removal *removal = context;
    buffer_append(&removal->ids, item->id, sizeof item->id);
    return true;
}

/* Cancels each item that workers have. One that gets done meanwhile stays. */
static int cancel_leased(struct removal *removal) {
    struct buffer query = {0};
    int64_t pages;
    buffer_puts(&query, "limit=1000&state=leased");
    query_add(&query, "client", removal->session->command.client);
    buffer_append(&query, "", 1);
    int code = pages_read(removal->session, query.data, collect, removal, &pages);
    buffer_free(&query);
    for (size_t at = 0; at < removal->ids.length; at += ITEM_ID_SIZE) {
        int one = code == CLIENT_DONE || code == CLIENT_FAILED || code == CLIENT_UNKNOWN_ID
                      ? cancel(removal, removal->ids.data + at)
                      : CLIENT_DONE;
        code = client_exit_worse(code, one);
    }
    return code;
}

/* Cancels all items in a state, and prints how many. */
static int cancel_state(struct removal *removal) {
    const struct command *command = &removal->session->command;
    struct buffer line = {0};
    int code;
    bool waiting = strcmp(command->state, "waiting") == 0;
    if (!waiting && strcmp(command->state, "leased") != 0) {
        say("--state %s: only what is waiting or leased can be cancelled", command->state);
        return CLIENT_USAGE;
    }
    code = waiting ? cancel_waiting_everywhere(removal) : cancel_leased(removal);
    if (command->json) {
        object_begin(&line, "cancelled");
        object_number(&line, "count", removal->cancelled);
        object_print(&line);
    } else {
        buffer_printf(&line, "%lld", (long long)removal->cancelled);
        line_print(&line);
    }
    return code;
}

int verb_rm(struct session *session) {
    struct removal removal = {.session = session};
    if ((session->command.count == 0) == (session->command.state == NULL)) {
        say("rm which items? name their ids, or --state waiting or --state leased");
        return CLIENT_USAGE;
    }
    int code = session->command.state ? cancel_state(&removal) : cancel_named(&removal);
    answer_free(&removal.answer);
    json_free(&removal.json);
    buffer_free(&removal.ids);
    return code;
}
