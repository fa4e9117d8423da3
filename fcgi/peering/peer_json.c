#include "peer_json.h"

#include <stddef.h>
#include <string.h>

#include "hex.h"
#include "queue/fields.h"

#define WALL_MS_MAX 253402300799999 /* the end of the year 9999 */

/* --- Writing --- */

static void put_state(struct buffer *body, int32_t state) {
    const char *name = item_state_name((enum item_state)state);
    json_name(body, "state");
    json_put_plain(body, name, strlen(name));
}

static bool has_value(int32_t state) {
    return state == ITEM_DONE || state == ITEM_PULLED;
}

/* Appends the members of an item. */
static void put_members(struct buffer *body, const struct queue_item *item) {
    fields_put_id(body, "id", item->id);
    fields_put_digest(body, "chain", item->chain);
    fields_put_integer(body, "iterations", item->iterations);
    fields_put_integer(body, "remaining", item->remaining);
    put_state(body, item->state);
    fields_put_integer(body, "enqueued", item->enqueued_wall_ms);
    if (has_value(item->state))
        fields_put_integer(body, "completed", item->completed_wall_ms);
    fields_put_integer(body, "strikes", item->strikes);
}

void peer_json_put_item(struct buffer *body, const struct queue_item *item) {
    json_open(body, '{');
    put_members(body, item);
    json_close(body, '}');
}

void peer_json_put_items(struct buffer *body, const struct queue_batch *batch) {
    json_name(body, "items");
    json_open(body, '[');
    for (int i = 0; i < batch->count; i++)
        peer_json_put_item(body, &batch->items[i]);
    json_close(body, ']');
}

void peer_json_put_page(struct buffer *body, const struct queue_page *page) {
    json_name(body, "known");
    json_put_boolean(body, page->known != 0);
    json_name(body, "more");
    json_put_boolean(body, page->more != 0);
    if (page->more)
        fields_put_id(body, "end", page->end);
    json_name(body, "items");
    json_open(body, '[');
    for (int i = 0; i < page->count; i++) {
        json_open(body, '{');
        put_members(body, &page->items[i].item);
        json_name(body, "client");
        json_put_string(body, page->items[i].client);
        json_close(body, '}');
    }
    json_close(body, ']');
}

void peer_json_put_tag(struct buffer *body, const uint8_t tag[PULL_TAG_SIZE]) {
    json_name(body, "tag");
    json_put_hex(body, tag, PULL_TAG_SIZE);
}

/* --- Reading --- */

/* An object being read. Every function below returns false once something was wrong. */
struct source {
    const struct json *json;
    int token;
    struct peer_fault *fault;
};

static bool refuse(const struct source *source, const char *field, const char *rule) {
    *source->fault = (struct peer_fault){field, rule};
    return false;
}

static int member(const struct source *source, const char *name) {
    return json_member(source->json, source->token, name);
}

static bool read_integer(const struct source *source, const char *name, int64_t min, int64_t max,
                         const char *rule, int64_t *value) {
    return json_integer(source->json, member(source, name), min, max, value) ||
           refuse(source, name, rule);
}

/* The same for a number of 32 bits. */
static bool read_count(const struct source *source, const char *name, int32_t max, const char *rule,
                       int32_t *value) {
    int64_t number;
    if (!read_integer(source, name, 0, max, rule, &number))
        return false;
    *value = (int32_t)number;
    return true;
}

bool peer_json_read_state(const struct json *json, int token, int32_t *state) {
    const char *text;
    size_t length;
    if (!json_plain(json, token, &text, &length))
        return false;
    *state = item_state_named(text, length);
    return *state >= 0;
}

static bool read_state(const struct source *source, int32_t *state) {
    return peer_json_read_state(source->json, member(source, "state"), state) ||
           refuse(source, "state", "waiting, leased, done, pulled or cancelled");
}

/* Reads the remaining iterations, which must fit the state. */
static bool read_remaining(const struct source *source, int64_t iterations, int32_t state,
                           int64_t *remaining) {
    if (has_value(state))
        return read_integer(source, "remaining", 0, 0, "0 when it is done or pulled", remaining);
    return read_integer(source, "remaining", 1, iterations - 1,
                        "1 to iterations - 1 when it is neither done nor pulled", remaining);
}

static bool read_times(const struct source *source, int32_t state, int64_t *enqueued_ms,
                       int64_t *completed_ms) {
    static const char rule[] = "milliseconds since 1970";
    *completed_ms = 0;
    return read_integer(source, "enqueued", 0, WALL_MS_MAX, rule, enqueued_ms) &&
           (!has_value(state) ||
            read_integer(source, "completed", 1, WALL_MS_MAX, rule, completed_ms));
}

static bool read_progress(const struct source *source, int32_t state, int64_t *iterations,
                          int64_t *remaining) {
    return read_integer(source, "iterations", 1, QUEUE_ITERATIONS_MAX,
                        "a whole number from 1 to 2^53 - 1", iterations) &&
           read_remaining(source, *iterations, state, remaining);
}

