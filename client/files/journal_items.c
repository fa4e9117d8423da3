/* The items of a journal in memory: a table of hashing over an array. */
#include <stdlib.h>
#include <string.h>

#include "base/say.h"
#include "files/journal_parts.h"
#include "memory.h"

enum { TABLE_FIRST = 1024, ITEMS_MAX = 100 * 1000 * 1000 };

int journal_count(const struct journal *journal) {
    return journal->count;
}

/* Where the search for a key begins in a table: keys are hashes already. */
static unsigned place_of(const uint8_t key[ITEM_KEY_BYTES], int table_size) {
    uint32_t number;
    memcpy(&number, key, sizeof number);
    return number & ((unsigned)table_size - 1);
}

/* Enters an item into the table, which has room. */
static void enter(struct journal *journal, int item) {
    unsigned at = place_of(journal->items[item].key, journal->table_size);
    while (journal->table[at] != 0)
        at = (at + 1) & ((unsigned)journal->table_size - 1);
    journal->table[at] = item + 1;
}

/* Makes room for one more item; half of the table stays free. */
static void grow(struct journal *journal) {
    if (journal->count == journal->capacity) {
        journal->capacity = journal->capacity > 0 ? journal->capacity + journal->capacity / 2 : 512;
        journal->items = memory_or_end(
            realloc(journal->items, (size_t)journal->capacity * sizeof *journal->items),
            "a journal");
    }
    if (2 * (journal->count + 1) <= journal->table_size)
        return;
    free(journal->table);
    journal->table_size = journal->table_size > 0 ? 2 * journal->table_size : TABLE_FIRST;
    journal->table =
        memory_or_end(calloc((size_t)journal->table_size, sizeof *journal->table), "a journal");
    for (int i = 0; i < journal->count; i++)
        enter(journal, i);
}

int journal_find(const struct journal *journal, const uint8_t key[ITEM_KEY_BYTES]) {
    if (journal->table_size == 0)
        return JOURNAL_NONE;
    unsigned at = place_of(key, journal->table_size);
    for (; journal->table[at] != 0; at = (at + 1) & ((unsigned)journal->table_size - 1)) {
        int item = journal->table[at] - 1;
        if (memcmp(journal->items[item].key, key, ITEM_KEY_BYTES) == 0)
            return item;
    }
    return JOURNAL_NONE;
}

/* Keeps the name of an item that was just made. */
static void set_name(struct journal *journal, int item, const char *name) {
    size_t length = strlen(name) + 1;
    if (!journal->keeps_names || journal->names.length > UINT32_MAX - length)
        return;
    journal->items[item].path = (uint32_t)journal->names.length;
    buffer_append(&journal->names, name, length);
}

int journal_enter(struct journal *journal, const uint8_t key[ITEM_KEY_BYTES], const char *path) {
    int item = journal_find(journal, key);
    if (item != JOURNAL_NONE)
        return item;
    if (journal->count == ITEMS_MAX) {
        say("this job cannot have more items: give --job another name");
        return JOURNAL_NONE;
    }
    grow(journal);
    item = journal->count++;
    journal->items[item] = (struct journal_item){0};
    memcpy(journal->items[item].key, key, ITEM_KEY_BYTES);
    enter(journal, item);
    set_name(journal, item, path);
    return item;
}

const uint8_t *journal_id(const struct journal *journal, int item) {
    return journal->items[item].placed ? journal->items[item].id : NULL;
}

const char *journal_path(const struct journal *journal, int item) {
    return journal->names.data + journal->items[item].path;
}

const char *journal_node(const struct journal *journal, int item) {
    int node = journal->items[item].node;
    return node > 0 ? journal->nodes[node - 1] : NULL;
}

bool journal_is_refused(const struct journal *journal, int item) {
    return journal->items[item].refused;
}
