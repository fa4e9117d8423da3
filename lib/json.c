#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hex.h"
#include "json_check.h"
#include "memory.h"

bool json_parse(struct json *json, const char *text, size_t length, const char **why) {
    *why = json_check(text, length);
    if (*why)
        return false;
    for (;;) {
        jsmn_parser parser;
        jsmn_init(&parser);
        json->count = jsmn_parse(&parser, text, length, json->tokens, (unsigned)json->capacity);
        if (json->tokens && json->count > 0)
            break;
        if (json->tokens && json->count != JSMN_ERROR_NOMEM) {
            *why = "it is not well-formed JSON in UTF-8";
            return false;
        }
        int capacity = json->capacity ? json->capacity * 2 : 64;
        if (capacity > JSON_TOKENS_MAX) {
            *why = "it holds too many values";
            return false;
        }
        json->tokens = memory_or_end(realloc(json->tokens, (size_t)capacity * sizeof *json->tokens),
                                     "JSON tokens");
        json->capacity = capacity;
    }
    json->text = text;
    return true;
}

void json_free(struct json *json) {
    free(json->tokens);
    *json = (struct json){0};
}

static bool is_type(const struct json *json, int token, jsmntype_t type) {
    return token >= 0 && token < json->count && json->tokens[token].type == type;
}

static size_t token_length(const struct json *json, int token) {
    return (size_t)(json->tokens[token].end - json->tokens[token].start);
}

/* The first token after everything inside `token`; json->count at the end. */
static int behind(const struct json *json, int token) {
    int end = json->tokens[token].end;
    int next = token + 1;
    while (next < json->count && json->tokens[next].start < end)
        next++;
    return next;
}

int json_member(const struct json *json, int object, const char *name) {
    if (!is_type(json, object, JSMN_OBJECT))
        return -1;
    size_t length = strlen(name);
    int key = object + 1;
    for (int i = 0; i < json->tokens[object].size; i++) {
        if (token_length(json, key) == length &&
            memcmp(json->text + json->tokens[key].start, name, length) == 0)
            return key + 1;
        key = behind(json, key + 1);
    }
    return -1;
}

int json_array_size(const struct json *json, int token) {
    return is_type(json, token, JSMN_ARRAY) ? json->tokens[token].size : -1;
}

int json_first(const struct json *json, int array) {
    return json_array_size(json, array) > 0 ? array + 1 : -1;
}

int json_next(const struct json *json, int element) {
    if (element < 0)
        return -1;
    int next = behind(json, element);
    int parent = json->tokens[element].parent;
    return next < json->count && json->tokens[next].parent == parent ? next : -1;
}

/* Copies a number's text, NUL-terminated. False when the token is no number or the text is absurdly
 * long. */
static bool number_text(const struct json *json, int token, char text[40]) {
    if (!is_type(json, token, JSMN_PRIMITIVE) || token_length(json, token) >= 40)
        return false;
    memcpy(text, json->text + json->tokens[token].start, token_length(json, token));
    text[token_length(json, token)] = '\0';
    return text[0] == '-' || (text[0] >= '0' && text[0] <= '9');
}

bool json_integer(const struct json *json, int token, int64_t min, int64_t max, int64_t *value) {
    char text[40];
    char *end;
    if (!number_text(json, token, text))
        return false;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || number < min || number > max)
        return false;
    *value = number;
    return true;
}

bool json_positive(const struct json *json, int token, double *value) {
    char text[40];
    if (!number_text(json, token, text))
        return false;
    double number = strtod(text, NULL);
    if (!isfinite(number) || number < 0)
        return false;
    *value = number;
    return true;
}

bool json_boolean(const struct json *json, int token, bool *value) {
    if (!is_type(json, token, JSMN_PRIMITIVE))
        return false;
    char first = json->text[json->tokens[token].start];
    if (first != 't' && first != 'f')
        return false;
    *value = first == 't';
    return true;
}

bool json_plain(const struct json *json, int token, const char **text, size_t *length) {
    if (!is_type(json, token, JSMN_STRING))
        return false;
    *text = json->text + json->tokens[token].start;
    *length = token_length(json, token);
    return memchr(*text, '\\', *length) == NULL;
}

/* Reads the four hex digits of a \u escape, which json_check has verified. */
static unsigned code_unit(const char *digits) {
    char text[5] = {digits[0], digits[1], digits[2], digits[3], '\0'};
    return (unsigned)strtoul(text, NULL, 16);
}