static bool read_digest(const struct source *source, const char *name, uint8_t out[DIGEST_SIZE]) {
    return fields_read_digest(source->json, member(source, name), out) ||
           refuse(source, name, "128 lower-case hex digits");
}

static bool read_id(const struct source *source, struct uuid *id) {
    return fields_read_id(source->json, member(source, "id"), id) ||
           refuse(source, "id", "the id of an item");
}

bool peer_json_read_item(const struct json *json, int token, struct queue_item *item,
                         struct peer_fault *fault) {
    const struct source source = {json, token, fault};
    *item = (struct queue_item){0};
    return read_id(&source, &item->id) && read_digest(&source, "chain", item->chain) &&
           read_state(&source, &item->state) &&
           read_progress(&source, item->state, &item->iterations, &item->remaining) &&
           read_times(&source, item->state, &item->enqueued_wall_ms, &item->completed_wall_ms) &&
           read_count(&source, "strikes", INT32_MAX, "a whole number", &item->strikes);
}

bool peer_json_read_items(const struct json *json, int token, int max, struct queue_batch *batch,
                          int *index, struct peer_fault *fault) {
    int count = json_array_size(json, token);
    *index = -1;
    if (count < 0 || count > max) {
        *fault = (struct peer_fault){"items", "an array of items, no more than were asked for"};
        return false;
    }
    int element = json_first(json, token);
    for (int i = 0; i < count; i++) {
        *index = i;
        if (!peer_json_read_item(json, element, &batch->items[i], fault))
            return false;
        element = json_next(json, element);
    }
    batch->count = count;
    return true;
}

static bool read_boolean(const struct source *source, const char *name, int32_t *value) {
    bool is_true;
    if (!json_boolean(source->json, member(source, name), &is_true))
        return refuse(source, name, "true or false");
    *value = is_true;
    return true;
}

static bool is_behind(const struct uuid *id, const struct uuid *other) {
    return memcmp(id, other, sizeof *id) < 0;
}

/* Whether a list may go on behind `end`: at the last item of the page, or behind it. A page without
 * items ends behind the one before it, or the list would never end. */
static bool may_end(const struct queue_page *page, const struct uuid *last,
                    const struct uuid *end) {
    return !last || is_behind(end, last) ||
           (page->count > 0 && memcmp(end, last, sizeof *end) == 0);
}

/* Reads the end of a page behind which there is more. */
static bool read_end(const struct source *source, struct queue_page *page,
                     const struct uuid *last) {
    return (fields_read_id(source->json, member(source, "end"), &page->end) &&
            may_end(page, last, &page->end)) ||
           refuse(source, "end", "the id of the last item that was looked at");
}

static bool read_listed(const struct json *json, int token, struct queue_listed *listed,
                        struct peer_fault *fault) {
    const struct source source = {json, token, fault};
    return peer_json_read_item(json, token, &listed->item, fault) &&
           (json_string(json, member(&source, "client"), listed->client, sizeof listed->client) ||
            refuse(&source, "client", "the name of a client, at most 64 bytes"));
}

/* Reads the items of a page. Each must come behind the one before it. *last gets the last one's id,
 * or the one behind which the list goes on, or NULL. */
static bool read_listing(const struct source *source, const struct queue_list *list,
                         struct queue_page *page, const struct uuid **last) {
    int array = member(source, "items");
    int count = json_array_size(source->json, array);
    int element = json_first(source->json, array);
    if (count < 0 || count > list->limit)
        return refuse(source, "items", "an array of items, no more than were asked for");
    *last = list->has_after ? &list->after : NULL;
    for (page->count = 0; page->count < count; page->count++) {
        struct queue_listed *listed = &page->items[page->count];
        if (!read_listed(source->json, element, listed, source->fault))
            return false;
        if (*last && !is_behind(&listed->item.id, *last))
            return refuse(source, "items", "an array of items, the newest first");
        *last = &listed->item.id;
        element = json_next(source->json, element);
    }
    return true;
}

bool peer_json_read_page(const struct json *json, int token, const struct queue_list *list,
                         struct queue_page *page, struct peer_fault *fault) {
    const struct source source = {json, token, fault};
    const struct uuid *last;
    memset(page, 0, offsetof(struct queue_page, items));
    return read_boolean(&source, "known", &page->known) &&
           read_boolean(&source, "more", &page->more) && read_listing(&source, list, page, &last) &&
           (!page->more || read_end(&source, page, last));
}

bool peer_json_read_tag(const struct json *json, int token, uint8_t tag[PULL_TAG_SIZE]) {
    const char *text;
    size_t length;
    return json_plain(json, token, &text, &length) &&
           hex_decode(tag, PULL_TAG_SIZE, text, length) && tag[PULL_TAG_SIZE - 1] == PULL_TAG_END;
}
