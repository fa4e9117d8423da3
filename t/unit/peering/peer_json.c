/* Items as nodes send them to each other: what is written is read back, and nothing else is taken.
 */
#include "fcgi/peering/peer_json.h"

#include "fcgi/queue/channel.h"

#include <stdlib.h>

#include "tap.h"

#define ID "\"id\":\"01234567-89ab-7def-8123-456789abcdef\","
#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16
#define CHAIN "\"chain\":\"" HEX64 HEX64 "\","
#define WAITING "\"iterations\":9,\"remaining\":5,\"state\":\"waiting\",\"enqueued\":1"
#define DONE "\"iterations\":9,\"remaining\":0,\"state\":\"done\",\"enqueued\":1,\"completed\":2"
#define STRIKES ",\"strikes\":0"

/* Fills bytes that differ from place to place. */
static void fill(uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)random();
}

static struct queue_item some_item(int32_t state) {
    struct queue_item item = {.iterations = QUEUE_ITERATIONS_MAX,
                              .remaining = state == ITEM_DONE || state == ITEM_PULLED ? 0 : 12345,
                              .enqueued_wall_ms = 1700000000123,
                              .state = state,
                              .strikes = 3};
    fill(item.id.bytes, sizeof item.id.bytes);
    fill(item.chain, sizeof item.chain);
    if (item.remaining == 0)
        item.completed_wall_ms = 1700000001456;
    return item;
}

/* Writes an item and reads it back. */
static void round_trip(const struct queue_item *item, const char *name) {
    struct buffer text = {0};
    struct json json = {0};
    struct queue_item back;
    struct peer_fault fault = {0};
    const char *why;
    peer_json_put_item(&text, item);
    bool read = json_parse(&json, text.data, text.length, &why) &&
                peer_json_read_item(&json, 0, &back, &fault);
    if (!ok(read && memcmp(item, &back, sizeof back) == 0, "comes back: %s", name))
        printf("# %.*s: %s\n", (int)text.length, text.data, fault.field ? fault.field : "differs");
    buffer_free(&text);
    json_free(&json);
}

static void test_round_trips(void) {
    for (int state = ITEM_WAITING; state < ITEM_STATES; state++) {
        struct queue_item item = some_item(state);
        round_trip(&item, item_state_name((enum item_state)state));
    }
}

/* Good items, and items with one mistake; field is the one that the error names. */
static const struct {
    const char *field; /* NULL: nothing is wrong */
    const char *text;
} cases[] = {
    {NULL, "{" ID CHAIN WAITING STRIKES "}"},
    {NULL, "{" ID CHAIN WAITING STRIKES "}"},
    {NULL, "{" ID CHAIN DONE STRIKES ",\"colour\":[{}]}"},
    {"id", "7"},
    {"id", "[]"},
    {"id", "{}"},
    {"id", "{" CHAIN WAITING STRIKES "}"},
    {"id", "{\"id\":\"01234567-89ab-7def-8123-456789abcde\"," CHAIN WAITING STRIKES "}"},
    {"id", "{\"id\":5," CHAIN WAITING STRIKES "}"},
    {"chain", "{" ID "\"chain\":\"x\"," WAITING STRIKES "}"},
    {"chain", "{" ID "\"chain\":null," WAITING STRIKES "}"},
    {"state", "{" ID CHAIN "\"iterations\":9,\"remaining\":5,\"enqueued\":1" STRIKES "}"},
    {NULL, "{" ID CHAIN "\"iterations\":9,\"remaining\":5,\"enqueued\":1,"
           "\"state\":\"leased\"" STRIKES "}"},
    {"state",
     "{" ID CHAIN "\"iterations\":9,\"remaining\":5,\"enqueued\":1,\"state\":0" STRIKES "}"},
    {"state", "{" ID CHAIN "\"iterations\":9,\"remaining\":0,\"enqueued\":1,\"completed\":2,"
              "\"state\":\"don\"" STRIKES "}"},
    {"state", "{" ID CHAIN "\"iterations\":9,\"remaining\":0,\"enqueued\":1,\"completed\":2,"
              "\"state\":\"done\\u0000\"" STRIKES "}"},
    {"iterations", "{" ID CHAIN "\"remaining\":5,\"enqueued\":1,\"state\":\"waiting\"" STRIKES "}"},
    {"iterations", "{" ID CHAIN "\"iterations\":9007199254740992,\"remaining\":5,\"enqueued\":1,"
                   "\"state\":\"waiting\"" STRIKES "}"},
    {"iterations", "{" ID CHAIN "\"iterations\":0,\"remaining\":0,\"enqueued\":1,\"completed\":2,"
                   "\"state\":\"done\"" STRIKES "}"},
    {"iterations", "{" ID CHAIN "\"iterations\":9.5,\"remaining\":5,\"enqueued\":1,"
                   "\"state\":\"waiting\"" STRIKES "}"},
    {"remaining", "{" ID CHAIN "\"iterations\":9,\"enqueued\":1,\"state\":\"waiting\"" STRIKES "}"},
    {"remaining", "{" ID CHAIN "\"iterations\":9,\"remaining\":9,\"enqueued\":1,"
                  "\"state\":\"waiting\"" STRIKES "}"},
    {"remaining", "{" ID CHAIN "\"iterations\":9,\"remaining\":-1,\"enqueued\":1,"
                  "\"state\":\"waiting\"" STRIKES "}"},
    {"remaining", "{" ID CHAIN "\"iterations\":9,\"remaining\":0,\"enqueued\":1,"
                  "\"state\":\"waiting\"" STRIKES "}"},
    {"remaining", "{" ID CHAIN "\"iterations\":1,\"remaining\":1,\"enqueued\":1,"
                  "\"state\":\"waiting\"" STRIKES "}"},
    {"remaining", "{" ID CHAIN "\"iterations\":9,\"remaining\":1,\"enqueued\":1,\"completed\":2,"
                  "\"state\":\"done\"" STRIKES "}"},
    {"remaining", "{" ID CHAIN "\"iterations\":9,\"remaining\":0,\"enqueued\":1,"
                  "\"state\":\"cancelled\"" STRIKES "}"},
    {"enqueued", "{" ID CHAIN "\"iterations\":9,\"remaining\":5,\"state\":\"waiting\"" STRIKES "}"},
    {"enqueued", "{" ID CHAIN "\"iterations\":9,\"remaining\":5,\"state\":\"waiting\","
                 "\"enqueued\":-1" STRIKES "}"},
    {"enqueued", "{" ID CHAIN "\"iterations\":9,\"remaining\":5,\"state\":\"waiting\","
                 "\"enqueued\":9223372036854775807" STRIKES "}"},
    {"enqueued", "{" ID CHAIN "\"iterations\":9,\"remaining\":5,\"state\":\"waiting\","
                 "\"enqueued\":\"1\"" STRIKES "}"},
    {"completed", "{" ID CHAIN "\"iterations\":9,\"remaining\":0,\"enqueued\":1,"
                  "\"state\":\"done\"" STRIKES "}"},
    {"chain", "{" ID WAITING STRIKES "}"},
    {"chain", "{" ID "\"chain\":\"" HEX64 "\"," WAITING STRIKES "}"},
    {"strikes", "{" ID CHAIN WAITING "}"},
    {"strikes", "{" ID CHAIN WAITING ",\"strikes\":-1}"},
    {"strikes", "{" ID CHAIN WAITING ",\"strikes\":2147483648}"},
};

