/* Brings done items of the peers here. A transfer is saved before it is asked for, and asked for
 * until it is answered: whatever the peer has given away arrives. */

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "peer_json.h"
#include "peering_parts.h"
#include "queue/fields.h"
#include "queue/id.h"

enum { TRANSFER_TIMEOUT_MS = 5000 };

static const char what[] = "bringing done items";

static void count_or_ask(struct link *link);

/* --- The questions that wait for items of a peer --- */

/* How many items are still wanted of it. */
static int64_t wanted(const struct link *link) {
    const struct question *question;
    int64_t sum = 0;
    TAILQ_FOREACH(question, &link->peering->questions, all) {
        if (question->links & link->bit)
            sum += question->missing;
    }
    return sum;
}

/* In which order the first of them wants the items. */
static int32_t wanted_order(const struct link *link) {
    const struct question *question;
    TAILQ_FOREACH(question, &link->peering->questions, all) {
        if (question->links & link->bit)
            return question->request.oldest;
    }
    return 0;
}

/* No more is to come of this peer. */
static void be_through(struct link *link) {
    struct peering *peering = link->peering;
    struct question *question = TAILQ_FIRST(&peering->questions);
    link->bringing = BRINGING_NOTHING;
    while (question) {
        struct question *next = TAILQ_NEXT(question, all);
        bool waited = (question->links & link->bit) != 0;
        question->links &= ~link->bit;
        if (waited && question->links == 0)
            peering_answer(peering, question, QUEUE_OK, NULL);
        question = next;
    }
}

/* So many have come: those who have waited longest get them. */
static void share_out(struct peering *peering, int64_t count) {
    struct question *question = TAILQ_FIRST(&peering->questions);
    while (question && count > 0) {
        struct question *next = TAILQ_NEXT(question, all);
        int64_t share = question->missing < count ? question->missing : count;
        question->missing -= share;
        count -= share;
        if (share > 0 && question->missing == 0)
            peering_answer(peering, question, QUEUE_OK, NULL);
        question = next;
    }
}

/* --- Transfers --- */

/* Reads whether a transfer from this peer is saved. */
static void read_saved(struct link *link) {
    const struct queue_peers *peers = &link->peering->peers;
    link->saved_unread = !peering_look(link->peering);
    link->has_saved = false;
    for (int i = 0; i < peers->transfer_count && !link->has_saved; i++) {
        link->has_saved = peers->transfers[i].node == link->peer->node;
        if (link->has_saved)
            link->saved = peers->transfers[i];
    }
}

/* Takes the items of a reply into the queue. False with the reason. */
static bool take_items(struct link *link, char *why, size_t why_size, int *count) {
    struct peering *peering = link->peering;
    struct queue_copies *items = &peering->items;
    struct peer_fault fault = {0};
    int index;
    items->node = link->peer->node;
    if (!peer_json_read_items(&peering->json, json_member(&peering->json, 0, "items"), 0,
                              link->saved.top, items, &index, &fault)) {
        snprintf(why, why_size, "in items[%d] of its reply %s is not %s", index, fault.field,
                 fault.rule);
        return false;
    }
    for (int i = 0; i < items->count; i++) {
        if (items->items[i].state != ITEM_DONE || items->items[i].home != peering->conf->node) {
            snprintf(why, why_size, "items[%d] of its reply is not a done item of this node", i);
            return false;
        }
    }
    *count = items->count;
    if (queue_transfer_end(peering->queue, link->saved.id, items) == QUEUE_OK)
        return true;
    snprintf(why, why_size, "what it brought cannot be stored here now");
    return false;
}

static void take_transfer(void *context, const struct http_reply *reply) {
    struct link *link = context;
    char why[300];
    int count = 0;
    bool good = peering_read_reply(link, reply, why, sizeof why) &&
                take_items(link, why, sizeof why, &count);
    bool more = !link->for_questions || count == link->saved.top;
    link->bringing = BRINGING_NOTHING;
    if (!good) {
        peering_fare_badly(link, &link->transfer, what, why);
        be_through(link);
        return;
    }
    peering_fare_well(link, &link->transfer, what);
    read_saved(link);
    share_out(link->peering, count);
    if (more && wanted(link) > 0)
        count_or_ask(link);
    else
        be_through(link);
}

