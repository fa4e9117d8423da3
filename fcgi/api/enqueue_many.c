/* POST /items: a client enqueues many items by their digests, a line of JSON each. */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api.h"
#include "body.h"
#include "enqueue.h"
#include "http/idempotency.h"
#include "http/problem.h"
#include "queue/fields.h"
#include "queue/id.h"
#include "quota.h"

enum {
    BODY_MAX = 512 * 1024, /* bytes */
    LINE_MAX_BYTES = 4096,
    LINES_MAX = 1000
};

/* What becomes of a line: a problem of its own, or a place in a message to the queue. */
struct line {
    enum problem problem; /* when it is bad */
    bool bad;
    const char *detail;
    struct queue_line item;
    struct queue_stored stored;
};

/* Whether the body is said to be lines of JSON. */
static bool is_ndjson(struct call *call) {
    static const char type[] = "application/x-ndjson";
    const char *field = request_parameter(call->request, "CONTENT_TYPE");
    size_t length = strlen(type);
    if (field && strncasecmp(field, type, length) == 0 && strchr("; \t", field[length]))
        return true;
    problem_reply(&call->server->reply, PROBLEM_MEDIA_TYPE,
                  "This call takes lines of JSON: send them with Content-Type: %s. Nothing was "
                  "stored.",
                  type);
    return false;
}

static void refuse_line(struct line *line, enum problem problem, const char *detail) {
    line->bad = true;
    line->problem = problem;
    line->detail = detail;
}

/* Whether an object has a member of ours twice: then nobody can say which one counts. */
static bool has_twice(const struct json *json) {
    static const char *const names[] = {"digest", "iterations", "key"};
    bool found[sizeof names / sizeof *names] = {false};
    for (int token = 1; token < json->count; token++) {
        char name[sizeof "iterations"];
        if (json->tokens[token].parent != 0 || !json_string(json, token, name, sizeof name))
            continue;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
            if (strcmp(name, names[i]) != 0)
                continue;
            if (found[i])
                return true;
            found[i] = true;
        }
    }
    return false;
}

/* Reads the key of a line, if it has one. */
static bool read_key(const struct json *json, char key[QUEUE_KEY_SIZE]) {
    int token = json_member(json, 0, "key");
    key[0] = '\0';
    if (token < 0)
        return true;
    if (!json_string(json, token, key, QUEUE_KEY_SIZE) || key[0] == '\0')
        return false;
    for (const char *c = key; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f)
            return false;
    }
    return true;
}

/* Reads one line. */
static void read_line(struct call *call, const char *text, size_t length, struct line *line) {
    struct json *json = &call->server->json;
    struct queue_line *item = &line->item;
    const char *why;
    if (length > LINE_MAX_BYTES)
        refuse_line(line, PROBLEM_TOO_LARGE,
                    "A line has at most 4096 bytes. Each line must end with a line feed: with curl "
                    "use --data-binary.");
    else if (!json_parse(json, text, length, &why) || json->tokens[0].type != JSMN_OBJECT)
        refuse_line(line, PROBLEM_BAD_BODY,
                    "A line must be one object of JSON, in UTF-8. Each line must end with a line "
                    "feed: with curl use --data-binary.");
    else if (has_twice(json))
        refuse_line(line, PROBLEM_BAD_BODY, "digest, iterations and key may be there once.");
    else if (!fields_read_digest(json, json_member(json, 0, "digest"), item->digest))
        refuse_line(line, PROBLEM_BAD_BODY,
                    "digest must be the SHA-512 of the body, 128 lower-case hex digits.");
    else if (!json_integer(json, json_member(json, 0, "iterations"), 1, QUEUE_ITERATIONS_MAX,
                           &item->iterations))
        refuse_line(line, PROBLEM_BAD_BODY, "iterations must be a whole number from 1.");
    else if (!read_key(json, item->key))
        refuse_line(line, PROBLEM_BAD_BODY,
                    "key must be 1 to 255 visible ASCII characters without spaces.");
    else
        item->id = id_new((int)call->server->conf->node);
}

/* Counts the lines of a text; the last one needs no line break. */
static int count_lines(const struct buffer *text) {
    int count = 0;
    for (size_t i = 0; i < text->length && count <= LINES_MAX; i++)
        count += text->data[i] == '\n' || i + 1 == text->length;
    return count;
}

