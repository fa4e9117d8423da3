#include "verbs/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/stop.h"
#include "base/sum.h"
#include "clock.h"
#include "hex.h"
#include "memory.h"
#include "net/net.h"
#include "verbs/item.h"
#include "verbs/pages.h"
#include "verbs/progress.h"

enum {
    SINGLES_MAX = 32,  /* more open items are looked for in lists */
    WAIT_SECONDS = 20, /* for the next item, */
    SEEN_SECONDS = 2,  /* as long as somebody looks at the bar */
    EARLY_MS = 1000,   /* a node that is asked to wait and does not is left alone that long */
    PAGE_MS = 200,     /* a round of lists waits that long for each page of the last */
    ROUND_MS_MAX = 20000
};

struct round {
    struct session *session;
    struct watch *watch;
    struct answer answer;
    struct json json;
    int *open; /* the numbers of the open items, by their ids */
    int open_count;
    int told; /* items before this one are told */
    int code;
    int64_t pages;         /* of the last lists */
    char as_of[TIME_SIZE]; /* what is known of items whose node is away is of that time */
    bool told_away;        /* that there are such items */
    struct progress *progress;
};

static const struct watch *sorted_watch; /* by_id has no other way to know it */

static int by_id(const void *left, const void *right) {
    const struct watched *items = sorted_watch->items;
    return memcmp(items[*(const int *)left].id, items[*(const int *)right].id, ITEM_ID_BYTES);
}

/* Lists the open items, sorted. */
static void sort_open(struct round *round) {
    round->open_count = 0;
    for (int i = 0; i < round->watch->count; i++) {
        if (round->watch->items[i].state == WATCHED_OPEN)
            round->open[round->open_count++] = i;
    }
    sorted_watch = round->watch;
    qsort(round->open, (size_t)round->open_count, sizeof *round->open, by_id);
}

/* Takes what a node says of an item. */
static void take(struct watched *watched, const struct item *item) {
    watched->iterations = item->iterations;
    watched->remaining = item->remaining;
    watched->leased = strcmp(item->state, "leased") == 0;
    watched->rate = item->rate;
    watched->eta_seconds = item->eta_seconds;
    watched->away = item->as_of[0] != '\0';
    if (strcmp(item->state, "cancelled") == 0)
        watched->state = WATCHED_CANCELLED;
    else if (hex_decode(watched->value, DIGEST_BYTES, item->value, strlen(item->value)))
        watched->state = WATCHED_VALUE;
}

/* Tells of all items that are known, in their order. False when nobody can be told any more. */
static bool tell(struct round *round) {
    for (; round->told < round->watch->count; round->told++) {
        const struct watched *watched = &round->watch->items[round->told];
        char id[ITEM_ID_SIZE];
        if (watched->state == WATCHED_OPEN)
            break;
        item_id_write(id, watched->id);
        if (watched->state == WATCHED_CANCELLED)
            say("%s is cancelled; to have its file computed put it with another --job", id);
        if (watched->state == WATCHED_CANCELLED)
            round->code = client_exit_worse(round->code, CLIENT_FAILED);
        if (watched->state == WATCHED_GONE)
            round->code = client_exit_worse(round->code, CLIENT_UNKNOWN_ID);
        round->watch->known(round->watch->context, round->told);
    }
    return out_flush();
}

/* Says once that items wait for a node that is away, and once that it is back. */
static void tell_away(struct round *round) {
    const char *url = NULL;
    int away = 0;
    for (int i = 0; i < round->watch->count; i++) {
        const struct watched *watched = &round->watch->items[i];
        if (watched->state != WATCHED_OPEN || !watched->away)
            continue;
        url = url ? url : watched->url;
        away++;
    }
    if (away > 0 && !round->told_away)
        say("waiting for %s, which is away: %d of %d items are there, and what is known of them is "
            "of %s",
            url ? url : "a node", away, round->watch->count, round->as_of);
    else if (away == 0 && round->told_away)
        say("all nodes are back");
    round->told_away = away > 0;
}

/* Adds what is known of an item to the sums; *estimated stays true when the node has an estimate.
 */
static void add_progress(struct bar_state *sums, const struct watched *watched, bool *estimated) {
    bool open = watched->state == WATCHED_OPEN;
    if (watched->leased && !watched->away)
        sums->note = NULL;
    sums->items_done += !open;
    sums->iterations_all = sum_capped(sums->iterations_all, watched->iterations);
    sums->iterations_done =
        sum_capped(sums->iterations_done, watched->iterations - (open ? watched->remaining : 0));
    if (!open)
        return;
    sums->rate += watched->rate;
    *estimated &= watched->eta_seconds >= 0;
    if (watched->eta_seconds > sums->eta_seconds)
        sums->eta_seconds = watched->eta_seconds;
}

/* Shows how far all items are, once the sizes of all are known. */
static void report(struct round *round) {
    struct bar_state sums = {
        .items_all = round->watch->count, .eta_seconds = -1, .note = "no worker has it yet"};
    bool estimated = true;
    if (round->told_away)
        sums.note = "waiting for a node that is away";
    for (int i = 0; i < round->watch->count; i++) {
        const struct watched *watched = &round->watch->items[i];
        if (watched->iterations == 0 && watched->state == WATCHED_OPEN)
            return;
        add_progress(&sums, watched, &estimated);
    }
    sums.eta_seconds = estimated ? sums.eta_seconds : -1;
    if (sums.items_done == sums.items_all)
        sums.note = NULL;
    progress_report(round->progress, &sums);
}

