/* The verbs wait and run. */
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "memory.h"
#include "net/net.h"
#include "verbs/enqueue.h"
#include "verbs/item.h"
#include "verbs/lines.h"
#include "verbs/verbs.h"
#include "verbs/watch.h"

enum { SHOWN_MAX = 1000 }; /* characters of a command that is shown again */

/* What is waited for: items, and in a run or of a job the names of their files. */
struct waited {
    const struct command *command;
    struct journal *journal;
    struct watched *items;
    int *entries;  /* of the journal */
    size_t *names; /* where in texts */
    struct buffer texts;
    int count, capacity;
    bool named;
};

static void add(struct waited *waited, int entry, const char *name) {
    if (waited->count == waited->capacity) {
        size_t most = (size_t)waited->capacity + (size_t)waited->capacity / 2 + 100;
        waited->entries =
            memory_or_end(realloc(waited->entries, most * sizeof *waited->entries), "the files");
        waited->names =
            memory_or_end(realloc(waited->names, most * sizeof *waited->names), "the files");
        waited->capacity = (int)most;
    }
    waited->entries[waited->count] = entry;
    waited->names[waited->count++] = waited->texts.length;
    buffer_append(&waited->texts, name, strlen(name) + 1);
}

static void listed(void *context, const struct enqueued *file) {
    add(context, file->item, file->name);
}

static void placed(void *context, const struct enqueued *file, bool failed) {
    (void)context;
    (void)file;
    (void)failed; /* such a file has no id, and is not waited for */
}

static void print(void *context, int number) {
    struct waited *waited = context;
    const struct watched *item = &waited->items[number];
    const struct command *command = waited->command;
    if (item->state != WATCHED_VALUE)
        return;
    if (waited->named)
        line_of_file(command->json, command->quiet, item->value, item->id,
                     waited->texts.data + waited->names[number]);
    else
        line_of_item(command->json, command->quiet, item->value, item->id);
}

/* The node that an item was put to, by a text that lives on; NULL when it is not among those of the
 * command. */
static const char *url_of(const struct waited *waited, const struct net *net, int entry) {
    const char *url = journal_node(waited->journal, entry);
    int node = url ? net_named(net, url) : NET_ANY;
    return node != NET_ANY ? net_url(net, node) : NULL;
}

/* Makes the list of what to watch out of those files that have ids. */
static void make_items(struct waited *waited, const struct net *net) {
    int kept = 0;
    waited->items =
        memory_or_end(calloc((size_t)waited->count + 1, sizeof *waited->items), "the items");
    for (int i = 0; i < waited->count; i++) {
        const uint8_t *id = journal_id(waited->journal, waited->entries[i]);
        if (!id)
            continue;
        memcpy(waited->items[kept].id, id, ITEM_ID_BYTES);
        waited->items[kept].url = url_of(waited, net, waited->entries[i]);
        waited->names[kept++] = waited->names[i];
    }
    waited->count = kept;
}

/* Appends an argument as a shell reads it back. */
static void put_quoted(struct buffer *line, const char *text) {
    const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
    buffer_puts(line, line->length > 0 ? " " : "");
    if (text[0] != '\0' && text[strspn(text, plain)] == '\0') {
        buffer_puts(line, text);
        return;
    }
    buffer_puts(line, "'");
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            buffer_puts(line, "'\\''");
        else
            buffer_append(line, text, 1);
    }
    buffer_puts(line, "'");
}

/* Says which command goes on. */
static void say_how(const struct command *command) {
    struct buffer line = {0};
    for (int i = 0; i < command->argc && line.length <= SHOWN_MAX; i++)
        put_quoted(&line, command->argv[i]);
    buffer_append(&line, "", 1);
    if (line.length <= SHOWN_MAX)
        say("the items stay in the queue; to go on: %s", line.data);
    else
        say("the items stay in the queue; the same command goes on");
    buffer_free(&line);
}

static int watch_them(struct session *session, struct waited *waited) {
    struct watch watch = {waited->items, waited->count, print, waited};
    return watch_items(session, &watch);
}

static void free_waited(struct waited *waited) {
    free(waited->items);
    free(waited->entries);
    free(waited->names);
    buffer_free(&waited->texts);
    if (waited->journal)
        journal_close(waited->journal);
}

int verb_run(struct session *session) {
    struct waited waited = {.command = &session->command, .named = true};
    struct enqueue_events events = {.listed = listed, .placed = placed, .context = &waited};
    int code = CLIENT_USAGE;
    if (!enqueue_check(waited.command))
        return code;
    waited.journal = journal_open(enqueue_job(waited.command), true, false, &code);
    if (waited.journal)
        code = enqueue_all(session, waited.journal, &events);
    if (waited.journal && (code == CLIENT_DONE || code == CLIENT_FAILED)) {
        make_items(&waited, session->net);
        journal_close(waited.journal);
        waited.journal = NULL;
        code = client_exit_worse(code, watch_them(session, &waited));
    }
    if (code == CLIENT_INTERRUPTED || code == CLIENT_RUNNING)
        say_how(waited.command);
    free_waited(&waited);
    return code;
}

/* Takes the items of a job. */
static int take_job(struct waited *waited, const struct net *net, const char *job) {
    int code;
    waited->named = true;
    waited->journal = journal_open(job, false, true, &code);
    if (!waited->journal)
        return code;
    for (int i = 0; i < journal_count(waited->journal); i++) {
        if (journal_id(waited->journal, i)) {
            add(waited, i, journal_path(waited->journal, i));
        } else if (!journal_is_refused(waited->journal, i)) {
            say("%s is not put yet: put or run it again", journal_path(waited->journal, i));
            code = CLIENT_FAILED;
        }
    }
    make_items(waited, net);
    return code;
}

/* Takes the items that the command line names. */
static int take_ids(struct waited *waited) {
    const struct command *command = waited->command;
    waited->items =
        memory_or_end(calloc((size_t)command->count, sizeof *waited->items), "the items");
    for (int i = 0; i < command->count; i++) {
        const char *id = command->arguments[i];
        if (!item_is_id(id))
            return CLIENT_USAGE;
        item_id_read(waited->items[waited->count++].id, id, strlen(id));
    }
    return CLIENT_DONE;
}

int verb_wait(struct session *session) {
    struct waited waited = {.command = &session->command};
    const char *job = waited.command->job;
    if ((waited.command->count == 0) == (job == NULL)) {
        say("wait for which items? name their ids, or a job by --job");
        return CLIENT_USAGE;
    }
    int code = job ? take_job(&waited, session->net, job) : take_ids(&waited);
    if (waited.count > 0 && (code == CLIENT_DONE || code == CLIENT_FAILED))
        code = client_exit_worse(code, watch_them(session, &waited));
    if (code == CLIENT_INTERRUPTED || code == CLIENT_RUNNING)
        say_how(waited.command);
    free_waited(&waited);
    return code;
}