/* Reads the body into server->text and counts its lines. 0 with the reply in place. */
static int read_text(struct call *call) {
    struct buffer *text = &call->server->text;
    uint8_t digest[DIGEST_SIZE];
    buffer_clear(text);
    if (!body_read(call, BODY_MAX, text, digest))
        return 0;
    int count = count_lines(text);
    if (count <= LINES_MAX)
        return count;
    problem_reply(&call->server->reply, PROBLEM_BAD_BODY,
                  "The body must have 1 to %d lines, an item each. Nothing was stored.", LINES_MAX);
    return 0;
}

/* Reads the lines of the text. */
static void read_lines(struct call *call, struct line *lines, int count) {
    const char *at = call->server->text.data;
    const char *end = at + call->server->text.length;
    for (int i = 0; i < count; i++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        size_t length = (size_t)(stop - at);
        read_line(call, at, length > 0 && at[length - 1] == '\r' ? length - 1 : length, &lines[i]);
        at = stop + 1;
    }
}

/* Stores the good lines among these that fit into one message. Returns the number of the first line
 * that is left. */
static int store_some(struct call *call, struct queue_many *many, struct line *lines, int first,
                      int count) {
    static struct queue_many_stored stored; /* too large for the stack */
    int last = first;
    for (many->count = 0; last < count && many->count < QUEUE_MANY_MAX; last++) {
        if (!lines[last].bad)
            many->items[many->count++] = lines[last].item;
    }
    if (many->count == 0)
        return last;
    enum queue_result result = queue_enqueue_many(call->server->queue, many, &stored);
    queue_left(call->server->queue, &call->left);
    for (int i = first, n = 0; i < last; i++) {
        if (lines[i].bad)
            continue;
        lines[i].stored = result == QUEUE_OK ? stored.items[n++]
                                             : (struct queue_stored){.result = (int32_t)result};
    }
    return last;
}

/* Appends the answer to a line. */
static void put_line(struct call *call, struct buffer *answer, const struct queue_quota *quota,
                     const struct line *line) {
    struct reply *reply = &call->server->reply;
    struct buffer *text = &call->server->text; /* the request's is read by now */
    buffer_clear(text);
    json_open(text, '{');
    if (!line->bad && line->stored.result == QUEUE_OK) {
        fields_put_id(text, "id", line->stored.id);
    } else {
        if (line->bad)
            problem_reply(reply, line->problem, "%s", line->detail);
        else
            enqueue_refuse(call, quota, line->item.iterations,
                           (enum queue_result)line->stored.result, line->stored.retry_seconds);
        json_name(text, "problem");
        buffer_append(text, reply->body.data, reply->body.length);
        if (reply->retry_seconds > 0)
            fields_put_integer(text, "retry_after", reply->retry_seconds);
    }
    json_close(text, '}');
    buffer_append(answer, text->data, text->length);
    buffer_puts(answer, "\n");
}

/* Enqueues the lines of the text, and replies. */
static void enqueue_lines(struct call *call, struct line *lines, int count) {
    static struct queue_many many; /* too large for the stack */
    struct reply *reply = &call->server->reply;
    struct buffer answer = {0};
    read_lines(call, lines, count);
    enqueue_client(call, &many.client);
    for (int next = 0; next < count;)
        next = store_some(call, &many, lines, next, count);
    reply->request_id = NULL; /* the lines need not say it, each again */
    for (int i = 0; i < count; i++)
        put_line(call, &answer, &many.client.quota, &lines[i]);
    reply_begin(reply, 200, "application/x-ndjson");
    buffer_append(&reply->body, answer.data, answer.length);
    quota_reply(call, &many.client.quota);
    buffer_free(&answer);
}

void api_enqueue_many(struct call *call) {
    if (!is_ndjson(call) || !idempotency_none(call, "give each line a key instead"))
        return;
    int count = read_text(call);
    struct line *lines = count > 0 ? calloc((size_t)count, sizeof *lines) : NULL;
    if (lines)
        enqueue_lines(call, lines, count);
    else if (count > 0)
        problem_of_write(&call->server->reply, QUEUE_FAULT);
    buffer_free(&call->server->text); /* it may be large */
    free(lines);
}
