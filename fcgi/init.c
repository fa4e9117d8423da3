#include "init.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/child.h"
#include "clock.h"
#include "init_peer.h"
#include "log.h"
#include "store/offline.h"
#include "writer/disk_failed.h"

enum {
    PATIENCE_MS = 3000,  /* for the peer, when the database may be served without it */
    LATER_MS = 200,      /* between questions, when the peer is just starting; */
    ASK_MS = 1000,       /* when only the peer can tell */
    TAKE_MS = 500,       /* when the peer must see that the server stays silent, */
    TAKE_SLOW_MS = 1000, /* which a peer this slow cannot */
    SILENT_MS = 10000,   /* by then a server just stopped counts as silent */
    SAY_AGAIN_MS = 60000,
    PROGRESS_MS = 10000,
    TEXT_SIZE = 500
};

struct init {
    const struct conf *conf;
    const struct init_options *options;
    struct offline *offline;
    struct init_peer *peer; /* NULL without PEERS */
    struct offline_state own;
    struct init_answer answer;
    char said[TEXT_SIZE]; /* last message about waiting */
    int64_t say_again_ms; /* steady time of its next repetition */
};

/* --- What is said --- */

/* Logs what this process waits for: once, and then once a minute. */
static void say_waiting(struct init *init, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether two texts differ only in their numbers, such as how long an attempt took. */
static bool same_words(const char *a, const char *b) {
    static const char digits[] = "0123456789";
    for (;;) {
        a += strspn(a, digits);
        b += strspn(b, digits);
        if (*a != *b || *a == '\0')
            return *a == *b;
        a++;
        b++;
    }
}

static void say_waiting(struct init *init, const char *format, ...) {
    char text[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int64_t now = clock_steady_ms();
    if (same_words(text, init->said) && now < init->say_again_ms)
        return;
    log_warn("%s", text);
    memcpy(init->said, text, sizeof text);
    init->say_again_ms = now + SAY_AGAIN_MS;
}

/* What the peer has, in words. */
static void describe(const struct init *init, char text[TEXT_SIZE]) {
    const struct init_replica *replica = &init->answer.replica;
    char at[CLOCK_TEXT_SIZE];
    char heard[60] = "not heard of since it was started";
    clock_format(at, replica->wall_ms);
    if (replica->heard_seconds >= 0)
        snprintf(heard, sizeof heard, "last heard of %" PRId64 " s ago", replica->heard_seconds);
    snprintf(text, TEXT_SIZE,
             "node %d has a replica of this node's database: batch %" PRId64 " of %s, %s, %s%s",
             init->conf->peer.node, replica->batch, at,
             replica->complete ? "complete" : "perhaps not complete", heard,
             replica->bad ? ", and it does not fit what it was told afterwards" : "");
}

/* Leaves the decision to a person, and logs what to do. */
static int leave(const struct init *init, const char *what) {
    char text[TEXT_SIZE] = "";
    if (init->answer.replica.there)
        describe(init, text);
    log_error("%s%s%s", text, text[0] != '\0' ? ". " : "", what);
    return EXIT_CONFIG;
}

/* --- The peer --- */

/* Asks the peer for PATIENCE_MS at most: others wait for this node. Returns whether it has
 * answered. */
static bool query_peer(struct init *init) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    int64_t left_ms = PATIENCE_MS;
    enum init_reply reply;
    while ((reply = init_peer_query(init->peer, left_ms, &init->answer)) == INIT_LATER) {
        init_peer_pause(init->peer, LATER_MS);
        left_ms = until_ms - clock_steady_ms();
        if (left_ms <= 0)
            break;
    }
    if (reply == INIT_ANSWERED)
        return true;
    log_warn("node %d does not say what it has of this node's queue: %s", init->conf->peer.node,
             init_peer_why(init->peer));
    return false;
}

/* Asks the peer until it answers. */
static void await_answer(struct init *init, const char *otherwise) {
    while (init_peer_query(init->peer, PATIENCE_MS, &init->answer) != INIT_ANSWERED) {
        say_waiting(init, "waiting for node %d, which may have this node's queue: %s. %s",
                    init->conf->peer.node, init_peer_why(init->peer), otherwise);
        init_peer_pause(init->peer, ASK_MS);
    }
}

static bool is_same(const struct queue_identity *a, const struct queue_identity *b) {
    return memcmp(a->database.bytes, b->database.bytes, ID_SIZE) == 0;
}

/* Whether an identity supersedes this database's: the peer would refuse the older one. */
static bool supersedes(const struct queue_identity *other, const struct queue_identity *own) {
    return other->epoch > own->epoch ||
           (other->epoch > 0 && other->epoch == own->epoch && !is_same(other, own));
}

/* An epoch higher than all known ones. */
static int64_t next_epoch(const struct init *init) {
    int64_t epoch = init->own.identity.epoch;
    if (init->answer.replica.identity.epoch > epoch)
        epoch = init->answer.replica.identity.epoch;
    if (init->answer.known.epoch > epoch)
        epoch = init->answer.known.epoch;
    return epoch + 1;
}

/* --- What can be done --- */

static int serve(const struct init *init) {
    const struct offline_state *own = &init->own;
    if (own->known)
        log_info("%s may be served: epoch %" PRId64 ", batch %" PRId64, init->conf->database,
                 own->identity.epoch, own->batch);
    else
        log_info("%s may be served", init->conf->database);
    return EXIT_OK;
}

/* Nobody would accept a database with a higher epoch. */
static int leave_at_last_epoch(const struct init *init) {
    return leave(init,
                 "The other node knows a database of this node whose epoch is the highest there "
                 "is. Remove what it knows: stop it, and delete its row of this node in the "
                 "table peer");
}

static int create(const struct init *init, int64_t epoch) {
    if (epoch > QUEUE_EPOCH_MAX)
        return leave_at_last_epoch(init);
    if (!offline_create(init->offline, epoch))
        return EXIT_TEMPORARY;
    log_info("%s was made, an empty queue", init->conf->database);
    return EXIT_OK;
}

/* Accepts the present database in place of all others, under an epoch that no other run can have
 * given: the time in seconds, if that is high enough. */
static int accept_it(const struct init *init) {
    int64_t epoch = next_epoch(init);
    int64_t seconds = clock_wall_ms() / 1000;
    if (epoch < seconds)
        epoch = seconds;
    if (epoch > QUEUE_EPOCH_MAX)
        return leave_at_last_epoch(init);
    if (init->answer.replica.there)
        log_warn("the replica of this node's database at node %d will be replaced by what is here",
                 init->conf->peer.node);
    if (!offline_accept(init->offline, epoch))
        return EXIT_TEMPORARY;
    log_info("the %s at %s may be served from now on: epoch %" PRId64 ", batch %" PRId64,
             init->own.backup ? "backup" : "database", init->conf->database, epoch,
             init->own.batch);
    return EXIT_OK;
}

static void say_not_taken(struct init *init, enum init_reply reply) {
    if (reply == INIT_HEARD)
        say_waiting(init,
                    "waiting until node %d does not hear node %" PRId64
                    " any more, whose server must be stopped: %s",
                    init->conf->peer.node, init->conf->node, init_peer_why(init->peer));
    else
        say_waiting(init, "waiting for node %d: %s", init->conf->peer.node,
                    init_peer_why(init->peer));
}

/* Has the peer prepare its replica, as soon as it can. Replaces a server that is still alive only
 * if a person has asked for that. EXIT_OK, or the code to exit with. */
static int take(struct init *init, struct init_file *file) {
    struct queue_identity identity = init->answer.replica.identity;
    int64_t until_ms = 0; /* steady time: the server must be silent by then */
    int64_t sent_ms = clock_steady_ms();
    enum init_reply reply;
    identity.epoch = next_epoch(init);
    while ((reply = init_peer_take(init->peer, &identity, file)) != INIT_ANSWERED) {
        int64_t now = clock_steady_ms();
        if (reply != INIT_HEARD && reply != INIT_AWAY && reply != INIT_LATER) {
            log_error("node %d does not give its replica: %s; run this again",
                      init->conf->peer.node, init_peer_why(init->peer));
            return EXIT_TEMPORARY;
        }
        if (reply != INIT_HEARD || now - sent_ms > TAKE_SLOW_MS)
            until_ms = 0; /* the peer was away or stood still, and begins to listen again */
        else if (until_ms == 0)
            until_ms = now + SILENT_MS;
        if (until_ms != 0 && now >= until_ms && !init->options->from_peer)
            return leave(init, "Another server serves this node's database, and its place is not "
                               "taken: leave this one off. To replace that one, stop it, then: "
                               "--init --from-peer");
        say_not_taken(init, reply);
        init_peer_pause(init->peer, reply == INIT_HEARD ? TAKE_MS : ASK_MS);
        sent_ms = clock_steady_ms();
    }
    return EXIT_OK;
}

/* Reads one piece, as soon as the peer can send it. Returns its bytes; 0 on failure. */
static size_t fetch_piece(struct init *init, const struct init_file *file, int64_t at) {
    const char *bytes;
    size_t length;
    enum init_reply reply;
    while ((reply = init_peer_read(init->peer, file, at, &bytes, &length)) != INIT_ANSWERED) {
        if (reply != INIT_AWAY && reply != INIT_LATER) {
            log_error("node %d broke off after %" PRId64 " of %" PRId64
                      " bytes: %s; run this again",
                      init->conf->peer.node, at, file->bytes, init_peer_why(init->peer));
            return 0;
        }
        say_waiting(init, "waiting for node %d after %" PRId64 " of %" PRId64 " bytes: %s",
                    init->conf->peer.node, at, file->bytes, init_peer_why(init->peer));
        init_peer_pause(init->peer, ASK_MS);
    }
    return offline_fetch_write(init->offline, at, bytes, length) ? length : 0;
}

static bool fetch_all(struct init *init, const struct init_file *file) {
    int64_t progress_ms = clock_steady_ms() + PROGRESS_MS;
    if (!offline_fetch_begin(init->offline, file->bytes))
        return false;
    for (int64_t at = 0; at < file->bytes;) {
        size_t length = fetch_piece(init, file, at);
        if (length == 0)
            return false;
        at += (int64_t)length;
        if (clock_steady_ms() < progress_ms)
            continue;
        log_info("%" PRId64 " of %" PRId64 " bytes are here", at, file->bytes);
        progress_ms = clock_steady_ms() + PROGRESS_MS;
    }
    return true;
}

/* Leaves a damaged replica: it may well be damaged the next time, too. */
static int leave_damaged(const struct init *init) {
    if (init->own.there)
        return leave(init, "It is damaged, and not taken. To serve what is here: --init --alone. "
                           "To see what can be read of the replica: docs/nodes.md");
    return leave(init, "It is damaged, and not taken. Put a backup in place of the database, or "
                       "what can be read of the replica (docs/nodes.md), then: --init --alone. To "
                       "begin with an empty queue: --init --new");
}

/* Fetches the database from the peer. */
static int fetch(struct init *init) {
    char text[TEXT_SIZE];
    char at[CLOCK_TEXT_SIZE];
    struct init_file file;
    int64_t since_ms = clock_steady_ms();
    describe(init, text);
    log_info("%s; fetching it", text);
    int code = take(init, &file);
    if (code != EXIT_OK)
        return code;
    if (!fetch_all(init, &file))
        return EXIT_TEMPORARY;
    struct offline_state wanted = {
        .identity = file.identity, .node = (int32_t)init->conf->node, .batch = file.batch};
    bool damaged;
    if (!offline_fetch_end(init->offline, &wanted, &damaged))
        return damaged ? leave_damaged(init) : EXIT_TEMPORARY;
    clock_format(at, init->answer.replica.wall_ms);
    log_info("node %d has given the queue back as of batch %" PRId64 " (%s): %" PRId64
             " bytes in %.1f s, now epoch %" PRId64,
             init->conf->peer.node, file.batch, at, file.bytes,
             (double)(clock_steady_ms() - since_ms) / 1000, file.identity.epoch);
    return EXIT_OK;
}

/* --- The cases --- */

static int with_nothing(struct init *init) {
    const struct init_replica *replica = &init->answer.replica;
    if (init->options->new)
        return create(init, query_peer(init) ? next_epoch(init) : 0);
    if (init->options->alone)
        return leave(init, "There is no database: --init --new makes an empty one");
    await_answer(init, "To begin with an empty queue without it: --init --new");
    if (replica->there && init->options->from_peer)
        return fetch(init);
    if (replica->there)
        return leave(init, "To have it back: --init --from-peer. To begin with an empty queue in "
                           "its place: --init --new");
    if (init->options->from_peer)
        return leave(init, "The peer has no replica of this node's database. To begin with an "
                           "empty queue: --init --new");
    if (init->answer.known.epoch > 0)
        return leave(init, "The peer has met an earlier database of this node, and has no replica "
                           "of it: is it on a volume that is not mounted? To begin with an empty "
                           "queue: --init --new");
    return create(init, next_epoch(init));
}

/* Whether the replica is this database at least_batch or later, or with a higher epoch. */
static bool continues(const struct init *init, int64_t least_batch) {
    const struct init_replica *replica = &init->answer.replica;
    const struct queue_identity *own = &init->own.identity;
    return replica->there && init->own.known && is_same(&replica->identity, own) &&
           (replica->identity.epoch > own->epoch ||
            (replica->identity.epoch == own->epoch && replica->batch >= least_batch));
}

/* Fetches the replica, unless a person should first see what would be lost. */
static int fetch_unless_doubtful(struct init *init) {
    const struct init_replica *replica = &init->answer.replica;
    if (init->options->from_peer)
        return fetch(init);
    if (replica->bad)
        return leave(init, "It is newer than the database here. To have it all the same: --init "
                           "--from-peer. To go on with the one here: --init --alone");
    if (replica->batch < init->own.batch)
        return leave(init, "It was taken for another server, but the database here has more "
                           "batches. To have the replica all the same: --init --from-peer. To go "
                           "on with the one here, if no other server runs: --init --alone");
    return fetch(init);
}

/* The peer knows a newer database of this node than the present one. */
static int superseded(struct init *init) {
    if (!init->answer.replica.there)
        return leave(init, "The peer has met a newer database of this node than the one here, and "
                           "refuses this one: put the newer one in its place. To serve this one "
                           "all the same: --init --alone. To begin with an empty queue, move this "
                           "one away: --init --new");
    if (init->options->from_peer)
        return fetch(init);
    return leave(init, "It is of another and newer database than the one here, which the peer "
                       "refuses. To have it: --init --from-peer, which keeps the one here "
                       "beside it. To serve the one here: --init --alone");
}

/* Whether the peer would refuse the present database, or has not answered. */
static bool is_refused(const struct init *init, bool answered) {
    const struct init_answer *answer = &init->answer;
    const struct queue_identity *own = &init->own.identity;
    return !answered || continues(init, init->own.batch + 1) || supersedes(&answer->known, own) ||
           (answer->replica.there && supersedes(&answer->replica.identity, own));
}

/* A person wants the present database, whatever the peer has. Asks the peer only for the epochs
 * that it knows. */
static int alone(struct init *init) {
    bool refused = is_refused(init, query_peer(init));
    return init->own.backup || (init->own.known && refused) ? accept_it(init) : serve(init);
}

static int with_database(struct init *init) {
    const struct init_options *options = init->options;
    if (init->conf->copying == COPY_NONE && !options->from_peer)
        return serve(init);
    if (options->from_peer)
        await_answer(init, "To serve the database here without it: --init --alone");
    else if (!query_peer(init))
        return serve(init);
    if (continues(init, init->own.batch + 1))
        return fetch_unless_doubtful(init);
    if (is_refused(init, true))
        return superseded(init);
    if (options->from_peer && !continues(init, 0))
        return leave(init, "The database here is newer than what the peer has. To have the "
                           "replica all the same, move this one away first");
    return serve(init);
}

static int with_backup(struct init *init) {
    await_answer(init, "To serve the backup without it: --init --alone");
    if (continues(init, init->own.batch))
        return fetch_unless_doubtful(init);
    if (init->answer.replica.there && init->options->from_peer)
        return fetch(init);
    /* A database that the peer only knows of may be the one that the backup replaces. */
    if (init->answer.replica.there &&
        supersedes(&init->answer.replica.identity, &init->own.identity))
        return superseded(init);
    if (!init->options->from_peer)
        return accept_it(init);
    return leave(init, "The peer has no replica of this node's database. To serve the backup: "
                       "--init --alone");
}

static int without_peer(struct init *init) {
    if (init->options->from_peer)
        return leave(init, "PEERS names no other node that could give the queue back");
    if (!init->own.there)
        return create(init, 0);
    return init->own.backup ? accept_it(init) : serve(init);
}

static int decide(struct init *init) {
    int code;
    if (!offline_look(init->offline, &init->own, &code))
        return code;
    if (init->options->new && init->own.there)
        log_info("%s is there: --new makes nothing in its place", init->conf->database);
    if (!init->peer)
        return without_peer(init);
    if (!init->own.there)
        return with_nothing(init);
    if (init->options->alone)
        return alone(init);
    return init->own.backup ? with_backup(init) : with_database(init);
}

int init_run(const struct conf *conf, const struct init_options *options) {
    int code;
    struct init init = {.conf = conf, .options = options};
    if (disk_failed_is_marked(conf))
        return EXIT_UNSAFE;
    init.offline = offline_open(conf, &code);
    if (!init.offline)
        return code;
    code = EXIT_TEMPORARY;
    if (conf->has_peer)
        init.peer = init_peer_open(conf);
    if (!conf->has_peer || init.peer)
        code = decide(&init);
    if (init.peer)
        init_peer_close(init.peer);
    offline_close(init.offline);
    return code;
}
