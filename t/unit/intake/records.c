/* Records as they come in: where they are cut changes nothing, and what a web server does not send
 * is refused. */
#include "fcgi/intake/records.h"

#include <stdlib.h>

#include "tap.h"

enum {
    BEGIN = 1,
    ABORT = 2,
    PARAMS = 4,
    STDIN = 5,
    STDOUT = 6,
    INPUT_MAX = 1 << 20,
    BODY_SIZE = 40,
    ROOM = BODY_SIZE + 16, /* of the body; nothing may be written behind BODY_SIZE */
    CONTENT_MAX = 65535
};

static const uint8_t begin[8] = {0, 1, 1};

/* What is to be taken. */
static uint8_t input[INPUT_MAX];
static size_t input_length;

static void put(const void *bytes, size_t length) {
    if (input_length + length > sizeof input)
        abort();
    memcpy(input + input_length, bytes, length);
    input_length += length;
}

/* Puts a record of request 1, with this much of padding. */
static void put_record(int type, const void *content, size_t length, uint8_t padding) {
    static const uint8_t junk[255] = {1, 5, 0, 1, 0, 0, 0, 0, 1, 5}; /* looks like a record */
    const uint8_t header[8] = {
        1, (uint8_t)type, 0, 1, (uint8_t)(length >> 8), (uint8_t)length, padding, 0};
    put(header, sizeof header);
    if (length > 0)
        put(content, length);
    put(junk, padding);
}

static void put_head(uint8_t padding) {
    put_record(BEGIN, begin, sizeof begin, padding);
    put_record(PARAMS, "\1\1ab", 4, padding);
    put_record(PARAMS, "\2\2cdef", 6, padding);
    put_record(PARAMS, "", 0, padding);
}

/* A request with a body in two pieces; all with this much of padding. The length of its head. */
static size_t put_request(const char *first, const char *second, uint8_t padding) {
    size_t from = input_length;
    put_head(padding);
    size_t head = input_length - from;
    if (*first != '\0')
        put_record(STDIN, first, strlen(first), padding);
    if (*second != '\0')
        put_record(STDIN, second, strlen(second), padding);
    put_record(STDIN, "", 0, padding);
    return head;
}

/* What takes it. */
static struct records records;
static uint8_t body[ROOM];
static size_t took;

static void begin_records(void) {
    memset(body, 'x', sizeof body);
    records_begin(&records);
    records.body = body;
    records.body_size = BODY_SIZE;
    took = 0;
}

/* Gives the input up to `until`, in memory of exactly its size, to the end of the request. */
static void take(size_t until) {
    while (took < until && records.state < RECORDS_WHOLE) {
        size_t length = until - took;
        uint8_t *copy = malloc(length);
        if (!copy)
            abort();
        memcpy(copy, input + took, length);
        size_t taken = records_take(&records, copy, length);
        free(copy);
        if (taken == 0 || taken > length)
            abort();
        took += taken;
    }
}

/* The state after all of the input, from a request's beginning on. */
static enum records_state state_of_input(void) {
    begin_records();
    take(input_length);
    return records.state;
}

/* Whether the request is whole, with the head that begins the input at `from`, and this body; the
 * rest of the body's room untouched. */
static bool is_request(size_t from, size_t head, const char *text) {
    size_t length = strlen(text);
    bool same = records.state == RECORDS_WHOLE && records.head.length == head &&
                memcmp(records.head.data, input + from, head) == 0 &&
                records.body_length == length && memcmp(body, text, length) == 0;
    for (size_t i = length; i < ROOM && same; i++)
        same = body[i] == 'x';
    return same;
}

static void test_cuts(void) {
    static const uint8_t paddings[] = {0, 1, 7, 255};
    for (size_t p = 0; p < sizeof paddings; p++) {
        input_length = 0;
        size_t head = put_request("the first ", "and the second", paddings[p]);
        int right = 0;
        for (size_t cut = 0; cut <= input_length; cut++) {
            begin_records();
            take(cut);
            bool early = records.state == RECORDS_WHOLE;
            take(input_length);
            right += early == (cut == input_length) && took == input_length &&
                     is_request(0, head, "the first and the second");
        }
        is_int(right, (int)input_length + 1, "cut anywhere, it is the same request");
        begin_records();
        for (size_t at = 1; at <= input_length; at++)
            take(at);
        ok(is_request(0, head, "the first and the second"), "and so it is byte by byte");
    }
}