static void test_texts(void) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json json = {0};
        struct queue_item item;
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
static bool reads_items(const char *text, int max, struct queue_batch *batch, int *index) {
    struct json json = {0};
    struct peer_fault fault = {0};
    const char *why;
    bool read =
        json_parse(&json, text, strlen(text), &why) &&
        peer_json_read_items(&json, json_member(&json, 0, "items"), max, batch, index, &fault);
    json_free(&json);
    return read;
}

static void test_arrays(void) {
    static struct queue_batch batch;
    static struct queue_batch back;
    struct buffer text = {0};
    int index = 7;
    batch.count = QUEUE_PULL_MAX;
    for (int i = 0; i < batch.count; i++)
        batch.items[i] = some_item(i % 2 == 0 ? ITEM_DONE : ITEM_PULLED);
    json_open(&text, '{');
    peer_json_put_items(&text, &batch);
    json_close(&text, '}');
    buffer_append(&text, "", 1);
    ok(text.length < 600000, "the largest message fits in a reply: %zu bytes", text.length);
    ok(reads_items(text.data, QUEUE_PULL_MAX, &back, &index), "a full array is read");
    is_int(back.count, batch.count, "all of it");
    ok(memcmp(batch.items, back.items, sizeof back.items) == 0, "in its order");
    ok(!reads_items(text.data, QUEUE_PULL_MAX - 1, &back, &index), "one too many");
    is_int(index, -1, "is said of the array");
    ok(reads_items("{\"items\":[]}", 9, &back, &index) && back.count == 0, "none");
    ok(!reads_items("{}", 9, &back, &index), "no array");
    ok(!reads_items("{\"items\":{}}", 9, &back, &index), "something else");
    ok(!reads_items("{\"items\":[{" ID CHAIN WAITING STRIKES "},{" ID WAITING STRIKES "}]}", 9,
                    &back, &index),
       "an item that is none");
    is_int(index, 1, "is the second");
    buffer_free(&text);
}

