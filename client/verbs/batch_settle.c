#include "base/exit.h"
#include "base/say.h"
#include "net/problem.h"
#include "verbs/batch_parts.h"

void batch_settle(struct sending *sending, struct batch *batch, struct part *part, bool failed) {
    struct enqueued file = {
        .item = part->item, .name = batch->texts.data + part->name, .digest = part->digest};
    if (failed)
        sending->code = client_exit_worse(sending->code, CLIENT_FAILED);
    sending->settled++;
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

void batch_refuse(struct sending *sending, struct batch *batch, struct part *part, int status,
                  const char *why) {
    say("%s: %s", batch->texts.data + part->name, why);
    if (status_is_refusal(status))
        journal_withdraw(sending->journal, part->item, true);
    batch_settle(sending, batch, part, true);
}