/* Takes what a node says of an open item. */
static void take_open(struct round *round, struct watched *watched, const struct item *item) {
    take(watched, item);
    if (watched->away)
        memcpy(round->as_of, item->as_of, sizeof round->as_of);
}

/* Looks at one item, for at most some seconds until it is done. */
static int look(struct round *round, struct watched *watched, int seconds) {
    char id[ITEM_ID_SIZE];
    char path[100];
    struct item item;
    item_id_write(id, watched->id);
    snprintf(path, sizeof path, "/items/%s?wait=%d", id, seconds);
    struct ask ask = {.method = "GET", .path = path, .wait_seconds = seconds};
    int code = net_call(round->session->net, NET_ANY, &ask, &round->answer);
    if (code != CLIENT_DONE)
        return code;
    code = answer_judge(&round->answer, id);
    if (code == CLIENT_UNKNOWN_ID) {
        watched->state = WATCHED_GONE;
        return CLIENT_DONE;
    }
    if (code != CLIENT_DONE)
        return code;
    if (!item_answered(&item, &round->answer, &round->json, id))
        return CLIENT_FAILED;
    take_open(round, watched, &item);
    return CLIENT_DONE;
}

/* Takes an item of a list. False when the list has come to those that are older than all open ones.
 */
static bool take_listed(void *context, const struct item *item) {
    struct round *round = context;
    struct watched *items = round->watch->items;
    uint8_t id[ITEM_ID_BYTES];
    int low = 0;
    int high = round->open_count;
    item_id_read(id, item->id, strlen(item->id));
    while (low < high) {
        int middle = (low + high) / 2;
        if (memcmp(items[round->open[middle]].id, id, ITEM_ID_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < round->open_count && memcmp(items[round->open[low]].id, id, ITEM_ID_BYTES) == 0;
         low++) {
        take_open(round, &items[round->open[low]], item);
        items[round->open[low]].listed = true;
    }
    return memcmp(id, items[round->open[0]].id, ITEM_ID_BYTES) > 0;
}

/* Looks at all open items: at few one by one, at many in lists. What those do not have is looked at
 * alone, as the node may have forgotten it. */
static int look_at_all(struct round *round) {
    struct watched *items = round->watch->items;
    int code = CLIENT_DONE;
    round->pages = 0;
    for (int i = 0; i < round->open_count; i++)
        items[round->open[i]].listed = false;
    if (round->open_count > SINGLES_MAX)
        code = pages_read(round->session, "limit=1000", take_listed, round, &round->pages);
    for (int i = 0; i < round->open_count && code == CLIENT_DONE; i++) {
        if (!items[round->open[i]].listed)
            code = look(round, &items[round->open[i]], 0);
    }
    report(round);
    return code;
}

/* Waits until the newest open item is done or some time has passed: then the next round is due. A
 * round that reads many pages is not due at once. */
static int wait_for_next(struct round *round) {
    int64_t begun_ms = clock_steady_ms();
    int64_t until_ms = begun_ms + round->pages * PAGE_MS;
    int64_t most_ms = begun_ms + ROUND_MS_MAX;
    struct watched *newest = &round->watch->items[round->open[round->open_count - 1]];
    int code = look(round, newest, progress_is_seen(round->progress) ? SEEN_SECONDS : WAIT_SECONDS);
    report(round);
    if (newest->state == WATCHED_OPEN && until_ms < begun_ms + EARLY_MS)
        until_ms = begun_ms + EARLY_MS;
    if (code == CLIENT_DONE)
        net_pause(round->session->net, until_ms < most_ms ? until_ms : most_ms);
    return code;
}

/* What the end of the time means. */
static int late(const struct round *round) {
    if (net_is_failing(round->session->net)) {
        say("the time of --timeout is over");
        return CLIENT_LATER;
    }
    say("the time of --timeout is over, and %d of %d items are not done yet", round->open_count,
        round->watch->count);
    return CLIENT_RUNNING;
}

int watch_items(struct session *session, struct watch *watch) {
    struct round round = {.session = session, .watch = watch};
    int code = CLIENT_DONE;
    round.open =
        memory_or_end(calloc((size_t)watch->count + 1, sizeof *round.open), "a list of items");
    sort_open(&round);
    round.progress = progress_open(&session->command, session->net);
    while (code == CLIENT_DONE && round.open_count > 0) {
        code = look_at_all(&round);
        if (code == CLIENT_DONE)
            tell_away(&round);
        if (!tell(&round) && code == CLIENT_DONE)
            code = CLIENT_FAILED;
        sort_open(&round);
        if (code == CLIENT_DONE && round.open_count > 0)
            code = wait_for_next(&round);
    }
    tell(&round);
    sort_open(&round);
    progress_close(round.progress);
    if (stop_asked())
        code = CLIENT_INTERRUPTED;
    else if (code == CLIENT_LATER)
        code = late(&round);
    free(round.open);
    json_free(&round.json);
    answer_free(&round.answer);
    return code == CLIENT_DONE ? round.code : code;
}
