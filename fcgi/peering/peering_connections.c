/* What the other processes ask of the peering process. */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "peer_json.h"
#include "peering_parts.h"
#include "queue/channel.h"
#include "queue/fields.h"

enum {
    EVENTS_MAX = 64,
    READS_PER_TURN = 64, /* questions taken from one process in one turn */
    ROUND_MS = 50,       /* that an answer may come late, rather than a second early */
    LOOKS_MAX = 64       /* held by the peer at once: its workers' leases need places, too */
};

/* Forgets a question without an answer. Its memory is freed by free_gone. */
static void drop_question(struct peering *peering, struct question *question) {
    if (question->call)
        http_abort(peering->http, question->call);
    if (question->held)
        peering->looks--;
    TAILQ_REMOVE(&peering->questions, question, all);
    TAILQ_INSERT_TAIL(&peering->ended, question, all);
}

/* Ends a connection: nobody waits for its answers any more. */
static void drop(struct asker *asker) {
    struct peering *peering = asker->peering;
    struct question *question = TAILQ_FIRST(&peering->questions);
    if (asker->fd < 0)
        return;
    close(asker->fd);
    asker->fd = -1;
    LIST_REMOVE(asker, all);
    LIST_INSERT_HEAD(&peering->gone, asker, all);
    while (question) {
        struct question *next = TAILQ_NEXT(question, all);
        if (question->asker == asker)
            drop_question(peering, question);
        question = next;
    }
}

static void free_gone(struct peering *peering) {
    struct asker *asker;
    struct question *question;
    while ((question = TAILQ_FIRST(&peering->ended)) != NULL) {
        TAILQ_REMOVE(&peering->ended, question, all);
        free(question);
    }
    while ((asker = LIST_FIRST(&peering->gone)) != NULL) {
        LIST_REMOVE(asker, all);
        free(asker);
    }
}

/* Sends the answer, whose part that depends on the question is in peering->answer, and ends the
 * question. */
static void answer(struct peering *peering, struct question *question, enum queue_result result) {
    struct asker *asker = question->asker;
    struct ask_message *message = &peering->answer;
    message->version = ASK_VERSION;
    message->result = (int32_t)result;
    message->ticket = question->ticket;
    message->request = question->request;
    drop_question(peering, question);
    if (!ask_send(asker->fd, message))
        shutdown(asker->fd, SHUT_RDWR); /* it does not fetch its answers; its end is an event */
}

/* --- What the peer says --- */

static void complain(const struct peering *peering, const char *what, const char *why) {
    log_debug("node %d: %s failed: %s", peering->conf->peer.node, what, why);
}

static void warn_of(const struct peering *peering, const struct peer_fault *fault) {
    log_warn("node %d: in its item %s is not %s", peering->conf->peer.node, fault->field,
             fault->rule);
}

static void take_look(void *context, const struct http_reply *reply) {
    struct question *question = context;
    struct peering *peering = question->asker->peering;
    const struct json *json = &peering->json;
    struct peer_fault fault = {0};
    char why[300];
    enum queue_result result = QUEUE_DOWN;
    question->call = NULL;
    if (peering_read_reply(peering, reply, why, sizeof why)) {
        bool good = peer_json_read_item(json, json_member(json, 0, "item"),
                                        &peering->answer.is.item, &fault);
        if (!good)
            warn_of(peering, &fault);
        result = good ? QUEUE_OK : QUEUE_DOWN;
    } else if (peering_is_problem(peering, reply, 404, "not-found")) {
        result = QUEUE_NONE;
    } else {
        complain(peering, "a look", why);
    }
    answer(peering, question, result);
}

static void take_cancel(void *context, const struct http_reply *reply) {
    struct question *question = context;
    struct peering *peering = question->asker->peering;
    enum queue_result result = QUEUE_DOWN;
    child_busy();
    question->call = NULL;
    if (reply->status == 204)
        result = QUEUE_OK;
    else if (peering_is_problem(peering, reply, 404, "not-found"))
        result = QUEUE_NONE;
    else if (peering_is_problem(peering, reply, 409, "already-done"))
        result = QUEUE_CONFLICT;
    answer(peering, question, result);
}

static void take_count(void *context, const struct http_reply *reply) {
    struct question *question = context;
    struct peering *peering = question->asker->peering;
    const struct json *json = &peering->json;
    char why[300] = "it does not say how many it has";
    question->call = NULL;
    bool good =
        peering_read_reply(peering, reply, why, sizeof why) &&
        json_integer(json, json_member(json, 0, "done"), 0, INT64_MAX, &peering->answer.is.number);
    if (!good)
        complain(peering, "counting done items", why);
    answer(peering, question, good ? QUEUE_OK : QUEUE_DOWN);
}

static void take_reserve(void *context, const struct http_reply *reply) {
    struct question *question = context;
    struct peering *peering = question->asker->peering;
    const struct json *json = &peering->json;
    struct queue_batch *batch = &peering->answer.is.batch;
    struct peer_fault fault = {0};
    char why[300] = "it says something else than for how many days it keeps items";
    int64_t days = peering->conf->pulled_days; /* of one that does not say it */
    int index;
    question->call = NULL;
    bool good = peering_read_reply(peering, reply, why, sizeof why);
    int kept = good ? json_member(json, 0, "kept_days") : -1;
    good = good && (kept < 0 || json_integer(json, kept, 0, CONF_KEPT_DAYS_MAX, &days));
    if (!good)
        complain(peering, "setting items aside", why);
    memset(batch, 0, offsetof(struct queue_batch, items));
    batch->kept_days = (int32_t)days;
    if (good && !peer_json_read_items(json, json_member(json, 0, "items"), question->request.top,
                                      batch, &index, &fault)) {
        warn_of(peering, &fault);
        good = false;
    }
    answer(peering, question, good ? QUEUE_OK : QUEUE_DOWN);
}