static void test_steps(void) {
    input_length = 0;
    size_t head = put_request("body", "", 3);
    begin_records();
    ok(!records_begun(&records), "nothing has come");
    size_t taken = records_take(&records, input, 1);
    ok(taken == 1 && records_begun(&records), "with one byte it has begun");
    taken += records_take(&records, input + taken, input_length - taken);
    is_int((long long)taken, (long long)head, "it stops behind the head, with its padding");
    ok(records.state == RECORDS_BODY && records.body_length == 0, "before the body");
    taken += records_take(&records, input + taken, input_length - taken);
    ok(taken == input_length && records.state == RECORDS_WHOLE, "and then at the end");
    records_begin(&records);
    ok(records.state == RECORDS_HEAD && !records_begun(&records), "another one has not begun");
    records_take(&records, input, 8);
    ok(records_begun(&records), "with a header it has");
}

static void test_rows(void) {
    input_length = 0;
    size_t head = put_request("one", "", 0);
    size_t first = input_length;
    size_t second_head = put_request("another ", "body", 5);
    size_t second = input_length;
    size_t third_head = put_request("", "", 1);
    begin_records();
    take(input_length);
    ok(took == first && is_request(0, head, "one"), "the first of three in a row");
    begin_records();
    took = first;
    take(input_length);
    ok(took == second && is_request(first, second_head, "another body"), "the second");
    begin_records();
    took = second;
    take(input_length);
    ok(took == input_length && is_request(second, third_head, ""), "a third one without a body");
}

/* A body that has more than its room is counted, and the next one is none the worse. */
static void test_large(void) {
    static uint8_t much[3 * CONTENT_MAX];
    char most[BODY_SIZE + 1] = "";
    memset(much, 'm', sizeof much);
    memset(most, 'm', BODY_SIZE);
    for (size_t length = BODY_SIZE - 1; length <= BODY_SIZE + 2; length++) {
        int right = 0;
        input_length = 0;
        put_head(0);
        put_record(STDIN, much, length - 9, 0);
        put_record(STDIN, much, 9, 2);
        put_record(STDIN, "", 0, 0);
        for (size_t cut = 0; cut <= input_length; cut++) {
            begin_records();
            take(cut);
            take(input_length);
            size_t kept = length < BODY_SIZE ? length : BODY_SIZE;
            right += records.state == RECORDS_WHOLE && records.body_length == length &&
                     memcmp(body, most, kept) == 0 && body[kept] == 'x' && body[ROOM - 1] == 'x';
        }
        is_int(right, (int)input_length + 1, "a body of about its room");
    }
    input_length = 0;
    put_head(0);
    for (int i = 0; i < 3; i++)
        put_record(STDIN, much, CONTENT_MAX, 255);
    put_record(STDIN, "", 0, 0);
    is_int(state_of_input(), RECORDS_WHOLE, "far more than its room");
    is_int((long long)records.body_length, (long long)sizeof much, "is counted");
    ok(memcmp(body, most, BODY_SIZE) == 0 && body[BODY_SIZE] == 'x', "and dropped");
    begin_records();
    records.body = NULL;
    records.body_size = 0;
    take(input_length);
    is_int((long long)records.body_length, (long long)sizeof much, "also without any room");
}

/* A head of many parameters; `length` of all its records together. */
static void put_long_head(size_t length) {
    static uint8_t parameters[CONTENT_MAX];
    put_record(BEGIN, begin, sizeof begin, 0);
    while (input_length + 8 < length) {
        size_t left = length - input_length - 8;
        put_record(PARAMS, parameters, left < 60000 ? left : 50000, 0);
    }
    put_record(PARAMS, "", 0, 0);
}

static void test_long_head(void) {
    input_length = 0;
    put_long_head(80 * 1024 - 8);
    is_int(state_of_input(), RECORDS_BODY, "a head of 80 KiB");
    is_int((long long)records.head.length, 80 * 1024, "is kept whole");
    input_length = 0;
    put_long_head(80 * 1024);
    is_int(state_of_input(), RECORDS_BROKEN, "a larger one is refused");
    input_length = 0;
    put_long_head(400 * 1024);
    is_int(state_of_input(), RECORDS_BROKEN, "and much is not kept of one");
    ok(records.head.length < 150 * 1024, "that is far larger");
}

