#include "withheld.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "operation.h"

/* A place for an answer. */
struct place {
    struct held_answer is;
    struct channel_message *memory;
    size_t room; /* bytes of memory */
    TAILQ_ENTRY(place) next;
};

TAILQ_HEAD(places, place);

struct held {
    struct places used; /* the one held longest first */
    struct places spare;
};

struct held *held_new(void) {
    struct held *held = calloc(1, sizeof *held);
    if (!held)
        return NULL;
    TAILQ_INIT(&held->used);
    TAILQ_INIT(&held->spare);
    return held;
}

static void free_all(struct places *places) {
    struct place *place;
    while ((place = TAILQ_FIRST(places)) != NULL) {
        TAILQ_REMOVE(places, place, next);
        free(place->memory);
        free(place);
    }
}

void held_free(struct held *held) {
    free_all(&held->used);
    free_all(&held->spare);
    free(held);
}

/* A place with room for so many bytes, in no list. NULL when memory is short. */
static struct place *new_place(struct held *held, size_t size) {
    struct place *place = TAILQ_FIRST(&held->spare);
    if (place)
        TAILQ_REMOVE(&held->spare, place, next);
    else
        place = calloc(1, sizeof *place);
    if (!place || (place->memory && place->room >= size))
        return place;
    struct channel_message *memory = realloc(place->memory, size);
    if (!memory) {
        TAILQ_INSERT_HEAD(&held->spare, place, next);
        return NULL;
    }
    place->memory = memory;
    place->room = size;
    return place;
}

bool held_add(struct held *held, void *owner, int64_t batch, const struct channel_message *answer,
              int64_t until_ms) {
    size_t size = operation_answer_size(answer);
    struct place *place = new_place(held, size);
    if (!place)
        return false;
    memcpy(place->memory, answer, size);
    place->is = (struct held_answer){owner, batch, until_ms, size, place->memory};
    TAILQ_INSERT_TAIL(&held->used, place, next);
    return true;
}

const struct held_answer *held_first(const struct held *held) {
    const struct place *place = TAILQ_FIRST(&held->used);
    return place ? &place->is : NULL;
}

static void spare(struct held *held, struct place *place) {
    TAILQ_REMOVE(&held->used, place, next);
    TAILQ_INSERT_HEAD(&held->spare, place, next);
}

void held_remove(struct held *held) {
    spare(held, TAILQ_FIRST(&held->used));
}

void held_disown(struct held *held, const void *owner) {
    struct place *place = TAILQ_FIRST(&held->used);
    while (place) {
        struct place *next = TAILQ_NEXT(place, next);
        if (place->is.owner == owner)
            spare(held, place);
        place = next;
    }
}

void held_prolong(struct held *held, int64_t until_ms) {
    struct place *place;
    TAILQ_FOREACH(place, &held->used, next) {
        place->is.until_ms = until_ms;
    }
}
