/* JSON texts: whatever is taken can be walked, and what is read from it is as it should be. */
#include "json.h"

#include <float.h>

#include "fuzz.h"

/* Reads a token in every way. */
static void read_token(const struct json *json, int token) {
    char string[24];
    const char *plain;
    size_t length;
    int64_t number = -1;
    double real = -1;
    bool boolean;
    if (json_string(json, token, string, sizeof string))
        must(strlen(string) < sizeof string);
    if (json_plain(json, token, &plain, &length))
        must(!memchr(plain, '\\', length) && plain >= json->text);
    if (json_integer(json, token, 0, 9007199254740991, &number))
        must(number >= 0 && number <= 9007199254740991);
    else
        must(number == -1);
    if (json_positive(json, token, &real))
        must(real >= 0 && real <= DBL_MAX);
    json_boolean(json, token, &boolean);
    json_member(json, token, "items");
}

/* Walks an array, or an array that is a member; the elements are as many as it says. */
static void walk(const struct json *json, int array) {
    int count = 0;
    for (int token = json_first(json, array); token >= 0; token = json_next(json, token)) {
        must(token < json->count);
        read_token(json, token);
        count++;
    }
    must(count == json_array_size(json, array) || json_array_size(json, array) < 0);
}

/* A text of ours is read back as it was. */
static void write_back(const char *text) {
    static struct json json;
    static struct buffer buffer;
    const char *why;
    buffer_clear(&buffer);
    json_open(&buffer, '{');
    json_name(&buffer, "text");
    json_put_string(&buffer, text);
    json_name(&buffer, "hex");
    json_put_hex(&buffer, (const uint8_t *)text, strlen(text));
    json_close(&buffer, '}');
    must(json_parse(&json, buffer.data, buffer.length, &why));
    must(json_member(&json, 0, "hex") > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct json json;
    const char *why = NULL;
    if (json_parse(&json, (const char *)data, size, &why)) {
        for (int token = 0; token < json.count; token++) {
            must(json.tokens[token].start >= 0 && json.tokens[token].end <= (int)size);
            read_token(&json, token);
        }
        walk(&json, 0);
        walk(&json, json_member(&json, 0, "items"));
    } else {
        must(why && strlen(why) > 0);
    }
    char *text = fuzz_text(data, size);
    write_back(text);
    free(text);
    return 0;
}
