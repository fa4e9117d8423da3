#include "verbs/enqueue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/stop.h"
#include "clock.h"
#include "files/count.h"
#include "files/walk.h"
#include "memory.h"
#include "net/net.h"
#include "verbs/batch.h"
#include "verbs/progress.h"

enum {
    FILL_MS = 1000,  /* a batch takes no more files then: slow disks should be seen to get on */
    HOLD_MS = 500,   /* what takes less has no bar */
    SILENT_MS = 3000 /* silence after which the user is told what is waited for */
};

/* A file that is read and not in a batch yet. */
struct read_file {
    bool there;
    const char *name; /* of the walk */
    struct buffer path, body;
    uint8_t key[ITEM_KEY_BYTES];
    uint8_t digest[DIGEST_BYTES];
    int item;
    int owner; /* the node that may have it already, or NET_ANY */
};

struct enqueue {
    struct sending sending;
    struct walk *walk;
    bool ended; /* all files are read */
    struct read_file file;
    struct batch batches[CLIENT_NODES_MAX]; /* sent without a whole answer, or about to be sent */
    int count;
    struct progress *progress;
    int64_t seen, all; /* files that are read, and how many there will be; all 0: not known */
    int64_t bytes;     /* that are read */
    bool told[CLIENT_NODES_MAX]; /* that files wait for this node */
};

const char *enqueue_job(const struct command *command) {
    return command->job ? command->job : "default";
}

bool enqueue_check(const struct command *command) {
    bool listed = command->from_file && strcmp(command->from_file, "-") == 0;
    for (int i = 0; i < command->count && listed; i++) {
        if (strcmp(command->arguments[i], "-") == 0) {
            say("- is both a file and the list of --from-file: standard input can be one of them");
            return false;
        }
    }
    if (command->count == 0 && !command->from_file) {
        say("which files? name them, or give --from-file LIST; - is standard input");
        return false;
    }
    if (command->iterations == 0)
        say("-n N says how many iterations");
    return command->iterations > 0;
}

/* Shows how far it is. */
static void report(struct enqueue *enqueue) {
    if (enqueue->ended || (enqueue->all > 0 && enqueue->all < enqueue->seen))
        enqueue->all = enqueue->seen;
    struct bar_state state = {.files = true,
                              .items_done = enqueue->sending.settled,
                              .items_all = enqueue->all,
                              .iterations_done = enqueue->bytes,
                              .eta_seconds = -1};
    progress_report(enqueue->progress, &state);
}

/* Has the number of all files seen while they are counted. */
static void counted(void *context, int64_t count) {
    struct enqueue *enqueue = context;
    enqueue->all = count;
    report(enqueue);
}

/* Finds the node that may have the file already. False, with a message, when that is not among
 * those of this command. */
static bool find_owner(const struct sending *sending, struct read_file *file) {
    const char *url = journal_node(sending->journal, file->item);
    file->owner = url ? net_named(sending->session->net, url) : NET_ANY;
    if (!url || file->owner != NET_ANY)
        return true;
    say("%s was sent to %s, and its answer is not known: name that node in --url, too, or give "
        "--job another name to compute it again",
        file->name, url);
    return false;
}

/* Enters the file that was read into the journal. It is to be sent unless it was placed before, or
 * cannot be, which is said. False, with a message, when the journal takes no more. */
static bool enter(struct enqueue *enqueue) {
    struct read_file *file = &enqueue->file;
    struct sending *sending = &enqueue->sending;
    const struct command *command = &sending->session->command;
    buffer_clear(&file->path);
    walk_absolute(&file->path, file->name);
    body_digest(file->digest, file->body.data, file->body.length);
    item_key(file->key, enqueue_job(command), file->path.data, file->digest, command->iterations);
    file->item = journal_enter(sending->journal, file->key, file->path.data);
    if (file->item == JOURNAL_NONE)
        return false;
    struct enqueued listed = {file->item, file->name, file->digest};
    enqueue->bytes += (int64_t)file->body.length;
    sending->events->listed(sending->events->context, &listed);
    bool placed = journal_id(sending->journal, file->item) != NULL;
    file->there = !placed && find_owner(sending, file);
    sending->settled += !file->there;
    if (!file->there)
        sending->events->placed(sending->events->context, &listed, !placed);
    if (!file->there && !placed)
        sending->code = client_exit_worse(sending->code, CLIENT_FAILED);
    return true;
}

