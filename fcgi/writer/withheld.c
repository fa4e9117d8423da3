#include "withheld.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "operation.h"

/* Memory of an answer. */
struct place {
    struct withheld_answer is;
    struct channel_message *memory;
    size_t room; /* bytes of memory */
    TAILQ_ENTRY(place) next;
};

TAILQ_HEAD(places, place);

struct withheld {
    struct places used; /* the oldest first */
    struct places spare;
};

struct withheld *withheld_new(void) {
    struct withheld *withheld = calloc(1, sizeof *withheld);
    if (!withheld)
        return NULL;
    TAILQ_INIT(&withheld->used);
    TAILQ_INIT(&withheld->spare);
    return withheld;
}

static void free_all(struct places *places) {
    struct place *place;
    while ((place = TAILQ_FIRST(places)) != NULL) {
        TAILQ_REMOVE(places, place, next);
        free(place->memory);
        free(place);
    }
}

void withheld_free(struct withheld *withheld) {
    free_all(&withheld->used);
    free_all(&withheld->spare);
    free(withheld);
}

/* A place with room for `size` bytes, in no list. NULL when memory is short. */
static struct place *new_place(struct withheld *withheld, size_t size) {
    struct place *place = TAILQ_FIRST(&withheld->spare);
    if (place)
        TAILQ_REMOVE(&withheld->spare, place, next);
    else
        place = calloc(1, sizeof *place);
    if (!place || (place->memory && place->room >= size))
        return place;
    struct channel_message *memory = realloc(place->memory, size);
    if (!memory) {
        TAILQ_INSERT_HEAD(&withheld->spare, place, next);
        return NULL;
    }
    place->memory = memory;
    place->room = size;
    return place;
}

bool withheld_add(struct withheld *withheld, void *owner, int64_t batch,
                  const struct channel_message *answer, int64_t until_ms) {
    size_t size = operation_answer_size(answer);
    struct place *place = new_place(withheld, size);
    if (!place)
        return false;
    memcpy(place->memory, answer, size);
    place->is = (struct withheld_answer){owner, batch, until_ms, size, place->memory};
    TAILQ_INSERT_TAIL(&withheld->used, place, next);
    return true;
}

const struct withheld_answer *withheld_first(const struct withheld *withheld) {
    const struct place *place = TAILQ_FIRST(&withheld->used);
    return place ? &place->is : NULL;
}

static void spare(struct withheld *withheld, struct place *place) {
    TAILQ_REMOVE(&withheld->used, place, next);
    TAILQ_INSERT_HEAD(&withheld->spare, place, next);
}

void withheld_remove(struct withheld *withheld) {
    spare(withheld, TAILQ_FIRST(&withheld->used));
}

void withheld_disown(struct withheld *withheld, const void *owner) {
    struct place *place = TAILQ_FIRST(&withheld->used);
    while (place) {
        struct place *next = TAILQ_NEXT(place, next);
        if (place->is.owner == owner)
            spare(withheld, place);
        place = next;
    }
}

void withheld_prolong(struct withheld *withheld, int64_t until_ms) {
    struct place *place;
    TAILQ_FOREACH(place, &withheld->used, next) {
        place->is.until_ms = until_ms;
    }
}
