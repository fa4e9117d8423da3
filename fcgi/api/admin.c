/* The calls of operators: they pause parts of the node, and end quarantines. */

#include <string.h>

#include "api.h"
#include "http/problem.h"
#include "queue/queue_fleet.h"
#include "queue/queue_operators.h"

/* Reads which part is meant. False with the reply in place. */
static bool read_part(struct call *call, int32_t *part) {
    const char *what = query_text(&call->query, "what");
    for (int number = 0; what && number < QUEUE_PARTS; number++) {
        if (strcmp(what, queue_part_names[number]) != 0)
            continue;
        *part = 1 << number;
        return true;
    }
    problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER,
                  "Say which part of the node: add what=intake, what=leasing or what=scaling. "
                  "Nothing was changed.");
    return false;
}

/* Pauses a part, or has it go on. */
static void pause_part(struct call *call, bool begins) {
    struct queue_pause pause = {.begins = begins};
    struct reply *reply = &call->server->reply;
    int64_t paused;
    if (!read_part(call, &pause.part))
        return;
    auth_operator(&call->identity, pause.who);
    enum queue_result result = queue_pause(call->server->queue, &pause, &paused);
    if (result != QUEUE_OK) {
        problem_of_write(reply, result);
        return;
    }
    reply_begin(reply, 200, "application/json");
    json_open(&reply->body, '{');
    api_put_paused(&reply->body, paused);
    json_close(&reply->body, '}');
}

void api_put_paused(struct buffer *body, int64_t paused) {
    json_name(body, "paused");
    json_open(body, '[');
    for (int number = 0; number < QUEUE_PARTS; number++) {
        if (paused & 1 << number)
            json_put_string(body, queue_part_names[number]);
    }
    json_close(body, ']');
}

void api_pause(struct call *call) {
    pause_part(call, true);
}

void api_resume(struct call *call) {
    pause_part(call, false);
}

void api_release(struct call *call) {
    struct queue_quarantine quarantine = {.begins = 0};
    struct reply *reply = &call->server->reply;
    const char *name = query_text(&call->query, "name");
    if (!name || !queue_is_name(name)) {
        problem_reply(reply, PROBLEM_BAD_PARAMETER,
                      "Say who is released: add name=NAME with the identity of the workers as GET "
                      "/stats shows it under quarantine, 1 to %d letters, digits, dots, "
                      "underscores and dashes. Nothing was changed.",
                      QUEUE_NAME_SIZE - 1);
        return;
    }
    memcpy(quarantine.identity, name, strlen(name) + 1);
    auth_operator(&call->identity, quarantine.who);
    enum queue_result result = queue_quarantine(call->server->queue, &quarantine);
    if (result == QUEUE_NONE)
        problem_reply(
            reply, PROBLEM_NOT_FOUND,
            "Nobody of this name is in quarantine at this node; GET /stats shows who is.");
    else if (result != QUEUE_OK)
        problem_of_write(reply, result);
    else
        reply_begin(reply, 204, NULL);
}
