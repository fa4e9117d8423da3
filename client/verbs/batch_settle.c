#include "base/exit.h"
#include "base/say.h"
#include "verbs/batch_parts.h"

void batch_settle(struct sending *sending, struct batch *batch, struct part *part, bool failed) {
    struct enqueued file = {
        .item = part->item, .name = batch->texts.data + part->name, .digest = part->digest};
    if (failed)
        sending->code = client_exit_worse(sending->code, CLIENT_FAILED);
    sending->events->placed(sending->events->context, &file, failed);
    part->item = JOURNAL_NONE;
}

bool batch_take_id(struct sending *sending, struct batch *batch, struct part *part,
                   const struct json *json, int object) {
    uint8_t id[ITEM_ID_BYTES];
    const char *text;
    size_t length;
    if (!json_plain(json, json_member(json, object, "id"), &text, &length) ||
        !item_id_read(id, text, length))
        return false;
    journal_place(sending->journal, part->item, id);
    batch_settle(sending, batch, part, false);
    return true;
}

/* Whether a node that answers with this status has done nothing. */
static bool is_refusal(int status) {
    return status >= 400 && status <= 499;
}

void batch_refuse(struct sending *sending, struct batch *batch, struct part *part, int status,
                  const char *why) {
    say("%s: %s", batch->texts.data + part->name, why);
    if (is_refusal(status))
        journal_withdraw(sending->journal, part->item, true);
    batch_settle(sending, batch, part, true);
}

bool batch_is_not_done(const struct answer *answer) {
    return answer->outcome == OUTCOME_NOT_DONE ||
           (answer->outcome == OUTCOME_ANSWERED && is_refusal(answer->status));
}
