#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/say.h"
#include "files/journal_parts.h"
#include "fnv.h"
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

/* Says what can be done about a file that something has changed. Nodes know what they have by its
 * key, so that no harm is done where the files go to the same node again. */
static void say_damaged(const struct journal *journal, int number) {
    if (number == 1) {
        say("%s is not a journal: move that file away, or give --job another name", journal->path);
        return;
    }
    say("%s is damaged in line %d: keep a copy, cut it to its first %d lines (head -n %d), and run "
        "this again with the one node in --url that had the files: it puts none twice",
        journal->path, number, number - 1, number - 1);
}

/* Whether what stands in a file without a whole line is what a crash can leave of its head. */
static bool is_begun_head(const char *text, size_t length) {
    static const char head[] = JOURNAL_HEAD JOURNAL_VERSION;
    return length < sizeof head && memcmp(text, head, length) == 0;
}

/* A whole number and where it ends; -1: there is none. */
static long read_number(char *text, char **end) {
    long number = strtol(text, end, 10);
    return text[0] >= '0' && text[0] <= '9' ? number : -1;
}

/* "NUMBER URL": nodes come in their order. */
static bool read_node(struct journal *journal, char *text) {
    char *url;
    long number = read_number(text, &url);
    if (number != journal->node_count || number >= JOURNAL_NODES_MAX || *url != ' ' ||
        strlen(url) > JOURNAL_URL_SIZE)
        return false;
    journal->nodes[journal->node_count++] = memory_or_end(strdup(url + 1), "a journal");
    return true;
}

/* "KEY NUMBER PATH" */
static bool read_sent(struct journal *journal, const uint8_t key[ITEM_KEY_BYTES], char *text) {
    char *path;
    long node = read_number(text, &path);
    if (node < 0 || node >= journal->node_count || *path != ' ')
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

void journal_sum(char text[JOURNAL_SUM_LENGTH], uint32_t *sum, const char *line, size_t length) {
    *sum = fnv_add(*sum, line, length);
    uint8_t bytes[4] = {(uint8_t)(*sum >> 24), (uint8_t)(*sum >> 16), (uint8_t)(*sum >> 8),
                        (uint8_t)*sum};
    hex_encode(text, bytes, sizeof bytes);
    text[JOURNAL_SUM_LENGTH - 1] = ' ';
}

/* Takes what a line says, without its sum. */
static bool read_entry(struct journal *journal, char *line) {
    enum { HEX = 2 * ITEM_KEY_BYTES };
    uint8_t key[ITEM_KEY_BYTES];
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

/* Takes the first line. False with a message. */
static bool read_head(const struct journal *journal, const char *line, size_t length) {
    size_t before = strlen(JOURNAL_HEAD);
    if (strcmp(line, JOURNAL_HEAD JOURNAL_VERSION) == 0 && strlen(line) == length)
        return true;
    if (strncmp(line, JOURNAL_HEAD, before) == 0 && strlen(line) == length)
        say("%s is the journal of another version of hashmill (%.20s, and this is " JOURNAL_VERSION
            "): end its job with that version, or give --job another name",
            journal->path, line + before);
    else
        say_damaged(journal, 1);
    return false;
}

/* Takes a line, without its end. False with a message. */
static bool read_line(struct journal *journal, int number, char *line, size_t length) {
    char sum[JOURNAL_SUM_LENGTH];
    bool good = length > JOURNAL_SUM_LENGTH && strlen(line) == length;
    if (number == 1)
        return read_head(journal, line, length);
    if (good)
        journal_sum(sum, &journal->sum, line + JOURNAL_SUM_LENGTH, length - JOURNAL_SUM_LENGTH);
    if (good && memcmp(sum, line, sizeof sum) == 0 &&
        read_entry(journal, line + JOURNAL_SUM_LENGTH))
        return true;
    say_damaged(journal, number);
    return false;
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
        if (!read_line(journal, *number, line, (size_t)(stop - line)))
            return false;
        *whole += stop + 1 - line;
        line = stop + 1;
    }
    text->length = (size_t)(end - line);
    memmove(text->data, line, text->length);
    if (text->length <= LINE_SIZE)
        return true;
    say_damaged(journal, *number + 1);
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
    if (good && number == 0 && text.length > 0 && !is_begun_head(text.data, text.length)) {
        say_damaged(journal, 1);
        good = false;
    }
    buffer_free(&text);
    return good;
}
