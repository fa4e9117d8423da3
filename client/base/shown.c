#include "base/shown.h"

#include <string.h>

#include "json_check.h"

/* What a terminal does not only show, by the first bytes of its characters: from the last byte
 * `first` to `last`. */
static const struct {
    const char *begin, first, last;
} unshown[] = {
    {"\xc2", '\x80', '\x9f'},     /* control characters */
    {"\xd8", '\x9c', '\x9c'},     /* what turns the text */
    {"\xe2\x80", '\x8e', '\x8f'}, /* likewise */
    {"\xe2\x80", '\xa8', '\xae'}, /* likewise, and ends of lines */
    {"\xe2\x81", '\xa6', '\xa9'},
};

size_t shown_length(const char *text) {
    size_t length = utf8_length((const unsigned char *)text, strnlen(text, 4));
    if (length == 1)
        return (unsigned char)*text >= ' ' && *text != 0x7f;
    for (size_t i = 0; i < sizeof unshown / sizeof *unshown && length > 0; i++) {
        size_t begin = strlen(unshown[i].begin);
        unsigned char byte = (unsigned char)text[begin];
        if (length == begin + 1 && memcmp(text, unshown[i].begin, begin) == 0 &&
            byte >= (unsigned char)unshown[i].first && byte <= (unsigned char)unshown[i].last)
            return 0;
    }
    return length;
}

void put_shown(struct buffer *line, const char *text) {
    while (*text != '\0') {
        size_t length = shown_length(text);
        buffer_append(line, length > 0 ? text : "?", length > 0 ? length : 1);
        text += length > 0 ? length : 1;
    }
}
