/* Requests between memory and memory: libfcgi parses and answers the same whether its functions are
 * replaced or it has a pair of sockets, and it never waits for a connection. */
#include "fcgi/http/request.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

static struct buffer head;
static struct buffer out;

static void put_record(int type, const void *content, size_t length) {
    const uint8_t header[8] = {1, (uint8_t)type, 0, 1, (uint8_t)(length >> 8), (uint8_t)length};
    buffer_append(&head, header, sizeof header);
    if (length > 0)
        buffer_append(&head, content, length);
}

/* The parameters are names and values of less than 128 bytes, NULL last. */
static void make_head(const char *const *parameters) {
    struct buffer text = {0};
    buffer_clear(&head);
    put_record(1, (const uint8_t[8]){0, 1, 1}, 8);
    for (; *parameters; parameters += 2) {
        const uint8_t lengths[2] = {(uint8_t)strlen(parameters[0]), (uint8_t)strlen(parameters[1])};
        buffer_append(&text, lengths, sizeof lengths);
        buffer_puts(&text, parameters[0]);
        buffer_puts(&text, parameters[1]);
    }
    if (text.length > 0)
        put_record(4, text.data, text.length);
    put_record(4, NULL, 0);
    buffer_free(&text);
}

static void test_way(const char *way, bool may_replace, struct buffer *answer) {
    static const char *const parameters[] = {
        "REQUEST_METHOD", "PUT", "DOCUMENT_URI", "/enqueue", "REQUEST_ID", "abc", NULL};
    struct request requests[2];
    struct reply reply = {0};
    int64_t announced;
    request_use_memory(&out, may_replace);
    make_head(parameters);
    ok(request_open(&requests[0], head.data, head.length) &&
           request_open(&requests[1], head.data, head.length),
       "%s: two requests are open at once", way);
    ok(strcmp(requests[1].method, "PUT") == 0 && strcmp(requests[1].path, "/enqueue") == 0 &&
           strcmp(requests[1].id, "abc") == 0,
       "with their parameters");
    ok(request_announced(&requests[1], 10, &announced) == REQUEST_BODY_OK && announced == 0,
       "without a length, none is announced");
    reply_begin(&reply, 201, "text/plain");
    buffer_puts(&reply.body, "an id\n");
    buffer_clear(&out);
    ok(request_finish(&requests[1], &reply) && out.length > 100, "the second is answered first");
    buffer_clear(answer);
    buffer_append(answer, out.data, out.length);
    buffer_clear(&out);
    ok(request_finish(&requests[0], &reply) && out.length == answer->length &&
           memcmp(out.data, answer->data, out.length) == 0,
       "the first one gets the same");
    ok(!request_open(&requests[0], head.data, head.length - 1), "half a head is refused");
    ok(request_open(&requests[0], head.data, head.length), "and the next is taken");
    request_drop(&requests[0]);
    char *large = calloc(1, 4001);
    memset(large, 'x', 4000);
    reply_begin(&reply, 200, "text/plain");
    for (int i = 0; i < 20; i++)
        buffer_puts(&reply.body, large);
    buffer_clear(&out);
    ok(request_open(&requests[0], head.data, head.length) && request_finish(&requests[0], &reply) &&
           out.length > 80000,
       "a large answer comes whole");
    free(large);
    reply_free(&reply);
}

int main(void) {
    struct buffer answers[2] = {{0}};
    ok(request_setup(), "libfcgi starts");
    test_way("with functions replaced", true, &answers[0]);
    test_way("with a pair of sockets", false, &answers[1]);
    ok(answers[0].length == answers[1].length &&
           memcmp(answers[0].data, answers[1].data, answers[0].length) == 0,
       "both ways answer the same");
    for (int i = 0; i < 2; i++)
        buffer_free(&answers[i]);
    buffer_free(&head);
    buffer_free(&out);
    return done_testing();
}
