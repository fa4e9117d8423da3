#include <stdio.h>
#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "hex.h"
#include "verbs/batch_parts.h"

enum { HEADER_SIZE = 17 + 2 * ITEM_KEY_BYTES + 1, PATH_SIZE = 60 };

static void start(struct sending *sending, const struct batch *batch, const struct part *part,
                  int node, struct answer *answer) {
    char header[HEADER_SIZE] = "Idempotency-Key: ";
    char path[PATH_SIZE];
    hex_encode(header + strlen(header), part->key, ITEM_KEY_BYTES);
    header[HEADER_SIZE - 1] = '\0';
    snprintf(path, sizeof path, "/enqueue?iterations=%lld",
             (long long)sending->session->command.iterations);
    struct ask ask = {.method = "PUT",
                      .path = path,
                      .type = "application/octet-stream",
                      .header = header,
                      .body = batch->bodies.data + part->body,
                      .length = part->body_length};
    net_start(sending->session->net, node, &ask, answer);
}

/* Whether a reply has the digest that we have computed. */
static bool is_digest(const struct part *part, const struct json *json) {
    uint8_t digest[DIGEST_BYTES];
    const char *text;
    size_t length;
    return json_plain(json, json_member(json, 0, "digest"), &text, &length) &&
           hex_decode(digest, DIGEST_BYTES, text, length) &&
           memcmp(digest, part->digest, DIGEST_BYTES) == 0;
}

/* Takes a 201. */
static void take_created(struct sending *sending, struct batch *batch, struct part *part,
                         const struct answer *answer) {
    struct json json = {0};
    const char *why;
    if (!json_parse(&json, answer->body.data, answer->body.length - 1, &why) ||
        !is_digest(part, &json) || !batch_take_id(sending, batch, part, &json, 0))
        batch_refuse(sending, batch, part, answer->status,
                     "the node's reply does not have the digest of what was sent");
    json_free(&json);
}

/* Takes an answer. Returns an exit code with which all must end, or CLIENT_DONE. */
static int take(struct sending *sending, struct batch *batch, struct part *part,
                const struct answer *answer) {
    if (answer->outcome == OUTCOME_INTERRUPTED)
        return CLIENT_INTERRUPTED;
    if (answer->outcome != OUTCOME_ANSWERED)
        return CLIENT_DONE;
    if (answer->status == 201) {
        take_created(sending, batch, part, answer);
        return CLIENT_DONE;
    }
    if (answer_exit(answer) == CLIENT_DONE) {
        answer_odd(answer);
        return CLIENT_FAILED;
    }
    batch_refuse(sending, batch, part, answer->status, answer->why);
    return answer_exit(answer) == CLIENT_REFUSED ? CLIENT_REFUSED : CLIENT_DONE;
}

int batch_send_bodies(struct sending *sending, struct batch *batch, int node) {
    struct answer answers[BATCH_BODIES_MAX] = {0};
    int code = CLIENT_DONE;
    bool certain = true; /* what became of each part */
    for (int i = 0; i < batch->count; i++)
        start(sending, batch, &batch->parts[i], node, &answers[i]);
    for (int i = 0; i < batch->count; i++) {
        net_finish(sending->session->net, &answers[i]);
        code = client_exit_worse(code, take(sending, batch, &batch->parts[i], &answers[i]));
        certain &= batch->parts[i].item == JOURNAL_NONE || answer_is_not_done(&answers[i]);
        answer_free(&answers[i]);
    }
    if (certain)
        batch->owner = batch->owner_before;
    return code;
}
