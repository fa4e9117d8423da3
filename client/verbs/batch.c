#include "verbs/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "hex.h"
#include "json.h"
#include "net/problem.h"
#include "verbs/batch_parts.h"

enum { RETRY_AFTER_MAX_SECONDS = 86400 };

void batch_free(struct batch *batch) {
    free(batch->parts);
    buffer_free(&batch->texts);
    buffer_free(&batch->bodies);
    *batch = (struct batch){0};
}

void batch_give_up(struct sending *sending, struct batch *batch) {
    for (int i = 0; i < batch->count && batch->owner == NET_ANY && batch->noted_at != NET_ANY; i++)
        journal_withdraw(sending->journal, batch->parts[i].item, false);
}

/* Takes settled parts out. */
static void compact(struct batch *batch) {
    int kept = 0;
    for (int i = 0; i < batch->count; i++) {
        if (batch->parts[i].item != JOURNAL_NONE)
            batch->parts[kept++] = batch->parts[i];
    }
    batch->count = kept;
}

/* Has the journal know, on the disk, to which node the parts go. */
static bool note(struct sending *sending, struct batch *batch, int node) {
    if (batch->noted_at == node)
        return true;
    for (int i = 0; i < batch->count; i++) {
        if (!journal_send(sending->journal, batch->parts[i].item,
                          net_url(sending->session->net, node),
                          batch->texts.data + batch->parts[i].path))
            return false;
    }
    batch->noted_at = node;
    return journal_write(sending->journal, true);
}

/* Writes the lines of POST /items. */
static void put_lines(struct buffer *lines, const struct batch *batch, int64_t iterations) {
    char digest[2 * DIGEST_BYTES];
    char key[2 * ITEM_KEY_BYTES];
    for (int i = 0; i < batch->count; i++) {
        hex_encode(digest, batch->parts[i].digest, DIGEST_BYTES);
        hex_encode(key, batch->parts[i].key, ITEM_KEY_BYTES);
        buffer_printf(lines, "{\"digest\":\"%.*s\",\"iterations\":%lld,\"key\":\"%.*s\"}\n",
                      (int)sizeof digest, digest, (long long)iterations, (int)sizeof key, key);
    }
}

/* What the lines of an answer put off. */
struct put_off {
    char why[ANSWER_WHY_SIZE]; /* empty: nothing */
    int64_t retry_after_ms;
    bool unknown; /* the outcome of a line */
};

/* Takes the line of an answer that is about one part. False when it is none. */
static bool take_line(struct sending *sending, struct batch *batch, struct part *part,
                      const struct json *json, struct put_off *put_off) {
    struct problem problem;
    int64_t status = 0;
    int64_t seconds = 0;
    int object = json_member(json, 0, "problem");
    if (batch_take_id(sending, batch, part, json, 0))
        return true;
    if (!json_integer(json, json_member(json, object, "status"), 400, 599, &status))
        return false;
    problem_at(&problem, json, object);
    if (!problem_passes((int)status, problem.name)) {
        batch_refuse(sending, batch, part, (int)status, problem.detail);
        return true;
    }
    json_integer(json, json_member(json, 0, "retry_after"), 0, RETRY_AFTER_MAX_SECONDS, &seconds);
    snprintf(put_off->why, sizeof put_off->why, "%s", problem.detail);
    if (seconds * 1000 > put_off->retry_after_ms)
        put_off->retry_after_ms = seconds * 1000;
    put_off->unknown |= strcmp(problem.name, "outcome-unknown") == 0;
    return true;
}

/* Takes all lines of a 200. */
static int take_lines(struct sending *sending, struct batch *batch, const struct answer *answer) {
    struct json json = {0};
    struct put_off put_off = {0};
    struct net *net = sending->session->net;
    const char *why;
    const char *line = answer->body.data;
    bool good = true;
    for (int i = 0; i < batch->count && good; i++) {
        size_t length = strcspn(line, "\n");
        good = json_parse(&json, line, length, &why) &&
               take_line(sending, batch, &batch->parts[i], &json, &put_off);
        line += length + (line[length] == '\n');
    }
    json_free(&json);
    if (!good || *line != '\0') {
        answer_odd(answer);
        return CLIENT_FAILED;
    }
    if (!put_off.unknown)
        batch->owner = batch->owner_before;
    if (put_off.why[0] == '\0')
        net_went_well(net, answer->node);
    else
        net_put_off(net, answer->node, put_off.unknown ? OUTCOME_UNKNOWN : OUTCOME_NOT_DONE,
                    put_off.why, put_off.retry_after_ms);
    return CLIENT_DONE;
}

/* Sends the parts as lines of one request. */
static int send_lines(struct sending *sending, struct batch *batch, int node) {
    struct buffer lines = {0};
    struct answer answer = {0};
    struct net *net = sending->session->net;
    int code = CLIENT_DONE;
    put_lines(&lines, batch, sending->session->command.iterations);
    struct ask ask = {.method = "POST",
                      .path = "/items",
                      .type = "application/x-ndjson",
                      .body = lines.data,
                      .length = lines.length,
                      .in_lines = true};
    net_start(net, node, &ask, &answer);
    net_finish(net, &answer);
    if (answer_is_not_done(&answer))
        batch->owner = batch->owner_before;
    if (answer.outcome == OUTCOME_INTERRUPTED)
        code = CLIENT_INTERRUPTED;
    else if (answer.outcome == OUTCOME_ANSWERED && answer.status == 200)
        code = take_lines(sending, batch, &answer);
    else if (answer.outcome == OUTCOME_ANSWERED) {
        say("%s: %s", net_url(net, node), answer.why);
        code = answer_exit(&answer) == CLIENT_DONE ? CLIENT_FAILED : answer_exit(&answer);
    }
    answer_free(&answer);
    buffer_free(&lines);
    return code;
}

int batch_send(struct sending *sending, struct batch *batch, int node) {
    if (!note(sending, batch, node))
        return CLIENT_FAILED;
    batch->owner_before = batch->owner;
    batch->owner = node;
    int code = sending->session->command.send_body ? batch_send_bodies(sending, batch, node)
                                                   : send_lines(sending, batch, node);
    compact(batch);
    if (!journal_write(sending->journal, false))
        return CLIENT_FAILED;
    return code;
}