static void test_tags(void) {
    struct buffer text = {0};
    struct json json = {0};
    uint8_t tag[PULL_TAG_SIZE];
    uint8_t back[PULL_TAG_SIZE];
    const char *why;
    fill(tag, sizeof tag);
    tag[PULL_TAG_SIZE - 1] = PULL_TAG_END;
    json_open(&text, '{');
    peer_json_put_tag(&text, tag);
    json_close(&text, '}');
    ok(json_parse(&json, text.data, text.length, &why) &&
           peer_json_read_tag(&json, json_member(&json, 0, "tag"), back) &&
           memcmp(tag, back, sizeof tag) == 0,
       "the tag of a pull comes back");
    ok(!peer_json_read_tag(&json, 0, back), "nothing else is one");
    ok(!peer_json_read_tag(&json, json_member(&json, 0, "none"), back), "nor is nothing");
    buffer_free(&text);
    json_free(&json);
}

#define ID_END "\"end\":\"01234567-89ab-7def-8123-456789abcdef\","
#define LISTED "{" ID CHAIN DONE STRIKES ",\"client\":\"alice\"}"
#define PAGE "\"known\":true,\"more\":false,"

/* Pages of lists, each as the answer to the same question: at most two items, behind ffff.... */
static const struct {
    const char *field; /* NULL: nothing is wrong */
    const char *text;
} pages[] = {
    {NULL, "{" PAGE "\"items\":[]}"},
    {NULL, "{" PAGE "\"items\":[" LISTED "]}"},
    {NULL, "{\"known\":true,\"more\":true,\"end\":\"00000000-0000-7000-8000-000000000000\","
           "\"items\":[]}"},
    {NULL, "{\"known\":true,\"more\":true," ID_END "\"items\":[" LISTED "]}"},
    {"known", "{\"more\":false,\"items\":[]}"},
    {"known", "{\"known\":1,\"more\":false,\"items\":[]}"},
    {"more", "{\"known\":true,\"items\":[]}"},
    {"end", "{\"known\":true,\"more\":true,\"items\":[]}"},
    {"end", "{\"known\":true,\"more\":true,\"end\":\"ffffffff-ffff-ffff-ffff-ffffffffffff\","
            "\"items\":[]}"},
    {"end", "{\"known\":true,\"more\":true,\"end\":\"f1234567-89ab-7def-8123-456789abcdef\","
            "\"items\":[" LISTED "]}"},
    {"items", "{" PAGE "\"items\":{}}"},
    {"items", "{" PAGE "\"items\":[" LISTED "," LISTED "]}"},
    {"items", "{" PAGE "\"items\":[" LISTED "," LISTED "," LISTED "]}"},
    {"client", "{" PAGE "\"items\":[{" ID CHAIN DONE STRIKES "}]}"},
    {"chain", "{" PAGE "\"items\":[{" ID DONE STRIKES ",\"client\":\"alice\"}]}"},
};

static void test_pages(void) {
    static struct queue_page page;
    struct queue_list list = {.has_after = 1, .state = -1, .limit = 2};
    struct json json = {0};
    const char *why;
    memset(list.after.bytes, 0xff, sizeof list.after.bytes);
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        struct peer_fault fault = {0};
        bool read = json_parse(&json, pages[i].text, strlen(pages[i].text), &why) &&
                    peer_json_read_page(&json, 0, &list, &page, &fault);
        const char *field = read ? NULL : fault.field;
        ok(field == pages[i].field || (field && pages[i].field && !strcmp(field, pages[i].field)),
           "%s: %s", pages[i].field ? pages[i].field : "taken", pages[i].text);
    }
    json_free(&json);
}

static void test_page_again(void) {
    static struct queue_page page = {.known = 1, .more = 1, .count = 2};
    static struct queue_page back;
    const struct queue_list list = {.state = -1, .limit = 2};
    struct buffer text = {0};
    struct json json = {0};
    struct peer_fault fault = {0};
    const char *why;
    for (int i = 0; i < page.count; i++) {
        page.items[i].item = some_item(ITEM_DONE);
        page.items[i].item.id.bytes[0] = (uint8_t)(9 - i);
        snprintf(page.items[i].client, sizeof page.items[i].client, "a \"%d\"", i);
    }
    page.end = page.items[1].item.id;
    json_open(&text, '{');
    peer_json_put_page(&text, &page);
    json_close(&text, '}');
    ok(json_parse(&json, text.data, text.length, &why) &&
           peer_json_read_page(&json, 0, &list, &back, &fault) &&
           memcmp(&page, &back, CHANNEL_LIST_SIZE(struct queue_page, page.count)) == 0,
       "a page comes back");
    buffer_free(&text);
    json_free(&json);
}

/* Texts with one byte changed are read or refused, but never more than that. */
static void test_noise(void) {
    struct queue_item item = some_item(ITEM_PULLED);
    struct buffer text = {0};
    struct json json = {0};
    int taken = 0;
    peer_json_put_item(&text, &item);
    for (size_t at = 0; at < text.length; at++) {
        char was = text.data[at];
        for (int n = 0; n < 8; n++) {
            struct queue_item back;
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
    test_texts();
    test_arrays();
    test_tags();
    test_pages();
    test_page_again();
    test_noise();
    return done_testing();
}
