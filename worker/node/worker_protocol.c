#include "worker_protocol.h"

#include <string.h>

#include "hex.h"
#include "protocol.h"

enum { UUID_TEXT_LENGTH = 36 };

static const double ttl_seconds_max = 86400;

static void put_uuid(struct buffer *body, const char *name, const uuid_t id) {
    char text[UUID_TEXT_LENGTH + 1];
    uuid_unparse_lower(id, text);
    json_name(body, name);
    json_put_plain(body, text, UUID_TEXT_LENGTH);
}

static void put_number(struct buffer *body, const char *name, int64_t value) {
    json_name(body, name);
    json_put_integer(body, value);
}

/* Opens a body with the members that all bodies have. */
static void open_body(struct buffer *body, const struct protocol_worker *worker) {
    json_open(body, '{');
    put_number(body, "protocol", WORKER_PROTOCOL);
    json_name(body, "worker");
    json_open(body, '{');
    json_name(body, "name");
    json_put_string(body, worker->name);
    if (worker->machine && worker->machine[0] != '\0') {
        json_name(body, "machine");
        json_put_string(body, worker->machine);
    }
    put_number(body, "cores", worker->cores);
    json_name(body, "kernel");
    json_put_string(body, worker->kernel);
    put_number(body, "rate", worker->rate);
    json_close(body, '}');
}

void protocol_put_lease(struct buffer *body, const struct protocol_worker *worker,
                        const uuid_t request, int items, int64_t iterations, int wait_seconds) {
    open_body(body, worker);
    put_uuid(body, "request", request);
    put_number(body, "items", items);
    put_number(body, "iterations", iterations);
    put_number(body, "wait", wait_seconds);
    json_close(body, '}');
}

void protocol_put_report(struct buffer *body, const struct protocol_worker *worker,
                         const struct item *list, int count) {
    open_body(body, worker);
    json_name(body, "items");
    json_open(body, '[');
    for (int i = 0; i < count; i++) {
        json_open(body, '{');
        put_uuid(body, "id", list[i].id);
        put_uuid(body, "lease", list[i].lease);
        json_name(body, "chain");
        json_put_hex(body, list[i].chain, CHAIN_SIZE);
        put_number(body, "remaining", list[i].remaining);
        if (list[i].release) {
            json_name(body, "release");
            json_put_boolean(body, true);
        }
        json_close(body, '}');
    }
    json_close(body, ']');
    json_close(body, '}');
}

void protocol_put_retire(struct buffer *body, const struct protocol_worker *worker) {
    open_body(body, worker);
    json_close(body, '}');
}

/* The token as a UUID in its usual form of 36 characters. */
static bool read_uuid(const struct json *json, int token, uuid_t id) {
    const char *text;
    size_t length;
    char copy[UUID_TEXT_LENGTH + 1] = "";
    if (!json_plain(json, token, &text, &length) || length != UUID_TEXT_LENGTH)
        return false;
    memcpy(copy, text, UUID_TEXT_LENGTH);
    return uuid_parse(copy, id) == 0;
}

/* Reads the optional member "command". An unknown command is ignored: a later protocol may define
 * it. */
static bool reads_drain(const struct json *json) {
    const char *text;
    size_t length;
    return json_plain(json, json_member(json, 0, "command"), &text, &length) && length == 5 &&
           memcmp(text, "drain", 5) == 0;
}

static bool read_leased(const struct json *json, int token, struct item *item) {
    const char *chain;
    size_t length;
    return read_uuid(json, json_member(json, token, "id"), item->id) &&
           json_plain(json, json_member(json, token, "chain"), &chain, &length) &&
           hex_decode(item->chain, CHAIN_SIZE, chain, length) &&
           json_integer(json, json_member(json, token, "remaining"), 1, ITERATIONS_MAX,
                        &item->remaining);
}

