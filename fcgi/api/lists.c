/* The calls of clients on many items at once: lists of both nodes' items, and cancelling what waits
 * at this one. */

#include <stdio.h>
#include <string.h>

#include "api.h"
#include "clock.h"
#include "http/idempotency.h"
#include "http/problem.h"
#include "items.h"
#include "items_peers.h"
#include "queue/channel.h"
#include "queue/fields.h"
#include "queue/id.h"

enum {
    LIMIT_DEFAULT = 100,
    CANCEL_MS = 8000, /* less than nginx waits for a reply, with the time of one operation */
    CONFIRM_BITS = 53 /* whole numbers that JSON can have */
};

/* --- What to list --- */

static bool refuse(struct call *call, const char *why) {
    problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER, "%s", why);
    return false;
}

/* Sets whose items are listed: those that the caller may see, or only those of client=. False with
 * the reply. */
static bool read_whose(struct call *call, struct queue_whose *whose) {
    const char *named;
    if (!items_read_named(call, &named))
        return false;
    *whose = call->whose;
    if (named) {
        *whose = (struct queue_whose){0};
        snprintf(whose->client, sizeof whose->client, "%s", named);
    }
    return true;
}

static bool read_state(struct call *call, int32_t *state) {
    const char *text = query_text(&call->query, "state");
    *state = text ? item_state_named(text, strlen(text)) : -1;
    if (!text || *state >= 0)
        return true;
    return refuse(call, "state must be waiting, leased, done, pulled or cancelled; without it the "
                        "items of all states are listed.");
}

/* Reads the item that the list goes on behind, also into call->id. */
static bool read_after(struct call *call, struct queue_list *list) {
    const char *text = query_text(&call->query, "after");
    list->has_after = text != NULL;
    if (!text)
        return true;
    if (!id_parse(&list->after, text))
        return refuse(call, "after must be the id of an item, best as the Link of the page before "
                            "has it.");
    call->id = list->after;
    return true;
}

/* Reads the parameters of a list. False with the reply. */
static bool read_list(struct call *call, struct queue_list *list) {
    char why[WHY_SIZE];
    int64_t limit = LIMIT_DEFAULT;
    if (query_text(&call->query, "limit") &&
        !query_integer(&call->query, "limit", 1, QUEUE_LIST_MAX, &limit, why, sizeof why))
        return refuse(call, why);
    list->limit = (int32_t)limit;
    return read_state(call, &list->state) && read_after(call, list) &&
           read_whose(call, &list->whose);
}

/* --- The pages of both nodes --- */

/* Reads this node's page. NONE: the item to go on behind is of this node, and not there. */
static enum queue_result list_here(struct call *call, const struct queue_list *list) {
    struct queue *queue = call->server->queue;
    struct queue_item item;
    enum queue_result result = QUEUE_OK;
    if (list->has_after && !items_is_there(call))
        result = queue_look(queue, list->after, &list->whose, &item);
    return result == QUEUE_OK ? queue_list(queue, list, &call->server->page) : result;
}

/* Reads the page of the peer from its replica here. DOWN: there is none that can be read, or it
 * lacks the item to go on behind, which may be newer. */
static enum queue_result list_in_replica(struct call *call, const struct queue_list *list) {
    struct queue *queue = call->server->queue;
    struct queue_item item;
    int64_t as_of_ms;
    if (list->has_after && items_is_there(call) &&
        queue_look_replica(queue, list->after, &list->whose, &item, &as_of_ms) != QUEUE_OK)
        return QUEUE_DOWN;
    return queue_list_replica(queue, list, &call->server->peer_page);
}

/* Reads the peer's page, for PEER_MS at most. NONE: it does not have the item to go on behind;
 * BUSY; DOWN: it cannot be reached, and neither can its items be read here. */
static enum queue_result list_there(struct call *call, const struct queue_list *list) {
    struct queue_page *page = &call->server->peer_page;
    const struct peer_message *answer;
    struct peer_request request = {.kind = PEER_LIST, .list = *list};
    if (request.list.limit > PEER_LIST_MAX)
        request.list.limit = PEER_LIST_MAX;
    enum queue_result result = peer_client_call(call->server->peer_client, &request, &answer);
    if (result == QUEUE_BUSY)
        return result;
    if (result != QUEUE_OK)
        return list_in_replica(call, list);
    const struct queue_page *got = &answer->is.page;
    memcpy(page, got, CHANNEL_LIST_SIZE(struct queue_page, got->count));
    return page->known ? QUEUE_OK : QUEUE_NONE;
}

