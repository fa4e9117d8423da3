#ifndef HASHMILL_JSON_H
#define HASHMILL_JSON_H

#define JSMN_HEADER
#define JSMN_PARENT_LINKS
#include <jsmn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/*
 * Reading: JSON text from outside, tokenised by jsmn after a check of our own, because jsmn alone
 * accepts texts that RFC 8259 does not. A parsed text is walked by token numbers; -1 is "no such
 * token". Every function below accepts -1, so that look-ups can be chained without
 * checks.
 */
struct json {
    const char *text;  /* borrowed until the next json_parse */
    jsmntok_t *tokens; /* owned */
    int count;         /* tokens in use */
    int capacity;
};

enum { JSON_DEPTH_MAX = 16, JSON_TOKENS_MAX = 32768 };

/* Parses one whole RFC 8259 text in UTF-8, at most JSON_DEPTH_MAX containers deep. json starts
 * zeroed and is reused from text to text. Token 0 is the root. False, with the reason in *why, for
 * any other text; the reason never quotes the text. */
bool json_parse(struct json *json, const char *text, size_t length, const char **why);

/* Gives the memory back. */
void json_free(struct json *json);

/* The value of the first member of that name (plain ASCII) in an object, or -1. */
int json_member(const struct json *json, int object, const char *name);

/* The number of elements of an array, or -1 when token is not an array. */
int json_array_size(const struct json *json, int token);

/* The first element of an array, or -1; the next element, or -1. A whole loop costs time in
 * proportion to the text. */
int json_first(const struct json *json, int array);
int json_next(const struct json *json, int element);

/* The token as a whole number in min..max (no fraction, no exponent). False leaves *value alone. */
bool json_integer(const struct json *json, int token, int64_t min, int64_t max, int64_t *value);

/* The token as a finite number >= 0. False leaves *value alone. */
bool json_positive(const struct json *json, int token, double *value);

/* The token as true or false. False leaves *value alone. */
bool json_boolean(const struct json *json, int token, bool *value);

/* The token's characters when it is a string without escapes: *text points into the parsed text. */
bool json_plain(const struct json *json, int token, const char **text, size_t *length);

/* The token as a string of at most capacity - 1 bytes, escapes resolved, NUL-terminated. False when
 * it is no string, is longer, or has U+0000 or a lone surrogate. */
bool json_string(const struct json *json, int token, char *text, size_t capacity);

/*
 * Writing: appends values to a buffer, with the commas between them. Objects and arrays are opened
 * and closed by character: json_open(b, '{') ... json_close(b, '}').
 */
void json_open(struct buffer *buffer, char bracket);
void json_close(struct buffer *buffer, char bracket);
/* A member's name, plain ASCII without quotes or backslashes; its value must follow. */
void json_name(struct buffer *buffer, const char *name);
/* Text in UTF-8. Escapes quotes, backslashes and control characters; replaces bytes that are not
 * UTF-8 by U+FFFD. */
void json_put_string(struct buffer *buffer, const char *text);
/* ASCII that needs no escaping, such as hex digits and ids. */
void json_put_plain(struct buffer *buffer, const char *text, size_t length);
void json_put_hex(struct buffer *buffer, const uint8_t *bytes, size_t length);
void json_put_integer(struct buffer *buffer, int64_t value);
void json_put_number(struct buffer *buffer, double value);
void json_put_boolean(struct buffer *buffer, bool value);
void json_put_null(struct buffer *buffer);

#endif
