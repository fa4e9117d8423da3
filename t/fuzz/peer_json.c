/* Items as nodes send them to each other. What is read is written again and then read the same. */
#include "fcgi/peering/peer_json.h"

#include "fuzz.h"

static void write_and_read(const struct queue_batch *batch) {
    static struct buffer text;
    static struct json json;
    static struct queue_batch again;
    struct peer_fault fault;
    const char *why;
    int index;
    buffer_clear(&text);
    json_open(&text, '{');
    peer_json_put_items(&text, batch);
    json_close(&text, '}');
    memset(&again, 0, sizeof again);
    must(json_parse(&json, text.data, text.length, &why));
    must(peer_json_read_items(&json, json_member(&json, 0, "items"), QUEUE_PULL_MAX, &again, &index,
                              &fault));
    must(again.count == batch->count);
    must(memcmp(again.items, batch->items, (size_t)batch->count * sizeof batch->items[0]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct json json;
    static struct queue_batch batch;
    struct peer_fault fault = {0};
    const char *why;
    uint8_t tag[PULL_TAG_SIZE];
    int index = -1;
    if (!json_parse(&json, (const char *)data, size, &why))
        return 0;
    memset(&batch, 0, sizeof batch);
    int token = json_member(&json, 0, "items");
    if (peer_json_read_items(&json, token, QUEUE_PULL_MAX, &batch, &index, &fault))
        write_and_read(&batch);
    else
        must(fault.field && fault.rule && index >= -1);
    peer_json_read_tag(&json, json_member(&json, 0, "tag"), tag);
    return 0;
}
