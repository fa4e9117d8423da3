#include "item.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* Makes room for extra more items. */
static void reserve(struct items *items, int extra) {
    int capacity = items->capacity ? items->capacity : 16;
    while (capacity - items->count < extra)
        capacity *= 2;
    if (capacity == items->capacity)
        return;
    items->list =
        memory_or_end(realloc(items->list, (size_t)capacity * sizeof *items->list), "items");
    items->capacity = capacity;
}

void items_add(struct items *items, const struct item *item) {
    reserve(items, 1);
    items->list[items->count++] = *item;
}

void items_put_back(struct items *items, const struct item *list, int count) {
    if (count == 0)
        return;
    reserve(items, count);
    memmove(items->list + count, items->list, (size_t)items->count * sizeof *list);
    memcpy(items->list, list, (size_t)count * sizeof *list);
    items->count += count;
}

void items_drop_first(struct items *items, int count) {
    if (count == 0)
        return;
    items->count -= count;
    memmove(items->list, items->list + count, (size_t)items->count * sizeof *items->list);
}

struct item *items_find(const struct items *items, const uuid_t id) {
    for (int i = 0; i < items->count; i++) {
        if (same_id(items->list[i].id, id))
            return &items->list[i];
    }
    return NULL;
}

void items_free(struct items *items) {
    free(items->list);
    *items = (struct items){0};
}