/* --- The list of both --- */

/* Two pages being merged. */
struct merge {
    const struct queue_page *pages[2];
    int next[2];              /* the first item of each that is not listed yet */
    const struct uuid *bound; /* behind this one not all was looked at; NULL: all was */
    const struct uuid *last;  /* the item listed last; NULL: none yet */
};

static bool is_newer(const struct uuid *one, const struct uuid *other) {
    return memcmp(one, other, sizeof *one) > 0;
}

static void begin_merge(struct merge *merge, const struct queue_page *here,
                        const struct queue_page *there) {
    *merge = (struct merge){.pages = {here, there}};
    for (int i = 0; i < 2; i++) {
        const struct queue_page *page = merge->pages[i];
        if (page->more && (!merge->bound || is_newer(&page->end, merge->bound)))
            merge->bound = &page->end;
    }
}

/* The page whose next item is the newer one; NULL when neither has one left. */
static const struct queue_page *newer(const struct merge *merge, int *which) {
    const struct queue_page *found = NULL;
    for (int i = 0; i < 2; i++) {
        const struct queue_page *page = merge->pages[i];
        if (merge->next[i] < page->count &&
            (!found || is_newer(&page->items[merge->next[i]].item.id,
                                &found->items[merge->next[*which]].item.id))) {
            found = page;
            *which = i;
        }
    }
    return found;
}

/* Lists at most `limit` items. Returns the one behind which the next page begins; NULL: this is the
 * last page. */
static const struct uuid *put_items(struct buffer *body, struct merge *merge, int limit,
                                    bool names) {
    int which = 0;
    const struct queue_page *page;
    for (int count = 0; (page = newer(merge, &which)) != NULL; count++) {
        const struct queue_listed *next = &page->items[merge->next[which]];
        if (count == limit)
            return merge->last;
        if (merge->bound && is_newer(merge->bound, &next->item.id))
            return merge->bound;
        items_put(body, &next->item, names ? next->client : NULL, page->as_of_ms);
        merge->last = &next->item.id;
        merge->next[which]++;
    }
    return merge->bound;
}

/* Appends a query parameter, escaped. */
static void put_parameter(struct buffer *text, const char *name, const char *value) {
    buffer_printf(text, "%s%s=", text->data[text->length - 1] == '?' ? "" : "&", name);
    for (; *value != '\0'; value++) {
        bool plain = (*value >= '0' && *value <= '9') || (*value >= 'a' && *value <= 'z') ||
                     (*value >= 'A' && *value <= 'Z') || strchr("-._~", *value);
        buffer_printf(text, plain ? "%c" : "%%%02X", (unsigned char)*value);
    }
}

/* Adds the Link (RFC 8288) to the page behind an item, with the parameters of this one. */
static void link_next(struct call *call, const struct uuid *after) {
    static const char *const same[] = {"state", "client", "limit"};
    struct buffer *headers = &call->server->reply.headers;
    char id[ID_TEXT_SIZE];
    id_format(id, *after);
    buffer_puts(headers, "Link: </items?");
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        const char *value = query_text(&call->query, same[i]);
        if (value)
            put_parameter(headers, same[i], value);
    }
    put_parameter(headers, "after", id);
    buffer_puts(headers, ">; rel=\"next\"\r\n");
}

static void reply_list(struct call *call, const struct queue_list *list) {
    struct server *server = call->server;
    struct merge merge;
    begin_merge(&merge, &server->page, &server->peer_page);
    reply_begin(&server->reply, 200, "application/json");
    json_open(&server->reply.body, '[');
    const struct uuid *next =
        put_items(&server->reply.body, &merge, list->limit, call->whose.all != 0);
    json_close(&server->reply.body, ']');
    if (next)
        link_next(call, next);
}