/* Writes a code point as UTF-8. Returns its length, 0 for U+0000 and lone surrogates. */
static size_t encode_utf8(char out[4], unsigned code) {
    if (code == 0 || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(heads[length] | code);
    return length;
}

/* Resolves the escape at text (after the backslash) into out and *length. Returns the characters
 * read, 0 for U+0000 and lone surrogates. */
static size_t resolve_escape(const char *text, const char *end, char out[4], size_t *length) {
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (*text != 'u') {
        *length = 1;
        out[0] = to[strchr(from, *text) - from];
        return 1;
    }
    unsigned code = code_unit(text + 1);
    size_t taken = 5;
    if (code >= 0xd800 && code < 0xdc00 && end - text >= 11 && text[5] == '\\' && text[6] == 'u') {
        unsigned low = code_unit(text + 7);
        if (low < 0xdc00 || low > 0xdfff)
            return 0;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        taken = 11;
    }
    *length = encode_utf8(out, code);
    return *length ? taken : 0;
}

bool json_string(const struct json *json, int token, char *text, size_t capacity) {
    if (!is_type(json, token, JSMN_STRING))
        return false;
    const char *at = json->text + json->tokens[token].start;
    const char *end = json->text + json->tokens[token].end;
    size_t used = 0;
    while (at < end) {
        char piece[4] = {*at};
        size_t length = 1;
        size_t taken = 1;
        if (*at == '\\') {
            taken = resolve_escape(at + 1, end, piece, &length);
            if (taken == 0)
                return false;
            taken++;
        }
        if (used + length >= capacity)
            return false;
        memcpy(text + used, piece, length);
        used += length;
        at += taken;
    }
    text[used] = '\0';
    return true;
}

/* Appends the comma that a value or a name needs after another one. */
static void separate(struct buffer *buffer) {
    if (buffer->length > 0 && !memchr("{[:", buffer->data[buffer->length - 1], 3))
        buffer_append(buffer, ",", 1);
}

void json_open(struct buffer *buffer, char bracket) {
    separate(buffer);
    buffer_append(buffer, &bracket, 1);
}

void json_close(struct buffer *buffer, char bracket) {
    buffer_append(buffer, &bracket, 1);
}

void json_name(struct buffer *buffer, const char *name) {
    json_put_plain(buffer, name, strlen(name));
    buffer_append(buffer, ":", 1);
}

void json_put_plain(struct buffer *buffer, const char *text, size_t length) {
    separate(buffer);
    buffer_append(buffer, "\"", 1);
    buffer_append(buffer, text, length);
    buffer_append(buffer, "\"", 1);
}

void json_put_string(struct buffer *buffer, const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + strlen(text);
    separate(buffer);
    buffer_append(buffer, "\"", 1);
    while (at < end) {
        size_t length = utf8_length(at, (size_t)(end - at));
        if (length == 0)
            buffer_puts(buffer, "\xef\xbf\xbd");
        else if (*at < 0x20)
            buffer_printf(buffer, "\\u%04x", *at);
        else if (*at == '"' || *at == '\\')
            buffer_printf(buffer, "\\%c", *at);
        else
            buffer_append(buffer, at, length);
        at += length ? length : 1;
    }
    buffer_append(buffer, "\"", 1);
}

void json_put_hex(struct buffer *buffer, const uint8_t *bytes, size_t length) {
    separate(buffer);
    buffer_reserve(buffer, 2 * length + 2);
    char *out = buffer->data + buffer->length;
    out[0] = '"';
    hex_encode(out + 1, bytes, length);
    out[1 + 2 * length] = '"';
    buffer->length += 2 * length + 2;
}

void json_put_integer(struct buffer *buffer, int64_t value) {
    separate(buffer);
    buffer_printf(buffer, "%lld", (long long)value);
}

void json_put_number(struct buffer *buffer, double value) {
    separate(buffer);
    buffer_printf(buffer, "%.6g", isfinite(value) ? value : 0.0);
}

void json_put_boolean(struct buffer *buffer, bool value) {
    separate(buffer);
    buffer_puts(buffer, value ? "true" : "false");
}

void json_put_null(struct buffer *buffer) {
    separate(buffer);
    buffer_puts(buffer, "null");
}
