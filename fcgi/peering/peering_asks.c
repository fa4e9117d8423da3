/* What the other processes ask of the peering process. */

#include <errno.h>
#include <stdlib.h>
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
    LOOKS_MAX = 64       /* held by one peer at once: its workers' leases need places, too */
};

/* Forgets a question without an answer. Its memory is freed by free_gone. */
static void drop_question(struct peering *peering, struct question *question) {
    if (question->call)
        http_abort(peering->http, question->call);
    if (question->held)
        question->link->looks--;
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

void peering_answer(struct peering *peering, struct question *question, enum queue_result result,
                    const struct queue_item *item) {
    struct asker *asker = question->asker;
    struct ask_message answer = {
        .version = ASK_VERSION, .result = result, .ticket = question->ticket};
    answer.request = question->request;
    if (item)
        answer.item = *item;
    drop_question(peering, question);
    if (!ask_send(asker->fd, &answer))
        shutdown(asker->fd, SHUT_RDWR); /* it does not fetch its answers; its end is an event */
}

/* --- Looks and cancels --- */

static struct link *find_link(struct peering *peering, int node) {
    for (int i = 0; i < peering->link_count; i++) {
        if (peering->links[i].peer->node == node)
            return &peering->links[i];
    }
    return NULL;
}

static void take_look(void *context, const struct http_reply *reply) {
    struct question *question = context;
    struct peering *peering = question->asker->peering;
    struct link *link = question->link;
    struct queue_item item;
    struct peer_fault fault = {0};
    char why[300];
    enum queue_result result = QUEUE_DOWN;
    question->call = NULL;
    if (peering_read_reply(link, reply, why, sizeof why)) {
        if (peer_json_read_look(&peering->json, json_member(&peering->json, 0, "item"), &item,
                                &fault))
            result = QUEUE_OK;
        else
            log_warn("node %d: in its item %s is not %s", link->peer->node, fault.field,
                     fault.rule);
    } else if (peering_is_problem(link, reply, 404, "not-found")) {
        result = QUEUE_NONE;
    } else {
        log_debug("node %d: a look failed: %s", link->peer->node, why);
    }
    peering_answer(peering, question, result, result == QUEUE_OK ? &item : NULL);
}

static void take_cancel(void *context, const struct http_reply *reply) {
    struct question *question = context;
    struct peering *peering = question->asker->peering;
    struct link *link = question->link;
    enum queue_result result = QUEUE_DOWN;
    child_busy();
    question->call = NULL;
    if (reply->status == 204)
        result = QUEUE_OK;
    else if (peering_is_problem(link, reply, 404, "not-found"))
        result = QUEUE_NONE;
    else if (peering_is_problem(link, reply, 409, "already-done"))
        result = QUEUE_CONFLICT;
    peering_answer(peering, question, result, NULL);
}

/* Passes a look or cancel on to the node that it is for. A look that is one too many to be held
 * stays here until another one ends, or its time is over. */
static void pass_on(struct peering *peering, struct question *question) {
    struct link *link = question->link;
    bool look = question->request.kind == ASK_LOOK;
    int64_t wait_ms = look ? question->until_ms - clock_steady_ms() : 0;
    if (!link || peering_is_away(link)) {
        peering_answer(peering, question, QUEUE_DOWN, NULL);
        return;
    }
    if (wait_ms > 0 && link->looks == LOOKS_MAX)
        return;
    wait_ms = wait_ms > 0 ? wait_ms : 0;
    question->held = wait_ms > 0;
    link->looks += question->held;
    struct buffer *body = peering_begin(peering);
    fields_put_id(body, "id", question->request.id);
    if (look)
        fields_put_integer(body, "wait", (wait_ms + ROUND_MS) / 1000);
    question->call =
        peering_post(link, look ? "/peer/look" : "/peer/cancel", wait_ms + peering->conf->peer_ms,
                     look ? take_look : take_cancel, question);
}

/* Answers the questions whose peer has become away, and passes those on that stayed here. */
static void see_to_questions(struct peering *peering) {
    struct question *question = TAILQ_FIRST(&peering->questions);
    while (question) {
        struct question *next = TAILQ_NEXT(question, all);
        if (question->call && peering_is_away(question->link))
            peering_answer(peering, question, QUEUE_DOWN, NULL);
        else if (!question->call && question->link)
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
    if (question->request.kind != ASK_FETCH)
        question->link = find_link(peering, question->request.node);
    TAILQ_INSERT_TAIL(&peering->questions, question, all);
    if (question->request.kind == ASK_FETCH)
        peering_fetch(peering, question);
    else
        pass_on(peering, question);
}

static void read_questions(struct asker *asker) {
    struct ask_message message;
    bool gone = false;
    for (int i = 0; i < READS_PER_TURN && asker->fd >= 0; i++) {
        if (!ask_receive(asker->fd, false, &message, &gone)) {
            if (gone)
                drop(asker);
            return;
        }
        if (message.request.kind == ASK_FORGET)
            forget(asker, message.ticket);
        else if (message.request.kind >= ASK_FETCH && message.request.kind <= ASK_CANCEL)
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