/* Reads the items of a grant, which must have `least` to `most`. */
static bool read_leased_items(const struct json *json, int least, int most, const uuid_t lease,
                              struct items *items, const char **why) {
    int array = json_member(json, 0, "items");
    int size = json_array_size(json, array);
    if (size < least || size > most) {
        *why = "its \"items\" is not a list of one to as many items as were asked for";
        return false;
    }
    for (int token = json_first(json, array); token >= 0; token = json_next(json, token)) {
        struct item item = {0};
        if (!read_leased(json, token, &item)) {
            *why = "one of its items lacks a sound id, chain or remaining";
            return false;
        }
        if (items_find(items, item.id)) {
            *why = "it has the same item twice";
            return false;
        }
        uuid_copy(item.lease, lease);
        items_add(items, &item);
    }
    return true;
}

bool protocol_read_grant(struct json *json, const char *text, size_t length, const uuid_t request,
                         int most, struct protocol_grant *grant, const char **why) {
    uuid_t lease = {0};
    double ttl_seconds;
    grant->items.count = 0;
    if (!json_parse(json, text, length, why))
        return false;
    if (!read_uuid(json, json_member(json, 0, "lease"), lease) || !same_id(lease, request)) {
        *why = "its \"lease\" is not the id of the request";
        return false;
    }
    if (!json_positive(json, json_member(json, 0, "ttl"), &ttl_seconds) || ttl_seconds < 0.001 ||
        ttl_seconds > ttl_seconds_max) {
        *why = "its \"ttl\" is not a number of seconds up to a day";
        return false;
    }
    grant->ttl_ms = (int64_t)(ttl_seconds * 1000);
    grant->drain = reads_drain(json);
    return read_leased_items(json, grant->drain ? 0 : 1, most, lease, &grant->items, why);
}

/* The place of an id in list, or -1. The search starts at guess and goes round, since replies have
 * the order of the report. */
static int place_of(const struct item *list, int count, int guess, const uuid_t id) {
    for (int i = 0; i < count; i++) {
        int at = (guess + i) % count;
        if (same_id(list[at].id, id))
            return at;
    }
    return -1;
}

/* Marks the items of one of the verdict's lists in seen, and in lost when that list is "lost". Ids
 * that were not in the report are ignored. */
static bool read_ids(const struct json *json, const char *name, const struct item *list, int count,
                     bool *seen, bool *lost) {
    int array = json_member(json, 0, name);
    int guess = 0;
    if (json_array_size(json, array) < 0)
        return false;
    for (int token = json_first(json, array); token >= 0; token = json_next(json, token)) {
        uuid_t id = {0};
        if (!read_uuid(json, token, id))
            return false;
        int at = place_of(list, count, guess, id);
        if (at < 0)
            continue;
        seen[at] = true;
        if (lost)
            lost[at] = true;
        guess = at + 1;
    }
    return true;
}

static bool all_seen(const bool *seen, int count) {
    return memchr(seen, 0, (size_t)count * sizeof *seen) == NULL;
}

bool protocol_read_verdict(struct json *json, const char *text, size_t length,
                           const struct item *list, int count, bool *lost, bool *drain,
                           const char **why) {
    bool seen[ITEMS_AT_ONCE] = {false};
    if (!json_parse(json, text, length, why))
        return false;
    memset(lost, 0, (size_t)count * sizeof *lost);
    if (!read_ids(json, "taken", list, count, seen, NULL) ||
        !read_ids(json, "lost", list, count, seen, lost)) {
        *why = "its \"taken\" and \"lost\" are not two lists of ids";
        return false;
    }
    if (!all_seen(seen, count)) {
        *why = "it does not speak of every item of the report";
        return false;
    }
    *drain = reads_drain(json);
    return true;
}

void protocol_read_problem(struct json *json, const char *text, size_t length,
                           struct protocol_problem *problem) {
    const char *why;
    *problem = (struct protocol_problem){0};
    if (length == 0 || !json_parse(json, text, length, &why))
        return;
    if (!json_string(json, json_member(json, 0, "type"), problem->type, sizeof problem->type))
        problem->type[0] = '\0';
    if (!json_string(json, json_member(json, 0, "detail"), problem->detail, sizeof problem->detail))
        problem->detail[0] = '\0';
}
