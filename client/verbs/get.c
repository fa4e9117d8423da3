/* The verbs get and ls. */
#include <stdio.h>
#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "net/net.h"
#include "verbs/item.h"
#include "verbs/lines.h"
#include "verbs/pages.h"
#include "verbs/query.h"
#include "verbs/verbs.h"

static void print_object(const struct item *item) {
    struct buffer line = {0};
    object_begin(&line, "item");
    object_text(&line, "id", item->id);
    object_text(&line, "state", item->state);
    object_number(&line, "iterations", item->iterations);
    object_number(&line, "remaining", item->remaining);
    object_text(&line, "enqueued_at", item->enqueued_at);
    if (item->value[0] != '\0')
        object_text(&line, "value", item->value);
    if (item->as_of[0] != '\0')
        object_text(&line, "as_of", item->as_of);
    object_print(&line);
}

static void print_got(const struct command *command, const struct item *item) {
    struct buffer line = {0};
    if (command->json) {
        print_object(item);
    } else if (!command->quiet) {
        buffer_printf(&line, "%s %s %s", item->id, item->state,
                      item->value[0] != '\0' ? item->value : "-");
        line_print(&line);
    } else if (item->value[0] != '\0') {
        buffer_puts(&line, item->value);
        line_print(&line);
    }
}

static int get_one(struct session *session, const char *id, struct answer *answer) {
    char path[60];
    struct json json = {0};
    struct item item;
    snprintf(path, sizeof path, "/items/%.36s", id);
    struct ask ask = {.method = "GET", .path = path};
    int code = net_need(session->net, NET_ANY, &ask, answer, id);
    if (code == CLIENT_DONE && !item_answered(&item, answer, &json, id))
        code = CLIENT_FAILED;
    if (code == CLIENT_DONE)
        print_got(&session->command, &item);
    json_free(&json);
    return code;
}

int verb_get(struct session *session) {
    const struct command *command = &session->command;
    struct answer answer = {0};
    int code = CLIENT_DONE;
    if (command->count == 0)
        say("get which items? name their ids, as put prints them");
    for (int i = 0; i < command->count; i++) {
        if (!item_is_id(command->arguments[i]))
            return CLIENT_USAGE;
    }
    for (int i = 0; i < command->count; i++) {
        int one = get_one(session, command->arguments[i], &answer);
        code = client_exit_worse(code, one);
        if (one != CLIENT_DONE && one != CLIENT_UNKNOWN_ID)
            break;
    }
    answer_free(&answer);
    return command->count > 0 ? code : CLIENT_USAGE;
}

struct listing {
    const struct command *command;
    int64_t count;
};

/* Prints an item of the list. False when there are enough. */
static bool list_item(void *context, const struct item *item) {
    struct listing *listing = context;
    struct buffer line = {0};
    if (listing->command->json) {
        print_object(item);
    } else {
        buffer_puts(&line, item->id);
        if (!listing->command->quiet)
            buffer_printf(&line, " %s %lld %lld %s", item->state, (long long)item->iterations,
                          (long long)item->remaining, item->enqueued_at);
        line_print(&line);
    }
    return ++listing->count != listing->command->top && (listing->count % 1000 > 0 || out_flush());
}

int verb_ls(struct session *session) {
    struct listing listing = {.command = &session->command};
    struct buffer query = {0};
    int64_t pages;
    buffer_puts(&query, "limit=1000");
    query_add(&query, "state", session->command.state);
    query_add(&query, "client", session->command.client);
    buffer_append(&query, "", 1);
    int code = pages_read(session, query.data, list_item, &listing, &pages);
    if (code == CLIENT_LATER)
        say("the time of --timeout is over");
    buffer_free(&query);
    return code;
}
