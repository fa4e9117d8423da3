/* Items as nodes tell each other of them. What is read is written again and then read the same. */
#include "fcgi/peering/peer_json.h"

#include "fcgi/writer/operation.h"
#include "fuzz.h"

/* What nodes tell is such that the writer takes it. */
static void must_be_sane(const struct queue_copies *copies) {
    static struct channel_message message;
    message.header.operation = OPERATION_MERGE;
    message.body.copies = *copies;
    must(copies->count == 0 || operation_sane(&message));
}

static bool same_item(const struct queue_copy *one, const struct queue_copy *other) {
    return memcmp(one->id.bytes, other->id.bytes, ID_SIZE) == 0 &&
           memcmp(one->digest, other->digest, DIGEST_SIZE) == 0 &&
           memcmp(one->chain, other->chain, DIGEST_SIZE) == 0 &&
           one->iterations == other->iterations && one->remaining == other->remaining &&
           one->state == other->state && one->home == other->home && one->moves == other->moves &&
           one->trial == other->trial && one->has_pull == other->has_pull &&
           memcmp(one->pull, other->pull, sizeof one->pull) == 0 &&
           one->completed_wall_ms == other->completed_wall_ms && strcmp(one->key, other->key) == 0;
}

static void write_and_read(const struct queue_copies *copies) {
    static struct buffer text;
    static struct json json;
    static struct queue_copies again;
    struct peer_fault fault;
    const char *why;
    int index;
    buffer_clear(&text);
    json_open(&text, '{');
    peer_json_put_items(&text, copies);
    json_close(&text, '}');
    memset(&again, 0, sizeof again);
    must(json_parse(&json, text.data, text.length, &why));
    must(peer_json_read_items(&json, json_member(&json, 0, "items"), 0, QUEUE_COPIES_MAX, &again,
                              &index, &fault));
    must(again.count == copies->count);
    for (int i = 0; i < again.count; i++)
        must(same_item(&copies->items[i], &again.items[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct json json;
    static struct queue_copies copies;
    struct queue_item item;
    struct peer_fault fault = {0};
    const char *why;
    int index = -1;
    if (!json_parse(&json, (const char *)data, size, &why))
        return 0;
    memset(&copies, 0, sizeof copies);
    int token = json_member(&json, 0, "items");
    if (peer_json_read_items(&json, token, 0, QUEUE_COPIES_MAX, &copies, &index, &fault)) {
        must_be_sane(&copies);
        write_and_read(&copies);
    } else {
        must(fault.field && fault.rule && index >= -1);
    }
    peer_json_read_look(&json, json_member(&json, 0, "item"), &item, &fault);
    return 0;
}
