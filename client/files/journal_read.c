#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/say.h"
#include "files/journal_parts.h"
#include "hex.h"
#include "memory.h"

/* The longest line: a path has at most 4,096 bytes, and each may be written as two. */
enum { LINE_SIZE = 20000, READ_BYTES = 65536 };

/* Undoes put_name, in place. */
static void unescape(char *name) {
    char *to = name;
    for (; *name != '\0'; name++) {
        if (*name != '\\' || name[1] == '\0')
            *to++ = *name;
        else if (*++name == 'n')
            *to++ = '\n';
        else
            *to++ = *name == 'r' ? '\r' : *name;
    }
    *to = '\0';
}

/* "NUMBER URL": nodes come in their order. */
static bool read_node(struct journal *journal, char *text) {
    char *url;
    long number = strtol(text, &url, 10);
    if (number != journal->node_count || number >= JOURNAL_NODES_MAX || *url != ' ' ||
        strlen(url) > JOURNAL_URL_SIZE)
        return false;
    journal->nodes[journal->node_count++] = memory_or_end(strdup(url + 1), "a journal");
    return true;
}

/* "KEY NUMBER PATH" */
static bool read_sent(struct journal *journal, const uint8_t key[ITEM_KEY_BYTES], char *text) {
    char *path;
    long node = strtol(text, &path, 10);
    if (path == text || node < 0 || node >= journal->node_count || *path != ' ')
        return false;
    unescape(++path);
    int item = journal_enter(journal, key, path);
    if (item == JOURNAL_NONE)
        return false;
    journal->items[item].node = (uint8_t)(node + 1);
    journal->items[item].refused = false;
    return true;
}

/* "KEY ID" */
static bool read_placed(struct journal *journal, const uint8_t key[ITEM_KEY_BYTES],
                        const char *text) {
    int item = journal_find(journal, key);
    if (item == JOURNAL_NONE || !item_id_read(journal->items[item].id, text, strlen(text)))
        return false;
    journal->items[item].placed = true;
    return true;
}

/* "KEY" of an item that its node does not have. */
static bool read_withdrawn(struct journal *journal, const uint8_t key[ITEM_KEY_BYTES],
                           bool refused) {
    int item = journal_find(journal, key);
    if (item == JOURNAL_NONE)
        return false;
    journal->items[item].node = 0;
    journal->items[item].refused = refused;
    return true;
}

/* Takes one line, without its end. */
static bool read_line(struct journal *journal, int number, char *line) {
    enum { HEX = 2 * ITEM_KEY_BYTES };
    uint8_t key[ITEM_KEY_BYTES];
    if (number == 1)
        return strcmp(line, "hashmill journal 1") == 0;
    if (strncmp(line, "n ", 2) == 0)
        return read_node(journal, line + 2);
    if (line[0] == '\0' || line[1] != ' ' || strlen(line) < HEX + 2 ||
        !hex_decode(key, ITEM_KEY_BYTES, line + 2, HEX))
        return false;
    char *rest = line + HEX + 2;
    if (*rest == '\0')
        return (line[0] == '-' || line[0] == 'x') && read_withdrawn(journal, key, line[0] == 'x');
    if (*rest++ != ' ')
        return false;
    if (line[0] == '>')
        return read_sent(journal, key, rest);
    return line[0] == '<' && read_placed(journal, key, rest);
}

/* Takes all whole lines of the buffer, and leaves the rest in it. */
static bool read_lines(struct journal *journal, struct buffer *text, int *number,
                       long long *whole) {
    char *line = text->data;
    char *end = text->data + text->length;
    char *stop;
    while ((stop = memchr(line, '\n', (size_t)(end - line))) != NULL) {
        *stop = '\0';
        *number += 1;
        if (!read_line(journal, *number, line)) {
            say("%s line %d is not of a journal: move that file away, or give --job another name",
                journal->path, *number);
            return false;
        }
        *whole += stop + 1 - line;
        line = stop + 1;
    }
    text->length = (size_t)(end - line);
    memmove(text->data, line, text->length);
    if (text->length <= LINE_SIZE)
        return true;
    say("%s line %d is too long for a journal: move that file away", journal->path, *number + 1);
    return false;
}

bool journal_read(struct journal *journal, long long *whole) {
    struct buffer text = {0};
    int number = 0;
    bool good = true;
    *whole = 0;
    while (good) {
        buffer_reserve(&text, READ_BYTES);
        ssize_t got = read(journal->fd, text.data + text.length, READ_BYTES);
        if (got < 0)
            say("cannot read the journal %s: %m", journal->path);
        if (got <= 0) {
            good = got == 0;
            break;
        }
        text.length += (size_t)got;
        good = read_lines(journal, &text, &number, whole);
    }
    buffer_free(&text);
    return good;
}