void api_list(struct call *call) {
    struct reply *reply = &call->server->reply;
    struct queue_list list = {0};
    if (!read_list(call, &list))
        return;
    enum queue_result here = list_here(call, &list);
    enum queue_result there = QUEUE_OK;
    call->server->peer_page.count = 0;
    call->server->peer_page.more = 0;
    if (here == QUEUE_OK && call->server->peer_client)
        there = list_there(call, &list);
    if (here == QUEUE_NONE || there == QUEUE_NONE)
        problem_reply(reply, PROBLEM_NOT_FOUND,
                      "after is no item of this list; it never was, or it was pulled or cancelled "
                      "long ago. List from the newest one again.");
    else if (here != QUEUE_OK)
        problem_of_read(reply, here);
    else if (there == QUEUE_BUSY)
        items_reply_busy(call);
    else if (there != QUEUE_OK)
        items_reply_unreachable(call);
    else
        reply_list(call, &list);
}

/* --- Cancelling what waits --- */

/* Reads what to cancel. False with the reply. */
static bool read_cancel(struct call *call, struct queue_cancel_many *cancel) {
    static const int64_t most = (INT64_C(1) << CONFIRM_BITS) - 1;
    const char *state = query_text(&call->query, "state");
    char why[WHY_SIZE];
    if (!state || strcmp(state, "waiting") != 0)
        return refuse(call, "Only what waits is cancelled together: give state=waiting. Nothing "
                            "was cancelled.");
    if (!query_text(&call->query, "confirm"))
        return refuse(call, "confirm is missing; give confirm=N, N being how many items wait at "
                            "this node: with confirm=0 the reply says it. Nothing was cancelled.");
    if (!query_integer(&call->query, "confirm", 0, most, &cancel->confirm, why, sizeof why))
        return refuse(call, why);
    auth_operator(&call->identity, cancel->who);
    return items_read_client(call, cancel->client) &&
           idempotency_none(call, "its confirm says what is to be cancelled, and is a new one for "
                                  "each request");
}

/* Cancels the next page of what waits, `left` items at most, and sets where the list goes on, if it
 * does. Results as those of queue_cancel_many. */
static enum queue_result cancel_page(struct call *call, struct queue_list *list, int64_t left,
                                     struct queue_cancel_many *cancel,
                                     struct queue_cancelled *cancelled) {
    struct server *server = call->server;
    struct queue_page *page = &server->page;
    enum queue_result result = queue_list(server->queue, list, page);
    if (result != QUEUE_OK)
        return result;
    for (cancel->count = 0; cancel->count < page->count && cancel->count < left; cancel->count++)
        cancel->items[cancel->count] = page->items[cancel->count].item.id;
    list->has_after = page->more && cancel->count < left;
    list->after = page->end;
    return queue_cancel_many(server->queue, cancel, cancelled);
}

void api_cancel_many(struct call *call) {
    static struct queue_cancel_many cancel; /* too large for the stack */
    struct reply *reply = &call->server->reply;
    struct queue_cancelled cancelled;
    int64_t until_ms = clock_steady_ms() + CANCEL_MS;
    int64_t count = 0;
    enum queue_result result;
    struct queue_list list = {.state = ITEM_WAITING, .limit = QUEUE_CANCEL_MAX};
    if (!read_cancel(call, &cancel) || !read_after(call, &list))
        return;
    snprintf(list.whose.client, sizeof list.whose.client, "%s", cancel.client);
    int64_t most = cancel.confirm;
    do {
        result = cancel_page(call, &list, most - count, &cancel, &cancelled);
        if (result == QUEUE_OK && cancel.confirm >= 0 && cancelled.waiting != cancel.confirm) {
            problem_count(reply, cancelled.waiting, cancel.confirm);
            return;
        }
        count += result == QUEUE_OK ? cancelled.count : 0;
        cancel.confirm = -1;
    } while (result == QUEUE_OK && list.has_after && clock_steady_ms() < until_ms);
    if (result != QUEUE_OK && (count == 0 || result == QUEUE_UNKNOWN)) {
        problem_of_write(reply, result);
        return;
    }
    reply_begin(reply, 200, "application/json");
    json_open(&reply->body, '{');
    fields_put_integer(&reply->body, "cancelled", count);
    if (result == QUEUE_OK && list.has_after)
        fields_put_id(&reply->body, "after", list.after);
    json_close(&reply->body, '}');
}
