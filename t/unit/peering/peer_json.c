/* Items as nodes tell each other of them: what is written is read back, and nothing else is taken.
 */
#include "fcgi/peering/peer_json.h"

#include <stdlib.h>

#include "tap.h"

#define ID "\"id\":\"01234567-89ab-7def-8123-456789abcdef\","
#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16
#define DIGEST "\"digest\":\"" HEX64 HEX64 "\","
#define CHAIN "\"chain\":\"" HEX64 HEX64 "\","
#define TAG "\"pull\":\"" HEX16 HEX16 "012345\""
#define WAITING "\"iterations\":9,\"remaining\":5,\"state\":\"waiting\",\"enqueued\":1"
#define DONE "\"iterations\":9,\"remaining\":0,\"state\":\"done\",\"enqueued\":1,\"completed\":2"
#define PULLED                                                                                     \
    "\"iterations\":9,\"remaining\":0,\"state\":\"pulled\",\"enqueued\":1,\"completed\":2"
#define HOME ",\"home\":1,\"moves\":0,\"trial\":0"

/* Fills bytes that differ from place to place. */
static void fill(uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)random();
}

static struct queue_copy some_item(int32_t state) {
    struct queue_copy item = {.iterations = QUEUE_ITERATIONS_MAX,
                              .remaining = state == ITEM_DONE || state == ITEM_PULLED ? 0 : 12345,
                              .enqueued_wall_ms = 1700000000123,
                              .state = state,
                              .home = 255,
                              .moves = QUEUE_TIMES_MAX,
                              .trial = 7};
    fill(item.id.bytes, sizeof item.id.bytes);
    fill(item.digest, sizeof item.digest);
    fill(item.chain, sizeof item.chain);
    if (item.remaining == 0)
        item.completed_wall_ms = 1700000001456;
    return item;
}

static bool same_item(const struct queue_copy *a, const struct queue_copy *b) {
    return memcmp(&a->id, &b->id, sizeof a->id) == 0 &&
           memcmp(a->digest, b->digest, sizeof a->digest) == 0 &&
           memcmp(a->chain, b->chain, sizeof a->chain) == 0 && a->iterations == b->iterations &&
           a->remaining == b->remaining && a->enqueued_wall_ms == b->enqueued_wall_ms &&
           a->completed_wall_ms == b->completed_wall_ms && a->state == b->state &&
           a->home == b->home && a->moves == b->moves && a->trial == b->trial &&
           a->has_pull == b->has_pull && memcmp(a->pull, b->pull, sizeof a->pull) == 0 &&
           strcmp(a->key, b->key) == 0;
}

/* Writes an item and reads it back. */
static void round_trip(const struct queue_copy *item, const char *name) {
    struct buffer text = {0};
    struct json json = {0};
    struct queue_copy back;
    struct peer_fault fault = {0};
    const char *why;
    peer_json_put_item(&text, item);
    memset(&back, 0x55, sizeof back);
    bool read = json_parse(&json, text.data, text.length, &why) &&
                peer_json_read_item(&json, 0, &back, &fault);
    if (!ok(read && same_item(item, &back), "comes back: %s", name))
        printf("# %.*s: %s\n", (int)text.length, text.data, fault.field ? fault.field : "differs");
    buffer_free(&text);
    json_free(&json);
}

static void test_round_trips(void) {
    struct queue_copy item = some_item(ITEM_WAITING);
    round_trip(&item, "waiting");
    memcpy(item.chain, item.digest, DIGEST_SIZE);
    round_trip(&item, "not begun");
    memset(item.key, 'k', QUEUE_KEY_SIZE - 1);
    item.key[0] = '"';
    item.key[1] = '\\';
    item.key[2] = '~';
    round_trip(&item, "with the longest key");
    item = some_item(ITEM_CANCELLED);
    round_trip(&item, "cancelled");
    item = some_item(ITEM_DONE);
    round_trip(&item, "done");
    item = some_item(ITEM_PULLED);
    round_trip(&item, "pulled");
    item.has_pull = 1;
    fill(item.pull, sizeof item.pull);
    round_trip(&item, "pulled with a key");
}

