#include "digest_field.h"

#include <stddef.h>
#include <string.h>

static const char malformed[] = "it is not a dictionary of byte sequences like sha-512=:BASE64:";

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Reads a key: a lower-case letter or '*', then these, digits, '_', '-' and '.'. Returns its
 * length, 0 without one. */
static size_t key_length(const char *text) {
    size_t length = 0;
    if (!is_lower(*text) && *text != '*')
        return 0;
    while (is_lower(text[length]) || is_digit(text[length]) ||
           (text[length] != '\0' && strchr("*_-.", text[length])))
        length++;
    return length;
}

/* The six bits that a base64 digit stands for, or -1. */
static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (is_lower(c))
        return c - 'a' + 26;
    if (is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Reads ":BASE64:" at *text and moves past it. The first `size` bytes go to out; *length gets the
 * number of all. Padding may be missing (RFC 8941, section 4.2.7). */
static bool byte_sequence(const char **text, uint8_t *out, size_t size, size_t *length) {
    const char *at = *text;
    uint32_t bits = 0;
    int held = 0;
    *length = 0;
    if (*at++ != ':')
        return false;
    for (; base64_value(*at) >= 0; at++) {
        bits = (bits << 6 | (uint32_t)base64_value(*at)) & 0xfff;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (*length < size)
            out[*length] = (uint8_t)(bits >> held);
        ++*length;
    }
    size_t padding = strspn(at, "=");
    at += padding;
    *text = at + 1;
    /* A last group of 3 or 2 digits leaves 2 or 4 bits and is padded by 1 or 2 signs. */
    return *at == ':' && held < 6 && (padding == 0 || padding == (size_t)held / 2);
}

/* Skips parameters, ";key" or ";key=token", which have no meaning in RFC 9530. */
static bool skip_parameters(const char **text) {
    while (**text == ';') {
        *text += 1 + strspn(*text + 1, " ");
        size_t length = key_length(*text);
        if (length == 0)
            return false;
        *text += length;
        if (**text == '=')
            *text += 1 + strcspn(*text + 1, ",; \t\"");
    }
    return true;
}

/* Reads one member, "key=:BASE64:" and parameters. */
static bool member(struct digest_field *field, const char **text, const char **why) {
    const char *key = *text;
    size_t key_size = key_length(key);
    uint8_t ignored[1];
    bool is_sha512 = key_size == 7 && memcmp(key, "sha-512", 7) == 0;
    bool is_sha256 = key_size == 7 && memcmp(key, "sha-256", 7) == 0;
    uint8_t *out = is_sha512 ? field->sha512 : is_sha256 ? field->sha256 : ignored;
    size_t size = is_sha512 ? sizeof field->sha512 : is_sha256 ? sizeof field->sha256 : 0;
    size_t length;
    *why = malformed;
    *text += key_size + 1;
    if (key_size == 0 || key[key_size] != '=' || !byte_sequence(text, out, size, &length))
        return false;
    if (size > 0 && length != size) {
        *why =
            is_sha512 ? "its sha-512 does not have 64 bytes" : "its sha-256 does not have 32 bytes";
        return false;
    }
    field->has_sha512 |= is_sha512;
    field->has_sha256 |= is_sha256;
    return skip_parameters(text);
}

bool digest_field_parse(struct digest_field *field, const char *text, const char **why) {
    *field = (struct digest_field){0};
    text += strspn(text, " ");
    while (*text != '\0') {
        if (!member(field, &text, why))
            return false;
        text += strspn(text, " \t");
        if (*text == '\0')
            return true;
        *why = malformed;
        if (*text++ != ',')
            return false;
        text += strspn(text, " \t");
        if (*text == '\0')
            return false;
    }
    return true;
}
