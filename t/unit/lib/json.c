/* The JSON reader takes RFC 8259 and nothing else; what it hands out is what was meant. */
#include "json.h"

#include <string.h>

#include "tap.h"

static const char *const good[] = {
    "{}",
    "[]",
    "0",
    "\"\"",
    "null",
    " [1, 2.5e-3, -0, true, false, null] \n",
    "{\"a\":{\"b\":[{}]},\"c\":\"\\u00e9\\ud83d\\ude00\\n\"}",
    "\"\xc3\xa9\xf0\x9f\x98\x80\"",
    "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
};

static const char *const bad[] = {
    "",
    " ",
    "{",
    "}",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{\"a\" 1}",
    "{1:2}",
    "[1}",
    "{\"a\":1]",
    "01",
    "-",
    "1.",
    ".5",
    "1e",
    "+1",
    "0x10",
    "nul",
    "True",
    "\"",
    "\"\\x\"",
    "\"\\u12g4\"",
    "\"\n\"",
    "\"\xff\"",
    "\"\xc0\x80\"",
    "\"\xed\xa0\x80\"",
    "\"\xf4\x90\x80\x80\"",
    "\"\xc3\"",
    "[] []",
    "[]x",
    "{\"a\":1}{",
    "'a'",
    "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]",
    "[\"a\":1]",
    "{\"a\":1:2}",
    "{\"a\",1}",
    "NaN",
};

static void grammar(void) {
    struct json json = {0};
    const char *why;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ok(json_parse(&json, good[i], strlen(good[i]), &why), "taken: text %zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(!json_parse(&json, bad[i], strlen(bad[i]), &why) && why, "refused: text %zu", i);
    ok(!json_parse(&json, "[1]\0", 4, &why), "refused: a NUL behind the text");
    json_free(&json);
}

static void walking(void) {
    static const char text[] = "{\"items\":[{\"id\":\"x\",\"n\":{\"deep\":[1]}},{\"id\":\"y\"}],"
                               "\"id\":\"z\",\"big\":9007199254740992,\"half\":0.5,\"neg\":-1,"
                               "\"esc\":\"a\\\"\\u0041\\ud83d\\ude00\",\"nul\":\"\\u0000\","
                               "\"lone\":\"\\ud83d\",\"yes\":true}";
    struct json json = {0};
    const char *why;
    char string[16];
    int64_t number = -7;
    bool flag = false;
    double real = 0;
    ok(json_parse(&json, text, strlen(text), &why), "parsed");
    int items = json_member(&json, 0, "items");
    is_int(json_array_size(&json, items), 2, "an array of two");
    int first = json_first(&json, items);
    int second = json_next(&json, first);
    ok(json_string(&json, json_member(&json, second, "id"), string, sizeof string) &&
           strcmp(string, "y") == 0,
       "the second element's id");
    is_int(json_next(&json, second), -1, "there is no third");
    ok(json_string(&json, json_member(&json, 0, "id"), string, sizeof string) &&
           strcmp(string, "z") == 0,
       "a member is not taken from deeper down");
    is_int(json_member(&json, 0, "deep"), -1, "nor found there");
    ok(!json_integer(&json, json_member(&json, 0, "big"), 0, 9007199254740991, &number) &&
           number == -7,
       "a number over the range leaves the value alone");
    ok(!json_integer(&json, json_member(&json, 0, "half"), 0, 9, &number), "0.5 is not whole");
    ok(json_positive(&json, json_member(&json, 0, "half"), &real) && real == 0.5, "but a number");
    ok(!json_positive(&json, json_member(&json, 0, "neg"), &real), "-1 is not positive");
    ok(json_string(&json, json_member(&json, 0, "esc"), string, sizeof string) &&
           strcmp(string, "a\"A\xf0\x9f\x98\x80") == 0,
       "escapes are resolved");
    ok(!json_string(&json, json_member(&json, 0, "esc"), string, 7), "a string that does not fit");
    ok(!json_string(&json, json_member(&json, 0, "nul"), string, sizeof string), "U+0000");
    ok(!json_string(&json, json_member(&json, 0, "lone"), string, sizeof string), "half a pair");
    ok(json_boolean(&json, json_member(&json, 0, "yes"), &flag) && flag, "true");
    ok(!json_boolean(&json, json_member(&json, 0, "id"), &flag), "a string is no boolean");
    ok(!json_integer(&json, json_member(&json, 0, "none"), 0, 9, &number), "a missing member");
    json_free(&json);
}

static void writing(void) {
    struct buffer buffer = {0};
    json_open(&buffer, '{');
    json_name(&buffer, "list");
    json_open(&buffer, '[');
    json_put_integer(&buffer, -5);
    json_put_boolean(&buffer, true);
    json_put_null(&buffer);
    json_put_string(&buffer, "q\"\\\x01\n\xff\xc3\xa9");
    json_close(&buffer, ']');
    json_name(&buffer, "hex");
    json_put_hex(&buffer, (const uint8_t *)"\x00\xfe", 2);
    json_name(&buffer, "number");
    json_put_number(&buffer, 0.25);
    json_close(&buffer, '}');
    static const char expected[] =
        "{\"list\":[-5,true,null,\"q\\\"\\\\\\u0001\\u000a\xef\xbf\xbd\xc3\xa9\"],\"hex\":\"00fe\","
        "\"number\":0.25}";
    ok(buffer.length == strlen(expected) && memcmp(buffer.data, expected, buffer.length) == 0,
       "commas, escapes, bytes that are not UTF-8");
    buffer_free(&buffer);
}

static void many_tokens(void) {
    static char text[100000];
    struct json json = {0};
    const char *why;
    text[0] = '[';
    for (int i = 1; i < 99998; i += 2)
        memcpy(text + i, "1,", 2);
    memcpy(text + 99997, "1]", 2);
    text[99998] = ']';
    ok(!json_parse(&json, text, 99999, &why), "50,000 values are refused");
    json_free(&json);
}

int main(void) {
    grammar();
    walking();
    writing();
    many_tokens();
    return done_testing();
}