/* Reads the next file that needs to be sent into file. False at the end, and when the time is over.
 */
static bool read_next(struct enqueue *enqueue) {
    struct read_file *file = &enqueue->file;
    struct sending *sending = &enqueue->sending;
    while (!file->there && !enqueue->ended && !net_is_late(sending->session->net)) {
        enum walk_step step = walk_next(enqueue->walk, &file->name, &file->body);
        bool good = step == WALK_FILE && enter(enqueue);
        enqueue->ended = step == WALK_END || (step == WALK_FILE && !good);
        if (step != WALK_END && !good)
            sending->code = client_exit_worse(sending->code, CLIENT_FAILED);
        enqueue->seen += step != WALK_END;
        sending->settled += step == WALK_BAD;
        report(enqueue);
    }
    return file->there;
}

/* Appends the file that was read to a batch. */
static void append(struct batch *batch, struct read_file *file, bool with_body) {
    struct part *part = &batch->parts[batch->count++];
    *part = (struct part){.item = file->item, .name = batch->texts.length};
    buffer_append(&batch->texts, file->name, strlen(file->name) + 1);
    part->path = batch->texts.length;
    buffer_append(&batch->texts, file->path.data, file->path.length);
    memcpy(part->key, file->key, sizeof part->key);
    memcpy(part->digest, file->digest, sizeof part->digest);
    part->body = batch->bodies.length;
    part->body_length = file->body.length;
    if (with_body)
        buffer_append(&batch->bodies, file->body.data, file->body.length);
    file->there = false;
}

/* Fills a new batch with files that have one owner. */
static void fill(struct enqueue *enqueue) {
    bool with_body = enqueue->sending.session->command.send_body;
    int most = with_body ? BATCH_BODIES_MAX : BATCH_MAX;
    struct batch *batch = &enqueue->batches[enqueue->count];
    const struct read_file *file = &enqueue->file;
    int64_t until_ms = clock_steady_ms() + FILL_MS;
    *batch = (struct batch){.owner = NET_ANY, .noted_at = NET_ANY};
    batch->parts = memory_or_end(calloc((size_t)most, sizeof *batch->parts), "a batch");
    enqueue->count++;
    while (batch->count < most && (batch->count == 0 || clock_steady_ms() < until_ms) &&
           read_next(enqueue)) {
        if (batch->count > 0 && file->owner != batch->owner)
            break;
        batch->owner = batch->noted_at = file->owner;
        append(batch, &enqueue->file, with_body);
    }
}

static void drop_batch(struct enqueue *enqueue, int number) {
    batch_free(&enqueue->batches[number]);
    enqueue->batches[number] = enqueue->batches[--enqueue->count];
    enqueue->batches[enqueue->count] = (struct batch){0};
}

/* Whether there is a node for more files: each batch waits for its owner, and not for all nodes. */
static bool may_fill(const struct enqueue *enqueue) {
    bool owns[CLIENT_NODES_MAX] = {false};
    int free_nodes = net_count(enqueue->sending.session->net);
    if (enqueue->ended && !enqueue->file.there)
        return false;
    for (int i = 0; i < enqueue->count; i++) {
        int owner = enqueue->batches[i].owner;
        if (owner == NET_ANY)
            return false;
        free_nodes -= !owns[owner];
        owns[owner] = true;
    }
    return free_nodes > 0 && enqueue->count < CLIENT_NODES_MAX;
}

/* The batch to send next: one for a node that answers, else one whose owner may be asked now, else
 * one for any node, else the one whose owner may be asked first. So a node that answers never waits
 * for one that is silent. */
static int choose(const struct enqueue *enqueue) {
    const struct net *net = enqueue->sending.session->net;
    int first = 0;
    int due = -1;
    int any = -1;
    for (int i = 0; i < enqueue->count; i++) {
        int owner = enqueue->batches[i].owner;
        if (net_failing_ms(net, net_pick(net, owner)) == 0)
            return i;
        if (owner == NET_ANY)
            any = i;
        else if (net_is_due(net, owner))
            due = i;
        else if (any < 0 && net_due_ms(net, owner) < net_due_ms(net, enqueue->batches[first].owner))
            first = i;
    }
    if (due >= 0)
        return due;
    return any >= 0 ? any : first;
}

/* How many files wait for a node. */
static int count_waiting(const struct enqueue *enqueue, int node) {
    int files = 0;
    for (int i = 0; i < enqueue->count; i++)
        files += enqueue->batches[i].owner == node ? enqueue->batches[i].count : 0;
    return files;
}