/* --- What it is asked --- */

static struct http_call *ask_look(struct question *question, int64_t wait_ms) {
    struct peering *peering = question->asker->peering;
    struct buffer *body = peering_begin(peering);
    fields_put_id(body, "id", question->request.id);
    fields_put_integer(body, "wait", (wait_ms + ROUND_MS) / 1000);
    return peering_post(peering, "/peer/look", wait_ms + peering->conf->peer_ms, take_look,
                        question);
}

static struct http_call *ask_cancel(struct question *question) {
    struct peering *peering = question->asker->peering;
    fields_put_id(peering_begin(peering), "id", question->request.id);
    return peering_post(peering, "/peer/cancel", peering->conf->peer_ms, take_cancel, question);
}

static struct http_call *ask_count(struct question *question) {
    struct peering *peering = question->asker->peering;
    peering_begin(peering);
    return peering_post(peering, "/peer/done", peering->conf->peer_ms, take_count, question);
}

static struct http_call *ask_reserve(struct question *question) {
    struct peering *peering = question->asker->peering;
    const struct ask_request *request = &question->request;
    const char *order = request->oldest ? "oldest" : "latest";
    struct buffer *body = peering_begin(peering);
    peer_json_put_tag(body, request->tag);
    fields_put_id(body, "database", peering->peers.identity.database);
    fields_put_integer(body, "epoch", peering->peers.identity.epoch);
    fields_put_integer(body, "top", request->top);
    json_name(body, "order");
    json_put_plain(body, order, strlen(order));
    json_name(body, "again");
    json_put_boolean(body, request->again != 0);
    return peering_post(peering, "/peer/reserve", peering->conf->peer_ms, take_reserve, question);
}

/* Passes a question on to the peer. A look that is one too many to be held stays here until another
 * one ends, or its time is over. */
static void pass_on(struct peering *peering, struct question *question) {
    int32_t kind = question->request.kind;
    int64_t wait_ms = kind == ASK_LOOK ? question->until_ms - clock_steady_ms() : 0;
    if (peering_is_away(peering) || !peering->known) {
        answer(peering, question, QUEUE_DOWN);
        return;
    }
    if (wait_ms > 0 && peering->looks == LOOKS_MAX)
        return;
    wait_ms = wait_ms > 0 ? wait_ms : 0;
    question->held = wait_ms > 0;
    peering->looks += question->held;
    question->call = kind == ASK_LOOK     ? ask_look(question, wait_ms)
                     : kind == ASK_CANCEL ? ask_cancel(question)
                     : kind == ASK_COUNT  ? ask_count(question)
                                          : ask_reserve(question);
}

/* Answers the questions when the peer has become away, and passes those on that stayed here. */
static void see_to_questions(struct peering *peering) {
    struct question *question = TAILQ_FIRST(&peering->questions);
    while (question) {
        struct question *next = TAILQ_NEXT(question, all);
        if (question->call && peering_is_away(peering))
            answer(peering, question, QUEUE_DOWN);
        else if (!question->call)
            pass_on(peering, question);
        question = next;
    }
}

/* --- Connections --- */

static void forget(struct asker *asker, uint64_t ticket) {
    struct question *question;
    TAILQ_FOREACH(question, &asker->peering->questions, all) {
        if (question->asker == asker && question->ticket == ticket) {
            drop_question(asker->peering, question);
            return;
        }
    }
}

static void begin(struct asker *asker, const struct ask_message *message) {
    struct peering *peering = asker->peering;
    struct question *question = calloc(1, sizeof *question);
    if (!question) {
        drop(asker);
        return;
    }
    question->asker = asker;
    question->ticket = message->ticket;
    question->request = message->request;
    question->until_ms = clock_steady_ms() + message->request.wait_ms;
    TAILQ_INSERT_TAIL(&peering->questions, question, all);
    pass_on(peering, question);
}

static void read_questions(struct asker *asker) {
    static struct ask_message message; /* too large for the stack */
    bool gone = false;
    for (int i = 0; i < READS_PER_TURN && asker->fd >= 0; i++) {
        if (!ask_receive(asker->fd, false, &message, &gone)) {
            if (gone)
                drop(asker);
            return;
        }
        if (message.request.kind == ASK_FORGET)
            forget(asker, message.ticket);
        else if (message.request.kind >= ASK_LOOK && message.request.kind <= ASK_RESERVE)
            begin(asker, &message);
    }
}

static void accept_all(struct peering *peering) {
    int fd;
    while ((fd = accept4(peering->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        struct asker *asker = calloc(1, sizeof *asker);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = asker};
        if (!asker || epoll_ctl(peering->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            log_warn("cannot serve a process: %m");
            free(asker);
            close(fd);
            return;
        }
        channel_prepare(fd);
        asker->peering = peering;
        asker->fd = fd;
        LIST_INSERT_HEAD(&peering->askers, asker, all);
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        log_warn("cannot accept a process: %m");
}

void peering_asks_turn(struct peering *peering) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(peering->epoll_fd, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        struct asker *asker = events[i].data.ptr;
        if (!asker)
            accept_all(peering); /* or the queue has an answer, or it is time to stop */
        else if (asker->fd >= 0)
            read_questions(asker);
    }
    see_to_questions(peering);
    free_gone(peering);
}

void peering_asks_close(struct peering *peering) {
    struct asker *asker;
    while ((asker = LIST_FIRST(&peering->askers)) != NULL)
        drop(asker);
    free_gone(peering);
}
