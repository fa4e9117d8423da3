/* The verbs workers, decisions and admin. */
#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/shown.h"
#include "net/net.h"
#include "verbs/lines.h"
#include "verbs/query.h"
#include "verbs/verbs.h"

enum { FIELD_SIZE = 400, MEMBERS_MAX = 8, STATUS_NO_CONTENT = 204 };

/* Appends a member of an object to a line, a text or a number; what would break the columns is
 * shown as "?", an empty text as "-". */
static void put_field(struct buffer *line, const struct json *json, int object, const char *name) {
    char text[FIELD_SIZE] = "";
    double number;
    int member = json_member(json, object, name);
    buffer_puts(line, line->length > 0 ? "\t" : "");
    if (json_positive(json, member, &number)) {
        buffer_printf(line, "%.0f", number);
        return;
    }
    json_string(json, member, text, sizeof text);
    put_shown(line, text[0] != '\0' ? text : "-");
}

/* Appends an element of a list as JSON, with its type before its own members. */
static void put_object(struct buffer *line, const struct json *json, int object, const char *type,
                       const char *const *members) {
    object_begin(line, type);
    for (; *members; members++) {
        char text[FIELD_SIZE] = "";
        double number;
        int member = json_member(json, object, *members);
        json_name(line, *members);
        if (json_positive(json, member, &number))
            json_put_number(line, number);
        else if (json_string(json, member, text, sizeof text))
            json_put_string(line, text);
        else
            json_put_null(line);
    }
    json_close(line, '}');
}

/* Prints the elements of a list in `fleet`, the last first. */
static void print_list(const struct command *command, const struct json *json, int list,
                       const char *type, const char *const *members) {
    for (int i = json_array_size(json, list) - 1; i >= 0; i--) {
        struct buffer line = {0};
        int element = json_first(json, list);
        for (int skip = 0; skip < i; skip++)
            element = json_next(json, element);
        if (command->json)
            put_object(&line, json, element, type, members);
        for (int m = 0; !command->json && members[m]; m++)
            if (!command->quiet || m == 0)
                put_field(&line, json, element, members[m]);
        line_print(&line);
    }
}

/* Prints a list of GET /stats of the node that answers first. */
static int show(struct session *session, const char *name, const char *type,
                const char *const *members) {
    struct answer answer = {0};
    struct json json = {0};
    struct ask ask = {.method = "GET", .path = "/stats"};
    int code = net_need(session->net, NET_ANY, &ask, &answer, name);
    if (code == CLIENT_DONE && !answer_json(&answer, &json))
        code = CLIENT_FAILED;
    int list = code == CLIENT_DONE ? json_member(&json, json_member(&json, 0, "fleet"), name) : -1;
    if (code == CLIENT_DONE && json_array_size(&json, list) < 0) {
        say("%s: the node does not show these to a client: take the key of a viewer or operator",
            name);
        code = CLIENT_REFUSED;
    }
    if (code == CLIENT_DONE)
        print_list(&session->command, &json, list, type, members);
    answer_free(&answer);
    json_free(&json);
    return code;
}

int verb_workers(struct session *session) {
    static const char *const members[MEMBERS_MAX] = {"name", "machine", "cores",        "kernel",
                                                     "rate", "items",   "last_seen_at", NULL};
    return show(session, "workers", "worker", members);
}

int verb_decisions(struct session *session) {
    static const char *const members[MEMBERS_MAX] = {"at", "why", NULL};
    return show(session, "decisions", "decision", members);
}

/* Appends the names of a list of texts, with --json as a list. */
static void put_names(struct buffer *line, bool as_json, const struct json *json, int list) {
    if (as_json)
        json_open(line, '[');
    for (int at = json_first(json, list); at >= 0; at = json_next(json, at)) {
        char name[40] = "";
        json_string(json, at, name, sizeof name);
        if (as_json)
            json_put_string(line, name);
        else
            buffer_puts(line, " ");
        if (!as_json)
            put_shown(line, name);
    }
    if (as_json)
        json_close(line, ']');
}

/* Prints what a node has paused now. */
static bool print_paused(struct session *session, const struct answer *answer) {
    bool as_json = session->command.json;
    struct json json = {0};
    struct buffer line = {0};
    const char *url = net_url(session->net, answer->node);
    bool good = answer_json(answer, &json);
    int list = good ? json_member(&json, 0, "paused") : -1;
    if (good && json_array_size(&json, list) < 0) {
        answer_odd(answer);
        good = false;
    }
    if (as_json) {
        object_begin(&line, "paused");
        object_text(&line, "node", url);
        json_name(&line, "paused");
    } else {
        buffer_printf(&line, "%s paused:", url);
    }
    put_names(&line, as_json, &json, list);
    if (as_json)
        json_close(&line, '}');
    if (good)
        line_print(&line);
    buffer_free(&line);
    json_free(&json);
    return good;
}

/* Whether this pauses or resumes something that there is. */
static bool is_pause(const char *call, const char *part) {
    return (strcmp(call, "pause") == 0 || strcmp(call, "resume") == 0) &&
           (strcmp(part, "intake") == 0 || strcmp(part, "leasing") == 0 ||
            strcmp(part, "scaling") == 0);
}

/* Makes a call at all nodes: of one that does not answer the others must not wait. */
static int call_all(struct session *session, const struct ask *ask, bool prints) {
    struct answer answers[CLIENT_NODES_MAX] = {0};
    int code = CLIENT_DONE;
    net_ask_all(session->net, ask, answers);
    for (int node = 0; node < net_count(session->net); node++) {
        struct answer *answer = &answers[node];
        const char *url = net_url(session->net, node);
        int one = answer->outcome == OUTCOME_ANSWERED
                      ? answer_judge(answer, url)
                      : net_need(session->net, node, ask, answer, url);
        if (one == CLIENT_DONE && prints && !print_paused(session, answer))
            one = CLIENT_FAILED;
        if (one == CLIENT_DONE && !prints && answer->status != STATUS_NO_CONTENT) {
            answer_odd(answer);
            one = CLIENT_FAILED;
        }
        code = client_exit_worse(code, one);
        answer_free(answer);
    }
    return code;
}

int verb_admin(struct session *session) {
    const struct command *command = &session->command;
    struct buffer path = {0};
    const char *call = command->count == 2 ? command->arguments[0] : "";
    const char *what = command->count == 2 ? command->arguments[1] : "";
    bool release = strcmp(call, "release") == 0;
    if (!release && !is_pause(call, what)) {
        say("admin pause PART, admin resume PART (intake, leasing or scaling), or admin release "
            "NAME");
        return CLIENT_USAGE;
    }
    buffer_printf(&path, "/admin/%s?", call);
    query_add(&path, release ? "name" : "what", what);
    buffer_append(&path, "", 1);
    struct ask ask = {.method = "POST", .path = path.data};
    int code = call_all(session, &ask, !release);
    buffer_free(&path);
    return code;
}