/* Says once of each node that answers nothing for longer which files wait for it. */
static void tell_waiting(struct enqueue *enqueue) {
    const struct net *net = enqueue->sending.session->net;
    char since[NET_TIME_SIZE];
    for (int node = 0; node < net_count(net); node++) {
        int files = count_waiting(enqueue, node);
        enqueue->told[node] &= net_failing_ms(net, node) > 0;
        if (files == 0 || enqueue->told[node] || net_failing_ms(net, node) < SILENT_MS)
            continue;
        net_failing_since(net, node, since);
        say("waiting for %s, which has given no answer since %s: %d %s sent there, and it alone "
            "knows whether it has %s%s",
            net_url(net, node), since, files, files == 1 ? "file was" : "files were",
            files == 1 ? "that" : "them", enqueue->ended ? "" : "; the others go on");
        enqueue->told[node] = true;
    }
}

/* Sends one batch, when its node may be asked. */
static int send_one(struct enqueue *enqueue) {
    struct net *net = enqueue->sending.session->net;
    int number = choose(enqueue);
    struct batch *batch = &enqueue->batches[number];
    int node = net_pick(net, batch->owner);
    tell_waiting(enqueue);
    if (!net_wait_due(net, node))
        return stop_asked() ? CLIENT_INTERRUPTED : CLIENT_LATER;
    int code = batch_send(&enqueue->sending, batch, node);
    if (batch->count == 0)
        drop_batch(enqueue, number);
    report(enqueue);
    return code;
}

/* Reads and sends until all is answered. */
static int put_all(struct enqueue *enqueue) {
    int code = CLIENT_DONE;
    while (code == CLIENT_DONE && !stop_asked()) {
        if (may_fill(enqueue))
            fill(enqueue);
        if (enqueue->count > 0 && enqueue->batches[enqueue->count - 1].count == 0)
            drop_batch(enqueue, enqueue->count - 1);
        if (enqueue->count > 0)
            code = send_one(enqueue);
        else if (enqueue->ended)
            break;
        else if (net_is_late(enqueue->sending.session->net))
            code = CLIENT_LATER;
    }
    if (code == CLIENT_LATER)
        say("the time of --timeout is over, and not all files are put; the same command goes on");
    return stop_asked() ? CLIENT_INTERRUPTED : code;
}

/* Whether names or a file are typed at the terminal: a bar would be in the way. */
static bool is_typed(const struct command *command) {
    bool input = command->from_file && strcmp(command->from_file, "-") == 0;
    for (int i = 0; i < command->count; i++)
        input |= strcmp(command->arguments[i], "-") == 0;
    return input && isatty(STDIN_FILENO);
}

/* Counts the files if somebody wants to see how many there are, and puts them. */
static int put_seen(struct enqueue *enqueue) {
    struct session *session = enqueue->sending.session;
    struct command command = session->command;
    command.progress = is_typed(&command) ? "none" : command.progress;
    enqueue->progress = progress_open(&command, session->net);
    progress_hold(enqueue->progress, HOLD_MS);
    if (progress_is_wanted(enqueue->progress))
        enqueue->all = count_files(&command, counted, enqueue);
    int code = put_all(enqueue);
    progress_close(enqueue->progress);
    return code;
}

int enqueue_all(struct session *session, struct journal *journal,
                const struct enqueue_events *events) {
    struct enqueue *enqueue = memory_or_end(calloc(1, sizeof *enqueue), "the files");
    enqueue->sending = (struct sending){.session = session, .journal = journal, .events = events};
    enqueue->walk = walk_open(&session->command);
    int code = stop_asked() ? CLIENT_INTERRUPTED : CLIENT_FAILED;
    if (enqueue->walk)
        code = put_seen(enqueue);
    code = client_exit_worse(enqueue->sending.code, code);
    for (int i = 0; i < enqueue->count; i++)
        batch_give_up(&enqueue->sending, &enqueue->batches[i]);
    if (!journal_write(journal, false))
        code = client_exit_worse(code, CLIENT_FAILED);
    while (enqueue->count > 0)
        drop_batch(enqueue, 0);
    if (enqueue->walk)
        walk_close(enqueue->walk);
    buffer_free(&enqueue->file.path);
    buffer_free(&enqueue->file.body);
    free(enqueue);
    return code;
}
