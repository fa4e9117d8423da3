#include "verbs/item.h"

#include <string.h>

#include "base/say.h"

bool item_read(struct item *item, const struct json *json, int object) {
    uint8_t id[ITEM_ID_BYTES];
    *item = (struct item){.eta_seconds = -1};
    json_string(json, json_member(json, object, "state"), item->state, sizeof item->state);
    json_string(json, json_member(json, object, "value"), item->value, sizeof item->value);
    json_string(json, json_member(json, object, "enqueued_at"), item->enqueued_at,
                sizeof item->enqueued_at);
    json_integer(json, json_member(json, object, "iterations"), 0, INT64_MAX, &item->iterations);
    json_integer(json, json_member(json, object, "remaining"), 0, INT64_MAX, &item->remaining);
    json_positive(json, json_member(json, object, "rate"), &item->rate);
    json_positive(json, json_member(json, object, "eta_seconds"), &item->eta_seconds);
    return json_string(json, json_member(json, object, "id"), item->id, sizeof item->id) &&
           item_id_read(id, item->id, strlen(item->id));
}

bool item_of_answer(struct item *item, struct json *json, const struct answer *answer) {
    if (!answer_json(answer, json))
        return false;
    if (item_read(item, json, 0))
        return true;
    answer_blame(answer);
    return false;
}

bool item_is_id(const char *text) {
    uint8_t id[ITEM_ID_BYTES];
    if (item_id_read(id, text, strlen(text)))
        return true;
    say("%s is no id of an item: it has 36 characters, in small letters, as put prints it", text);
    return false;
}