static void test_looks(void) {
    static const enum item_state states[] = {ITEM_WAITING, ITEM_LEASED, ITEM_DONE, ITEM_PULLED,
                                             ITEM_CANCELLED};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct queue_copy copy = some_item((int32_t)states[i]);
        struct queue_item item = {.id = copy.id,
                                  .iterations = copy.iterations,
                                  .remaining = copy.remaining,
                                  .enqueued_wall_ms = copy.enqueued_wall_ms,
                                  .completed_wall_ms = copy.completed_wall_ms,
                                  .state = copy.state,
                                  .strikes = 3};
        struct queue_item back;
        struct buffer text = {0};
        struct json json = {0};
        struct peer_fault fault = {0};
        const char *why;
        memcpy(item.chain, copy.chain, sizeof item.chain);
        peer_json_put_look(&text, &item);
        memset(&back, 0, sizeof back);
        ok(json_parse(&json, text.data, text.length, &why) &&
               peer_json_read_look(&json, 0, &back, &fault) &&
               memcmp(&item, &back, sizeof item) == 0,
           "a look comes back: %s", item_state_name(states[i]));
        buffer_free(&text);
        json_free(&json);
    }
}

/* Items as they should be, and with one thing wrong; field is what is then complained of. */
static const struct {
    const char *field; /* NULL: nothing is wrong */
    const char *text;
} cases[] = {
    {NULL, "{" ID DIGEST CHAIN WAITING HOME "}"},
    {NULL, "{" ID DIGEST WAITING HOME "}"},
    {NULL, "{" ID DIGEST DONE HOME ",\"colour\":[{}]}"},
    {NULL, "{" ID DIGEST PULLED HOME "," TAG ",\"key\":\"a\\u0062\"}"},
    {"id", "7"},
    {"id", "[]"},
    {"id", "{}"},
    {"id", "{" DIGEST WAITING HOME "}"},
    {"id", "{\"id\":\"01234567-89ab-7def-8123-456789abcde\"," DIGEST WAITING HOME "}"},
    {"id", "{\"id\":5," DIGEST WAITING HOME "}"},
    {"digest", "{" ID WAITING HOME "}"},
    {"digest", "{" ID "\"digest\":\"" HEX64 "\"," WAITING HOME "}"},
    {"digest", "{" ID "\"digest\":\"" HEX64 HEX64 "00\"," WAITING HOME "}"},
    {"digest", "{" ID "\"digest\":null," WAITING HOME "}"},
    {"chain", "{" ID DIGEST "\"chain\":\"x\"," WAITING HOME "}"},
    {"chain", "{" ID DIGEST "\"chain\":null," WAITING HOME "}"},
    {"state", "{" ID DIGEST "\"iterations\":9,\"remaining\":5,\"enqueued\":1" HOME "}"},
    {"state", "{" ID DIGEST "\"iterations\":9,\"remaining\":5,\"enqueued\":1,"
              "\"state\":\"leased\"" HOME "}"},
    {"state", "{" ID DIGEST "\"iterations\":9,\"remaining\":5,\"enqueued\":1,\"state\":0" HOME "}"},
    {"state", "{" ID DIGEST "\"iterations\":9,\"remaining\":0,\"enqueued\":1,\"completed\":2,"
              "\"state\":\"don\"" HOME "}"},
    {"state", "{" ID DIGEST "\"iterations\":9,\"remaining\":0,\"enqueued\":1,\"completed\":2,"
              "\"state\":\"done\\u0000\"" HOME "}"},
    {"iterations", "{" ID DIGEST "\"remaining\":5,\"enqueued\":1,\"state\":\"waiting\"" HOME "}"},
    {"iterations", "{" ID DIGEST "\"iterations\":9007199254740992,\"remaining\":5,\"enqueued\":1,"
                   "\"state\":\"waiting\"" HOME "}"},
    {"iterations", "{" ID DIGEST "\"iterations\":0,\"remaining\":0,\"enqueued\":1,\"completed\":2,"
                   "\"state\":\"done\"" HOME "}"},
    {"iterations", "{" ID DIGEST "\"iterations\":9.5,\"remaining\":5,\"enqueued\":1,"
                   "\"state\":\"waiting\"" HOME "}"},
    {"remaining", "{" ID DIGEST "\"iterations\":9,\"enqueued\":1,\"state\":\"waiting\"" HOME "}"},
    {"remaining", "{" ID DIGEST "\"iterations\":9,\"remaining\":9,\"enqueued\":1,"
                  "\"state\":\"waiting\"" HOME "}"},
    {"remaining", "{" ID DIGEST "\"iterations\":9,\"remaining\":-1,\"enqueued\":1,"
                  "\"state\":\"waiting\"" HOME "}"},
    {"remaining", "{" ID DIGEST "\"iterations\":9,\"remaining\":0,\"enqueued\":1,"
                  "\"state\":\"waiting\"" HOME "}"},
    {"remaining", "{" ID DIGEST "\"iterations\":1,\"remaining\":1,\"enqueued\":1,"
                  "\"state\":\"waiting\"" HOME "}"},
    {"remaining", "{" ID DIGEST "\"iterations\":9,\"remaining\":1,\"enqueued\":1,\"completed\":2,"
                  "\"state\":\"done\"" HOME "}"},
    {"remaining", "{" ID DIGEST "\"iterations\":9,\"remaining\":0,\"enqueued\":1,"
                  "\"state\":\"cancelled\"" HOME "}"},
    {"enqueued", "{" ID DIGEST "\"iterations\":9,\"remaining\":5,\"state\":\"waiting\"" HOME "}"},
    {"enqueued", "{" ID DIGEST "\"iterations\":9,\"remaining\":5,\"state\":\"waiting\","
                 "\"enqueued\":-1" HOME "}"},
    {"enqueued", "{" ID DIGEST "\"iterations\":9,\"remaining\":5,\"state\":\"waiting\","
                 "\"enqueued\":9223372036854775807" HOME "}"},
    {"enqueued", "{" ID DIGEST "\"iterations\":9,\"remaining\":5,\"state\":\"waiting\","
                 "\"enqueued\":\"1\"" HOME "}"},
    {"completed", "{" ID DIGEST "\"iterations\":9,\"remaining\":0,\"enqueued\":1,"
                  "\"state\":\"done\"" HOME "}"},
    {"home", "{" ID DIGEST WAITING ",\"moves\":0,\"trial\":0}"},
    {"home", "{" ID DIGEST WAITING ",\"home\":256,\"moves\":0,\"trial\":0}"},
    {"home", "{" ID DIGEST WAITING ",\"home\":null,\"moves\":0,\"trial\":0}"},
    {"moves", "{" ID DIGEST WAITING ",\"home\":1,\"trial\":0}"},
    {"moves", "{" ID DIGEST WAITING ",\"home\":1,\"moves\":2147483648,\"trial\":0}"},
    {"trial", "{" ID DIGEST WAITING ",\"home\":1,\"moves\":0,\"trial\":-1}"},
    {"pull", "{" ID DIGEST DONE HOME "," TAG "}"},
    {"pull", "{" ID DIGEST PULLED HOME ",\"pull\":\"00\"}"},
    {"pull", "{" ID DIGEST PULLED HOME ",\"pull\":1}"},
    {"key", "{" ID DIGEST WAITING HOME ",\"key\":\"\"}"},
    {"key", "{" ID DIGEST WAITING HOME ",\"key\":7}"},
    {"key", "{" ID DIGEST WAITING HOME ",\"key\":\"a b\"}"},
    {"key", "{" ID DIGEST WAITING HOME ",\"key\":\"a\\u0000b\"}"},
    {"key", "{" ID DIGEST WAITING HOME ",\"key\":\"\\u00e9\"}"},
    {"key", "{" ID DIGEST WAITING HOME ",\"key\":\"" HEX64 HEX64 HEX64 HEX64 "\"}"},
};