/* Asks for the saved transfer. */
static void ask_for_saved(struct link *link) {
    struct peering *peering = link->peering;
    const char *order = link->saved.oldest ? "oldest" : "latest";
    struct buffer *body = peering_begin(peering);
    fields_put_id(body, "transfer", link->saved.id);
    fields_put_integer(body, "top", link->saved.top);
    json_name(body, "order");
    json_put_plain(body, order, strlen(order));
    json_name(body, "copies"); /* whether it is told what becomes of the items */
    json_put_boolean(body, link == peering->links && peering->conf->copying != COPY_NONE);
    link->bringing = BRINGING_ITEMS;
    peering_post(link, "/peer/transfer", TRANSFER_TIMEOUT_MS, take_transfer, link);
}

/* Begins a transfer of what is wanted. */
static void begin_transfer(struct link *link) {
    int64_t top = wanted(link);
    struct queue_transfer transfer = {
        .id = id_new((int)link->peering->conf->node),
        .node = link->peer->node,
        .top = (int32_t)(top < QUEUE_COPIES_MAX ? top : QUEUE_COPIES_MAX),
        .oldest = wanted_order(link)};
    child_busy();
    enum queue_result result = queue_transfer_begin(link->peering->queue, &transfer);
    if (result != QUEUE_OK) {
        link->saved_unread = true; /* it may be there all the same */
        be_through(link);
        return;
    }
    link->saved = transfer;
    link->has_saved = true;
    link->for_questions = true;
    ask_for_saved(link);
}

static void take_count(void *context, const struct http_reply *reply) {
    struct link *link = context;
    int64_t done = 0;
    char why[300];
    bool good = peering_read_reply(link, reply, why, sizeof why);
    const struct json *json = &link->peering->json;
    if (good && !json_integer(json, json_member(json, 0, "done"), 0, INT64_MAX, &done)) {
        snprintf(why, sizeof why, "it does not say how many it has");
        good = false;
    }
    if (!good)
        peering_fare_badly(link, &link->transfer, what, why);
    if (done > 0 && wanted(link) > 0)
        begin_transfer(link);
    else
        be_through(link);
}

/* Brings items of this peer: what was asked for before comes first. */
static void count_or_ask(struct link *link) {
    if (link->saved_unread)
        read_saved(link);
    if (link->has_saved) {
        link->for_questions = false;
        ask_for_saved(link);
        return;
    }
    link->bringing = BRINGING_COUNT;
    peering_begin(link->peering);
    peering_post(link, "/peer/done", link->peering->conf->peer_ms, take_count, link);
}

/* How many items are not here of so many. */
static int64_t count_missing(struct peering *peering, int64_t top) {
    struct queue_tally tally;
    child_busy();
    return queue_tally(peering->queue, &tally) == QUEUE_OK ? top - tally.items[ITEM_DONE] : top;
}

void peering_fetch(struct peering *peering, struct question *question) {
    for (int i = 0; i < peering->link_count; i++) {
        if (!peering_is_away(&peering->links[i]))
            question->links |= peering->links[i].bit;
    }
    if (question->links != 0)
        question->missing = count_missing(peering, question->request.top);
    if (question->missing <= 0) {
        peering_answer(peering, question, QUEUE_OK, NULL);
        return;
    }
    for (int i = 0; i < peering->link_count; i++) {
        struct link *link = &peering->links[i];
        if ((question->links & link->bit) && link->bringing == BRINGING_NOTHING)
            count_or_ask(link);
    }
}

void peering_transfers_turn(struct peering *peering) {
    for (int i = 0; i < peering->link_count && peering->known && !peering->stopping; i++) {
        struct link *link = &peering->links[i];
        if (link->bringing != BRINGING_NOTHING || peering_is_away(link) ||
            link->transfer.not_before_ms > clock_steady_ms())
            continue;
        if (link->saved_unread)
            read_saved(link);
        if (link->has_saved) {
            link->for_questions = false;
            ask_for_saved(link);
        }
    }
}

bool peering_transfers_busy(const struct peering *peering) {
    for (int i = 0; i < peering->link_count; i++) {
        if (peering->links[i].bringing != BRINGING_NOTHING)
            return true;
    }
    return false;
}
