#include "json_check.h"

#include <stdbool.h>
#include <string.h>

#include "json.h"

/* The place of the check. Each reader below moves `at` past what it reads, or fails. */
struct cursor {
    const unsigned char *at;
    const unsigned char *end;
};

size_t utf8_length(const unsigned char *bytes, size_t available) {
    static const struct {
        unsigned char first_low, first_high, second_low, second_high, length;
    } rows[] = {
        /* RFC 3629, section 4 */
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; available > 0 && i < sizeof rows / sizeof *rows; i++) {
        if (bytes[0] < rows[i].first_low || bytes[0] > rows[i].first_high)
            continue;
        size_t length = rows[i].length;
        if (length > available)
            return 0;
        if (length > 1 && (bytes[1] < rows[i].second_low || bytes[1] > rows[i].second_high))
            return 0;
        for (size_t j = 2; j < length; j++) {
            if ((bytes[j] & 0xc0) != 0x80)
                return 0;
        }
        return length;
    }
    return 0;
}

static void skip_space(struct cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(struct cursor *c, unsigned char wanted) {
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool is_digit(const struct cursor *c) {
    return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static bool digits(struct cursor *c) {
    if (!is_digit(c))
        return false;
    while (is_digit(c))
        c->at++;
    return true;
}

static bool number(struct cursor *c) {
    take(c, '-');
    if (!take(c, '0') && !digits(c))
        return false;
    if (take(c, '.') && !digits(c))
        return false;
    if (take(c, 'e') || take(c, 'E')) {
        if (!take(c, '+'))
            take(c, '-');
        return digits(c);
    }
    return true;
}

static bool escape(struct cursor *c) {
    if (c->at == c->end || !strchr("\"\\/bfnrtu", *c->at) || *c->at == '\0')
        return false;
    if (*c->at++ != 'u')
        return true;
    for (int i = 0; i < 4; i++, c->at++) {
        if (c->at == c->end || *c->at == '\0' || !strchr("0123456789abcdefABCDEF", *c->at))
            return false;
    }
    return true;
}

static bool string(struct cursor *c) {
    if (!take(c, '"'))
        return false;
    while (c->at < c->end && *c->at != '"') {
        if (*c->at < 0x20)
            return false;
        if (take(c, '\\')) {
            if (!escape(c))
                return false;
            continue;
        }
        size_t length = *c->at < 0x80 ? 1 : utf8_length(c->at, (size_t)(c->end - c->at));
        if (length == 0)
            return false;
        c->at += length;
    }
    return take(c, '"');
}

static bool literal(struct cursor *c, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0)
        return false;
    c->at += length;
    return true;
}

static bool scalar(struct cursor *c) {
    if (c->at < c->end && *c->at == '"')
        return string(c);
    return literal(c, "true") || literal(c, "false") || literal(c, "null") || number(c);
}

/* Reads `"name" :` before an object's value. */
static bool name(struct cursor *c) {
    skip_space(c);
    if (!string(c))
        return false;
    skip_space(c);
    return take(c, ':');
}

/* Reads what may follow a value: closing brackets, then a comma and, in an object, the next name.
 * True with *depth 0 after the outermost value. */
static bool after_value(struct cursor *c, const char *closers, int *depth) {
    while (*depth > 0) {
        skip_space(c);
        if (take(c, ','))
            return closers[*depth - 1] == ']' || name(c);
        if (!take(c, (unsigned char)closers[*depth - 1]))
            return false;
        --*depth;
    }
    return true;
}

/* Reads an opening bracket and, in an object that is not empty, the first name. *empty says whether
 * the container was closed at once. */
static bool open_container(struct cursor *c, char *closer, bool *empty) {
    *closer = *c->at++ == '{' ? '}' : ']';
    skip_space(c);
    *empty = take(c, (unsigned char)*closer);
    return *empty || *closer == ']' || name(c);
}

const char *json_check(const char *text, size_t length) {
    struct cursor c = {(const unsigned char *)text, (const unsigned char *)text + length};
    char closers[JSON_DEPTH_MAX];
    int depth = 0;
    do {
        skip_space(&c);
        if (c.at < c.end && (*c.at == '{' || *c.at == '[')) {
            bool empty;
            if (depth == JSON_DEPTH_MAX)
                return "it is nested too deeply";
            if (!open_container(&c, &closers[depth], &empty))
                return "it is not well-formed JSON in UTF-8";
            if (!empty) {
                depth++;
                continue;
            }
        } else if (!scalar(&c)) {
            return "it is not well-formed JSON in UTF-8";
        }
        if (!after_value(&c, closers, &depth))
            return "it is not well-formed JSON in UTF-8";
    } while (depth > 0);
    skip_space(&c);
    return c.at == c.end ? NULL : "there is something behind the JSON text";
}
