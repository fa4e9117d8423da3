#include <stdlib.h>

#include "base/exit.h"
#include "base/say.h"
#include "memory.h"
#include "verbs/enqueue.h"
#include "verbs/lines.h"
#include "verbs/verbs.h"

/* The items in the order of the files; those before `printed` are printed. */
struct order {
    const struct command *command;
    struct journal *journal;
    int *items; /* JOURNAL_NONE: it has failed */
    int count, capacity, printed;
};

static void print_object(const struct order *order, const struct enqueued *file) {
    struct buffer line = {0};
    object_begin(&line, "item");
    object_id(&line, journal_id(order->journal, file->item));
    object_text(&line, "file", file->name);
    object_hex(&line, "digest", file->digest, DIGEST_BYTES);
    object_number(&line, "iterations", order->command->iterations);
    object_print(&line);
}

/* With --json the objects have the names of the files, and come as they are answered. */
static void listed(void *context, const struct enqueued *file) {
    struct order *order = context;
    if (order->command->json)
        return;
    if (order->count == order->capacity) {
        order->capacity = order->capacity > 0 ? order->capacity + order->capacity / 2 : 1000;
        order->items = memory_or_end(
            realloc(order->items, (size_t)order->capacity * sizeof *order->items), "the files");
    }
    order->items[order->count++] = file->item;
}

/* Prints the ids of the files whose turn it is. */
static void print_ids(struct order *order) {
    for (; order->printed < order->count; order->printed++) {
        struct buffer line = {0};
        char text[ITEM_ID_SIZE];
        int item = order->items[order->printed];
        if (item == JOURNAL_NONE)
            continue;
        const uint8_t *id = journal_id(order->journal, item);
        if (!id)
            return;
        item_id_write(text, id);
        buffer_puts(&line, text);
        line_print(&line);
    }
}

static void placed(void *context, const struct enqueued *file, bool failed) {
    struct order *order = context;
    if (order->command->json) {
        if (!failed)
            print_object(order, file);
        return;
    }
    for (int i = order->count - 1; failed && i >= order->printed; i--) {
        if (order->items[i] == file->item)
            order->items[i] = JOURNAL_NONE;
    }
    print_ids(order);
}

int verb_put(struct session *session) {
    struct order order = {.command = &session->command};
    struct enqueue_events events = {.listed = listed, .placed = placed, .context = &order};
    int code = CLIENT_USAGE;
    if (!enqueue_check(order.command))
        return code;
    order.journal = journal_open(enqueue_job(order.command), true, false, &code);
    if (order.journal) {
        code = enqueue_all(session, order.journal, &events);
        journal_close(order.journal);
    }
    if (code == CLIENT_INTERRUPTED)
        say("stopped; the same command goes on, and puts nothing twice");
    free(order.items);
    return code;
}
