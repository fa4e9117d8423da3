#include "in_hand.h"

#include <stdio.h>
#include <string.h>

#include "fnv.h"

/* The place of an identity, which is made if it has none. When that many are known as cannot be at
 * one time, all are forgotten with those that have gone, and nothing is known. */
static struct in_hand_identity *find(struct in_hand *in_hand, const char *name) {
    if (in_hand->count > IN_HAND_PLACES / 4 * 3)
        memset(in_hand, 0, sizeof *in_hand);
    uint32_t place = fnv_hash(name) % IN_HAND_PLACES;
    while (in_hand->places[place].name[0] != '\0') {
        if (strcmp(in_hand->places[place].name, name) == 0)
            return &in_hand->places[place];
        place = (place + 1) % IN_HAND_PLACES;
    }
    struct in_hand_identity *identity = &in_hand->places[place];
    snprintf(identity->name, sizeof identity->name, "%s", name);
    in_hand->count++;
    return identity;
}

/* The same, with what was computed before the last spans forgotten. */
static struct in_hand_identity *find_in(struct in_hand *in_hand, const char *name, int64_t span) {
    struct in_hand_identity *identity = find(in_hand, name);
    if (span - identity->span >= IN_HAND_SPANS) {
        memset(identity->spans, 0, sizeof identity->spans);
        identity->span = span;
    }
    while (identity->span < span)
        identity->spans[++identity->span % IN_HAND_SPANS] = (struct in_hand_work){0};
    return identity;
}

int64_t in_hand_room(struct in_hand *in_hand, const char *identity, int64_t span, int64_t start) {
    const struct in_hand_identity *found = find_in(in_hand, identity, span);
    int64_t room = start - found->items;
    for (int i = 0; i < IN_HAND_SPANS; i++)
        room += found->spans[i].finished * IN_HAND_FINISHED + found->spans[i].links / IN_HAND_LINKS;
    return room > 0 ? room : 0;
}

void in_hand_add(struct in_hand *in_hand, const char *identity, int64_t items) {
    find(in_hand, identity)->items += items;
}

void in_hand_clear(struct in_hand *in_hand) {
    for (int i = 0; i < IN_HAND_PLACES; i++)
        in_hand->places[i].items = 0;
}

void in_hand_worked(struct in_hand *in_hand, const char *identity, int64_t span,
                    const struct in_hand_work *work) {
    struct in_hand_work *sum = &find_in(in_hand, identity, span)->spans[span % IN_HAND_SPANS];
    sum->finished += work->finished;
    sum->links += work->links;
}
