#include "accept.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { WEIGHT_MAX = 1000 }; /* weights are thousandths */

/* What the field says of one type. */
struct preference {
    const char *type;  /* such as "text/plain" */
    const char *group; /* such as "text/" followed by '*' */
    int specificity;   /* of the range that counts: 0 none, 1 any, 2 its group, 3 itself */
    int weight;
};

/* One range of the field and its weight. */
struct range {
    const char *text;
    size_t length;
    int weight;
};

static size_t blank_length(const char *text) {
    return strspn(text, " \t");
}

/* The length of a token of RFC 9110, section 5.6.2. */
static size_t token_length(const char *text) {
    return strspn(text, "!#$%&'*+-.^_`|~0123456789"
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

/* The length of a quoted string with its quotes; 0 when it is not closed. */
static size_t quoted_length(const char *text) {
    for (size_t at = 1; text[at] != '\0'; at++) {
        if (text[at] == '"')
            return at + 1;
        if (text[at] == '\\' && text[++at] == '\0')
            return 0;
    }
    return 0;
}

static bool equals(const char *text, size_t length, const char *wanted) {
    return length == strlen(wanted) && strncasecmp(text, wanted, length) == 0;
}

/* Reads a weight, "0.25" as 250; drops digits after the third. -1 when it is none. */
static int read_weight(const char *text, size_t length) {
    int weight = 0;
    if (length == 0 || (text[0] != '0' && text[0] != '1') || (length > 1 && text[1] != '.'))
        return -1;
    weight = (text[0] - '0') * WEIGHT_MAX;
    int unit = WEIGHT_MAX / 10;
    for (size_t at = 2; at < length; at++, unit /= 10) {
        if (text[at] < '0' || text[at] > '9')
            return -1;
        weight += (text[at] - '0') * unit;
    }
    return weight > WEIGHT_MAX ? -1 : weight;
}

/* Reads one parameter after its ';' and moves past it. False when the range must be skipped. */
static bool read_parameter(const char **text, struct range *range) {
    const char *name = *text + blank_length(*text);
    size_t name_length = token_length(name);
    const char *value = name + name_length;
    *text = value;
    if (name_length == 0)
        return true; /* an empty one, which RFC 9110, section 5.6.6, allows */
    if (*value++ != '=')
        return false;
    size_t length = *value == '"' ? quoted_length(value) : token_length(value);
    *text = value + length;
    if (equals(name, name_length, "q")) {
        range->weight = read_weight(value, length);
        return range->weight >= 0;
    }
    return length > 0 && equals(name, name_length, "charset");
}

/* Reads the range at *text, which is not empty. False when it must be skipped. */
static bool read_range(const char **text, struct range *range) {
    *range = (struct range){.text = *text, .weight = WEIGHT_MAX};
    size_t length = token_length(*text);
    if (length == 0 || (*text)[length] != '/')
        return false;
    range->length = length + 1 + token_length(*text + length + 1);
    *text += range->length + blank_length(*text + range->length);
    while (**text == ';') {
        ++*text;
        if (!read_parameter(text, range))
            return false;
        *text += blank_length(*text);
    }
    return **text == '\0' || **text == ',';
}

/* Moves to the comma that ends this range, or to the end if there is none or a quote is open. */
static void skip_range(const char **text) {
    while (*(*text += strcspn(*text, ",\"")) == '"') {
        size_t quoted = quoted_length(*text);
        *text += quoted ? quoted : strlen(*text);
    }
}

/* Counts a range for a type, unless a more specific one has counted. */
static void weigh(struct preference *preference, const struct range *range) {
    int specificity = equals(range->text, range->length, preference->type)    ? 3
                      : equals(range->text, range->length, preference->group) ? 2
                      : equals(range->text, range->length, "*/*")             ? 1
                                                                              : 0;
    if (specificity == 0 || specificity < preference->specificity)
        return;
    if (specificity > preference->specificity || range->weight > preference->weight)
        preference->weight = range->weight;
    preference->specificity = specificity;
}

bool accept_plain(const char *field) {
    struct preference plain = {.type = "text/plain", .group = "text/*"};
    struct preference json = {.type = "application/json", .group = "application/*"};
    const char *text = field ? field : "";
    while (*(text += strspn(text, " \t,")) != '\0') {
        const char *begin = text;
        struct range range;
        if (read_range(&text, &range)) {
            weigh(&plain, &range);
            weigh(&json, &range);
        } else {
            text = begin;
            skip_range(&text);
        }
    }
    return plain.weight > json.weight || (plain.weight > 0 && plain.weight == json.weight &&
                                          plain.specificity > json.specificity);
}