/* Puts a request with a byte of the header of its record `number` changed. */
static void put_changed(int number, int at, uint8_t byte) {
    size_t header = 0;
    input_length = 0;
    put_request("body", "more", 2);
    for (int i = 0; i < number; i++)
        header += 8 + ((size_t)input[header + 4] << 8 | input[header + 5]) + input[header + 6];
    input[header + (size_t)at] = byte;
}

enum { RECORDS = 7 }; /* of such a request: BEGIN, PARAMS thrice, STDIN thrice */

static void test_refused(void) {
    static const uint8_t types[] = {0, 2, 3, 6, 7, 8, 9, 10, 11, 12, 255};
    int refused = 0;
    for (int i = 0; i < RECORDS; i++) {
        for (size_t t = 0; t < sizeof types; t++) {
            put_changed(i, 1, types[t]);
            refused += state_of_input() == RECORDS_BROKEN;
        }
    }
    is_int(refused, RECORDS * (int)sizeof types, "a record that no web server sends, ABORT too");
    for (int i = 0; i < RECORDS; i++) {
        put_changed(i, 0, 0);
        is_int(state_of_input(), RECORDS_BROKEN, "version 0");
        put_changed(i, 0, 2);
        is_int(state_of_input(), RECORDS_BROKEN, "version 2");
        put_changed(i, 2, 1);
        is_int(state_of_input(), RECORDS_BROKEN, "request 257 among those of 1");
        put_changed(i, 3, 2);
        is_int(state_of_input(), RECORDS_BROKEN, "request 2 among them");
        put_changed(i, 7, 9);
        is_int(state_of_input(), RECORDS_WHOLE, "a reserved byte says nothing");
    }
}

static void test_order(void) {
    static const struct {
        int types[4];
        const char *name;
    } orders[] = {{{STDIN}, "a body first"},
                  {{PARAMS}, "parameters first"},
                  {{ABORT}, "an abort first"},
                  {{BEGIN, BEGIN}, "two beginnings"},
                  {{BEGIN, STDIN}, "a body without parameters"},
                  {{BEGIN, PARAMS, STDIN}, "a body before the end of the parameters"},
                  {{BEGIN, PARAMS, BEGIN}, "a beginning among the parameters"},
                  {{BEGIN, PARAMS, ABORT}, "an abort among them"},
                  {{STDOUT}, "an answer"}};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        input_length = 0;
        for (int j = 0; j < 4 && orders[i].types[j] != 0; j++)
            put_record(orders[i].types[j], begin, sizeof begin, 0);
        size_t last = input_length - sizeof begin;
        is_int(state_of_input(), RECORDS_BROKEN, orders[i].name);
        is_int((long long)took, (long long)last, "is refused by its header");
    }
    for (int type = 1; type <= 11; type++) {
        input_length = 0;
        put_head(0);
        put_record(STDIN, "x", 1, 0);
        put_record(type, begin, sizeof begin, 0);
        ok((state_of_input() == RECORDS_BODY) == (type == STDIN), "type %d within a body", type);
    }
}

/* A request of another number than 1 is one as well, and lengths of two bytes are read whole. */
static void test_numbers(void) {
    static uint8_t piece[CONTENT_MAX];
    input_length = 0;
    put_request("body", "", 0);
    for (size_t at = 0; at < input_length;
         at += 8 + ((size_t)input[at + 4] << 8 | input[at + 5]) + input[at + 6]) {
        input[at + 2] = 0xab;
        input[at + 3] = 0xcd;
    }
    is_int(state_of_input(), RECORDS_WHOLE, "a request of another number");
    static const size_t lengths[] = {255, 256, 257, 65280, CONTENT_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        input_length = 0;
        put_head(0);
        put_record(STDIN, piece, lengths[i], 0);
        put_record(STDIN, "", 0, 0);
        is_int(state_of_input(), RECORDS_WHOLE, "a piece of the body");
        is_int((long long)records.body_length, (long long)lengths[i], "of any length");
    }
}

int main(void) {
    test_steps();
    test_cuts();
    test_rows();
    test_large();
    test_long_head();
    test_refused();
    test_order();
    test_numbers();
    buffer_free(&records.head);
    return done_testing();
}
