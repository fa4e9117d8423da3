#include "verbs/item.h"

#include <string.h>

#include "base/command.h"
#include "base/say.h"

/* Reads a text if the member is there. False when it is none, or has other characters. */
static bool read_text(char *text, size_t size, const char *characters, const struct json *json,
                      int member) {
    if (member < 0)
        return true;
    return json_string(json, member, text, size) && text[strspn(text, characters)] == '\0';
}

/* Reads a number if the member is there. */
static bool read_number(int64_t *number, int64_t most, const struct json *json, int member) {
    return member < 0 || json_integer(json, member, 0, most, number);
}

/* Reads all that is printed. */
static bool read_printed(struct item *item, const struct json *json, int object) {
    uint8_t id[ITEM_ID_BYTES];
    if (!json_string(json, json_member(json, object, "id"), item->id, sizeof item->id) ||
        !item_id_read(id, item->id, strlen(item->id)))
        return false;
    bool good = read_text(item->value, sizeof item->value, "0123456789abcdef", json,
                          json_member(json, object, "value"));
    size_t digits = strlen(item->value);
    return good && (digits == 0 || digits == sizeof item->value - 1) &&
           read_text(item->state, sizeof item->state, "abcdefghijklmnopqrstuvwxyz", json,
                     json_member(json, object, "state")) &&
           read_text(item->enqueued_at, sizeof item->enqueued_at, "0123456789-:.+TZ", json,
                     json_member(json, object, "enqueued_at")) &&
           read_text(item->as_of, sizeof item->as_of, "0123456789-:.+TZ", json,
                     json_member(json, object, "as_of")) &&
           read_number(&item->iterations, COMMAND_ITERATIONS_MAX, json,
                       json_member(json, object, "iterations")) &&
           read_number(&item->remaining, item->iterations, json,
                       json_member(json, object, "remaining"));
}

bool item_read(struct item *item, const struct answer *answer, const struct json *json,
               int object) {
    *item = (struct item){.eta_seconds = -1};
    json_positive(json, json_member(json, object, "rate"), &item->rate);
    json_positive(json, json_member(json, object, "eta_seconds"), &item->eta_seconds);
    if (read_printed(item, json, object))
        return true;
    answer_odd(answer);
    return false;
}

bool item_answered(struct item *item, const struct answer *answer, struct json *json,
                   const char *id) {
    if (!answer_json(answer, json) || !item_read(item, answer, json, 0))
        return false;
    if (strcmp(item->id, id) != 0)
        answer_odd(answer);
    return strcmp(item->id, id) == 0;
}

bool item_is_id(const char *text) {
    uint8_t id[ITEM_ID_BYTES];
    if (item_id_read(id, text, strlen(text)))
        return true;
    say("%s is no id of an item: it has 36 characters, in small letters, as put prints it", text);
    return false;
}