static void test_texts(void) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json json = {0};
        struct queue_copy item;
        struct peer_fault fault = {0};
        const char *why = "";
        bool parsed = json_parse(&json, cases[i].text, strlen(cases[i].text), &why);
        bool read = parsed && peer_json_read_item(&json, 0, &item, &fault);
        bool right = cases[i].field ? parsed && !read && fault.field && fault.rule &&
                                          strcmp(fault.field, cases[i].field) == 0
                                    : read;
        if (!ok(right, "text %zu: %s", i, cases[i].field ? cases[i].field : "taken"))
            printf("# %s: %s, %s\n", cases[i].text, why, fault.field ? fault.field : "taken");
        json_free(&json);
    }
}

/* Reads {"items":TEXT}. */
static bool reads_items(const char *text, int min, int max, struct queue_copies *copies,
                        int *index) {
    struct json json = {0};
    struct peer_fault fault = {0};
    const char *why;
    bool read = json_parse(&json, text, strlen(text), &why) &&
                peer_json_read_items(&json, json_member(&json, 0, "items"), min, max, copies, index,
                                     &fault);
    json_free(&json);
    return read;
}

static void test_arrays(void) {
    static struct queue_copies copies;
    static struct queue_copies back;
    struct buffer text = {0};
    int index = 7;
    bool same = true;
    copies.count = QUEUE_COPIES_MAX;
    for (int i = 0; i < copies.count; i++)
        copies.items[i] = some_item(i % 2 == 0 ? ITEM_DONE : ITEM_WAITING);
    json_open(&text, '{');
    peer_json_put_items(&text, &copies);
    json_close(&text, '}');
    buffer_append(&text, "", 1);
    ok(text.length < 300000, "the largest message fits in a body: %zu bytes", text.length);
    ok(reads_items(text.data, 1, QUEUE_COPIES_MAX, &back, &index), "a full array is read");
    is_int(back.count, copies.count, "all of it");
    for (int i = 0; i < back.count; i++)
        same = same && same_item(&copies.items[i], &back.items[i]);
    ok(same, "in its order");
    ok(!reads_items(text.data, 1, QUEUE_COPIES_MAX - 1, &back, &index), "one too many");
    is_int(index, -1, "is said of the array");
    ok(!reads_items("{\"items\":[]}", 1, 9, &back, &index), "too few");
    ok(reads_items("{\"items\":[]}", 0, 9, &back, &index) && back.count == 0, "none");
    ok(!reads_items("{}", 0, 9, &back, &index), "no array");
    ok(!reads_items("{\"items\":{}}", 0, 9, &back, &index), "something else");
    ok(!reads_items("{\"items\":[{" ID DIGEST WAITING HOME "},{" ID WAITING HOME "}]}", 0, 9, &back,
                    &index),
       "an item that is none");
    is_int(index, 1, "is the second");
    buffer_free(&text);
}

/* Texts with one byte changed are read or refused, but never more than that. */
static void test_noise(void) {
    struct queue_copy item = some_item(ITEM_PULLED);
    struct buffer text = {0};
    struct json json = {0};
    int taken = 0;
    item.has_pull = 1;
    strcpy(item.key, "key");
    peer_json_put_item(&text, &item);
    for (size_t at = 0; at < text.length; at++) {
        char was = text.data[at];
        for (int n = 0; n < 8; n++) {
            struct queue_copy back;
            struct peer_fault fault = {0};
            const char *why;
            text.data[at] = (char)random();
            taken += json_parse(&json, text.data, text.length, &why) &&
                     peer_json_read_item(&json, 0, &back, &fault);
        }
        text.data[at] = was;
    }
    ok(taken > 0, "changed texts: %d of %zu taken", taken, 8 * text.length);
    buffer_free(&text);
    json_free(&json);
}

int main(void) {
    srandom(6);
    test_round_trips();
    test_looks();
    test_texts();
    test_arrays();
    test_noise();
    return done_testing();
}
