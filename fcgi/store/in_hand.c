#include "in_hand.h"

#include <stdio.h>
#include <string.h>

/* Whether a place is given up rather than another: first those that have nothing in hand, of
 * several the one that was silent longest. */
static bool is_spare(const struct in_hand_identity *one, const struct in_hand_identity *other) {
    if ((one->items > 0) != (other->items > 0))
        return other->items > 0;
    return one->span < other->span;
}

/* The place of an identity, which is made if it has none. */
static struct in_hand_identity *find(struct in_hand *in_hand, const char *name) {
    struct in_hand_identity *spare = in_hand->identities;
    for (int i = 0; i < in_hand->count; i++) {
        struct in_hand_identity *identity = &in_hand->identities[i];
        if (strcmp(identity->name, name) == 0)
            return identity;
        if (is_spare(identity, spare))
            spare = identity;
    }
    if (in_hand->count < IN_HAND_IDENTITIES)
        spare = &in_hand->identities[in_hand->count++];
    memset(spare, 0, sizeof *spare);
    snprintf(spare->name, sizeof spare->name, "%s", name);
    return spare;
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
    for (int i = 0; i < in_hand->count; i++)
        in_hand->identities[i].items = 0;
}

void in_hand_worked(struct in_hand *in_hand, const char *identity, int64_t span,
                    const struct in_hand_work *work) {
    struct in_hand_work *sum = &find_in(in_hand, identity, span)->spans[span % IN_HAND_SPANS];
    sum->finished += work->finished;
    sum->links += work->links;
}
