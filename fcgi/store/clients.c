#include "clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fnv.h"
#include "memory.h"

enum { TOKEN = 1000 }; /* an item's */

struct client *clients_named(const struct clients *clients, const char *name) {
    struct client *client = clients->places[fnv_hash(name) % CLIENTS_PLACES];
    while (client && strcmp(client->name, name) != 0)
        client = client->next_of_place;
    return client;
}

struct client *clients_at(const struct clients *clients, int64_t seq) {
    return seq >= 0 && seq < clients->count ? clients->list[seq].client : NULL;
}

/* Makes room for one more in a list. */
static struct client_place *make_room(struct client_place *list, int count, int *capacity) {
    if (count < *capacity)
        return list;
    *capacity = *capacity ? 2 * *capacity : 16;
    return memory_or_end(realloc(list, (size_t)*capacity * sizeof *list), "clients");
}

void clients_reserve(struct clients *clients, int64_t end) {
    while (clients->count < end) {
        clients->list = make_room(clients->list, clients->count, &clients->capacity);
        clients->list[clients->count++].client = NULL;
    }
}

struct client *clients_add(struct clients *clients, int64_t seq, const char *name) {
    struct client *client = memory_or_end(calloc(1, sizeof *client), "clients");
    struct client **place = &clients->places[fnv_hash(name) % CLIENTS_PLACES];
    client->seq = seq;
    snprintf(client->name, sizeof client->name, "%s", name);
    client->rank.weight = 1;
    client->saved_rank.weight = 1;
    client->tokens_ms = -1;
    client->next_of_place = *place;
    *place = client;
    clients_reserve(clients, seq + 1);
    clients->list[seq].client = client;
    return client;
}

/* Removes a client. The number of the last one is free again. */
static void remove_client(struct clients *clients, struct client *client) {
    struct client **place = &clients->places[fnv_hash(client->name) % CLIENTS_PLACES];
    while (*place != client)
        place = &(*place)->next_of_place;
    *place = client->next_of_place;
    clients->list[client->seq].client = NULL;
    if (client->seq == clients->count - 1)
        clients->count--;
    free(client->rates);
    free(client);
}

void clients_note(struct clients *clients, struct client *client) {
    if (client->is_changed)
        return;
    client->is_changed = true;
    clients->changed =
        make_room(clients->changed, clients->changed_count, &clients->changed_capacity);
    clients->changed[clients->changed_count++].client = client;
}

/* Adds what a client did in the batch to its rates. */
static void note_work(struct client *client, int64_t steady_ms) {
    static const struct queue_work nothing;
    if (memcmp(&client->work, &nothing, sizeof nothing) == 0)
        return;
    if (!client->rates)
        client->rates = memory_or_end(calloc(1, sizeof *client->rates), "rates");
    rates_add(client->rates, steady_ms, &client->work);
    client->work = nothing;
}

void clients_keep(struct clients *clients, int64_t steady_ms) {
    for (int i = 0; i < clients->changed_count; i++) {
        struct client *client = clients->changed[i].client;
        client->saved = client->counts;
        client->saved_rank = client->rank;
        client->is_changed = false;
        client->is_new = false;
        note_work(client, steady_ms);
    }
    clients->changed_count = 0;
}

void clients_undo(struct clients *clients) {
    for (int i = clients->changed_count - 1; i >= 0; i--) { /* the last of the new ones first */
        struct client *client = clients->changed[i].client;
        client->counts = client->saved;
        client->rank = client->saved_rank;
        client->tokens += client->work.enqueued * TOKEN;
        client->work = (struct queue_work){0};
        client->is_changed = false;
        if (client->is_new)
            remove_client(clients, client);
    }
    clients->changed_count = 0;
}

int clients_with_items(const struct clients *clients) {
    int found = 0;
    for (int64_t seq = 1; seq < clients->count; seq++) {
        const struct client *client = clients->list[seq].client;
        int64_t items = 0;
        for (int state = 0; client && state < ITEM_STATES; state++)
            items += client->counts.items[state];
        found += items > 0;
    }
    return found;
}

bool clients_is_only(const struct clients *clients, const struct client *client) {
    if (clients->count > 2) /* that of nobody is always there */
        return false;
    for (int i = 0; i < clients->count; i++) {
        const struct client *other = clients->list[i].client;
        if (other && other != client && other->rank.finish > 0)
            return false;
    }
    return true;
}

static int64_t greatest_finish(const struct clients *clients) {
    int64_t finish = 0;
    for (int i = 0; i < clients->count; i++) {
        const struct client *client = clients->list[i].client;
        if (client && client->rank.finish > finish)
            finish = client->rank.finish;
    }
    return finish;
}

void clients_idle(const struct clients *clients, struct rank_clock *clock) {
    if (clock->now > 0 && clock->top <= clock->now)
        return;
    if (clock->loose)
        clock->top = greatest_finish(clients);
    rank_idle(clock);
}

void clients_free(struct clients *clients) {
    for (int i = 0; i < clients->count; i++) {
        struct client *client = clients->list[i].client;
        if (client)
            free(client->rates);
        free(client);
    }
    free(clients->list);
    free(clients->changed);
}

int64_t client_may_enqueue(struct client *client, int64_t steady_ms, int64_t rate, int64_t burst) {
    int64_t passed = client->tokens_ms < 0 ? INT32_MAX : steady_ms - client->tokens_ms;
    int64_t more = passed < INT32_MAX ? passed * rate : INT32_MAX * INT64_C(1000000);
    int64_t most = burst * TOKEN;
    client->tokens = more < most - client->tokens ? client->tokens + more : most;
    client->tokens_ms = steady_ms;
    return client->tokens > 0 ? client->tokens / TOKEN : 0;
}

void client_enqueued(struct client *client) {
    client->tokens -= TOKEN;
}

int64_t client_wait_ms(const struct client *client, int64_t items, int64_t rate) {
    int64_t lacking = items * TOKEN - client->tokens;
    return lacking > 0 ? (lacking + rate - 1) / rate : 0;
}
