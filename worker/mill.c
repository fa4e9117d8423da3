#include "mill.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

enum { SLICE_US = 1000, MEASURE_US = 2500, STACK_BYTES = 256 * 1024 };

/* An item in hand. */
struct held {
    struct item item; /* as of its last slice */
    bool running;     /* a thread works on it, outside the lock, on a copy of its chain */
    bool dropped;     /* it was dropped meanwhile: the thread frees it */
};

/* One thread, which moves up to LANES_MAX chains forward side by side. */
struct grinder {
    struct mill *mill;
    pthread_t thread;
    struct held *lanes[LANES_MAX]; /* what it works on; the first count */
    int count;
    uint64_t chains[LANES_MAX][CHAIN_WORDS]; /* their chains during a slice */
    double rate;                             /* iterations a second with full lanes */
    int64_t measured_iterations;             /* since rate was last brought up to date */
    int64_t measured_ns;
};

struct mill {
    pthread_mutex_t lock; /* guards everything below but descriptor and what a slice works on */
    pthread_cond_t fed;   /* there may be an item to start, or halting was set */
    const struct kernels *kernels;
    int width; /* lanes of a thread */
    bool halting;
    bool halted;        /* the threads are gone */
    struct held **held; /* owned; in the order of feeding */
    int count, capacity;
    struct items finished;
    int descriptor; /* eventfd */
    struct grinder *grinders;
    int grinder_count; /* threads that were started */
};

static void *not_null(void *memory) {
    if (!memory) {
        log_error("out of memory for the mill; give this machine more memory");
        abort();
    }
    return memory;
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Takes an item out of the list of those in hand and frees it. */
static void forget(struct mill *mill, struct held *held) {
    int at = 0;
    while (mill->held[at] != held)
        at++;
    mill->count--;
    memmove(mill->held + at, mill->held + at + 1, (size_t)(mill->count - at) * sizeof(void *));
    free(held);
}

/* The first item that nobody works on, or NULL. */
static struct held *first_waiting(const struct mill *mill) {
    for (int i = 0; i < mill->count; i++) {
        if (!mill->held[i]->running)
            return mill->held[i];
    }
    return NULL;
}

/* Brings a thread's rate up to date whenever it has worked with full lanes for a while; a quarter
 * of each new measurement counts, which smooths out what other programs on the machine do. */
static void measure(struct grinder *grinder, int64_t iterations, int64_t elapsed_ns) {
    if (grinder->count < grinder->mill->width)
        return;
    grinder->measured_iterations += iterations * grinder->count;
    grinder->measured_ns += elapsed_ns;
    if (grinder->measured_ns < MEASURE_US * 1000)
        return;
    double rate = (double)grinder->measured_iterations * 1e9 / (double)grinder->measured_ns;
    grinder->rate += (rate - grinder->rate) / 4;
    grinder->measured_iterations = 0;
    grinder->measured_ns = 0;
}

/* How many iterations the lanes do in the next slice: until the first is finished, if that is soon.
 */
static int64_t slice_iterations(const struct grinder *grinder) {
    double ns = grinder->mill->kernels->steps[grinder->count].ns;
    int64_t iterations = (int64_t)(SLICE_US * 1000 / ns) + 1;
    for (int i = 0; i < grinder->count; i++) {
        if (grinder->lanes[i]->item.remaining < iterations)
            iterations = grinder->lanes[i]->item.remaining;
    }
    return iterations;
}

/* Works for one slice. Called and left with the lock held, which is open in between. */
static void grind_slice(struct grinder *grinder) {
    struct mill *mill = grinder->mill;
    int64_t iterations = slice_iterations(grinder);
    for (int i = 0; i < grinder->count; i++)
        chain_load(grinder->chains[i], grinder->lanes[i]->item.chain);
    pthread_mutex_unlock(&mill->lock);
    int64_t start_ns = now_ns();
    kernels_run(mill->kernels, grinder->chains, grinder->count, iterations);
    int64_t elapsed_ns = now_ns() - start_ns;
    pthread_mutex_lock(&mill->lock);
    for (int i = 0; i < grinder->count; i++) {
        chain_store(grinder->lanes[i]->item.chain, grinder->chains[i]);
        grinder->lanes[i]->item.remaining -= iterations;
    }
    measure(grinder, iterations, elapsed_ns);
}

/* Makes the descriptor readable. A full counter is readable already. */
static void tell_owner(struct mill *mill) {
    uint64_t one = 1;
    if (write(mill->descriptor, &one, sizeof one) < 0 && errno != EAGAIN)
        log_error("cannot tell that an item is finished: %m");
}

/* Empties the lanes whose items are finished or dropped. */
static void clear_lanes(struct grinder *grinder) {
    struct mill *mill = grinder->mill;
    for (int i = grinder->count - 1; i >= 0; i--) {
        struct held *held = grinder->lanes[i];
        if (!held->dropped && held->item.remaining > 0)
            continue;
        if (!held->dropped) {
            items_add(&mill->finished, &held->item);
            tell_owner(mill);
        }
        forget(mill, held);
        grinder->lanes[i] = grinder->lanes[--grinder->count];
    }
}

/* Fills the lanes up to this thread's fair share of what is in hand, and gives back what is beyond
 * it, so that no thread idles while another has more than its share. */
static void fill_lanes(struct grinder *grinder) {
    struct mill *mill = grinder->mill;
    struct held *held;
    int share = (mill->count + mill->grinder_count - 1) / mill->grinder_count;
    if (share > mill->width)
        share = mill->width;
    while (grinder->count < share && (held = first_waiting(mill)) != NULL) {
        held->running = true;
        grinder->lanes[grinder->count++] = held;
    }
    while (grinder->count > share) {
        grinder->lanes[--grinder->count]->running = false;
        pthread_cond_signal(&mill->fed);
    }
}

/* A thread's main function. */
static void *run_grinder(void *argument) {
    struct grinder *grinder = argument;
    struct mill *mill = grinder->mill;
    pthread_mutex_lock(&mill->lock);
    while (!mill->halting) {
        fill_lanes(grinder);
        if (grinder->count > 0)
            grind_slice(grinder);
        else
            pthread_cond_wait(&mill->fed, &mill->lock);
        clear_lanes(grinder);
    }
    while (grinder->count > 0)
        grinder->lanes[--grinder->count]->running = false;
    pthread_mutex_unlock(&mill->lock);
    return NULL;
}

/* Starts the next thread. False when the machine refuses. */
static bool start_grinder(struct mill *mill) {
    struct grinder *grinder = &mill->grinders[mill->grinder_count];
    pthread_attr_t attributes;
    grinder->mill = mill;
    grinder->rate = mill->width * 1e9 / mill->kernels->steps[mill->width].ns;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_mutex_lock(&mill->lock); /* the threads read the count */
    int error = pthread_create(&grinder->thread, &attributes, run_grinder, grinder);
    mill->grinder_count += error == 0;
    pthread_mutex_unlock(&mill->lock);
    pthread_attr_destroy(&attributes);
    if (error == 0)
        return true;
    errno = error;
    log_error("cannot start thread %d: %m; set THREADS to fewer", mill->grinder_count + 1);
    return false;
}

/* The number of chains that one thread moves forward at the highest rate. */
static int best_width(const struct kernels *kernels) {
    int best = 1;
    for (int count = 2; count <= LANES_MAX; count++) {
        if (count / kernels->steps[count].ns > best / kernels->steps[best].ns * 1.02)
            best = count;
    }
    return best;
}

struct mill *mill_open(int threads, const struct kernels *kernels) {
    struct mill *mill = not_null(calloc(1, sizeof *mill));
    mill->grinders = not_null(calloc((size_t)threads, sizeof *mill->grinders));
    mill->kernels = kernels;
    mill->width = best_width(kernels);
    pthread_mutex_init(&mill->lock, NULL);
    pthread_cond_init(&mill->fed, NULL);
    mill->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mill->descriptor < 0) {
        log_error("cannot make an event descriptor: %m");
        mill_close(mill);
        return NULL;
    }
    for (int i = 0; i < threads; i++) {
        if (!start_grinder(mill)) {
            mill_close(mill);
            return NULL;
        }
    }
    return mill;
}

void mill_halt(struct mill *mill) {
    if (mill->halted)
        return;
    pthread_mutex_lock(&mill->lock);
    mill->halting = true;
    pthread_cond_broadcast(&mill->fed);
    pthread_mutex_unlock(&mill->lock);
    for (int i = 0; i < mill->grinder_count; i++)
        pthread_join(mill->grinders[i].thread, NULL);
    mill->halted = true;
}

void mill_close(struct mill *mill) {
    mill_halt(mill);
    for (int i = 0; i < mill->count; i++)
        free(mill->held[i]);
    free(mill->held);
    items_free(&mill->finished);
    if (mill->descriptor >= 0)
        close(mill->descriptor);
    pthread_cond_destroy(&mill->fed);
    pthread_mutex_destroy(&mill->lock);
    free(mill->grinders);
    free(mill);
}

int mill_lanes(const struct mill *mill) {
    return mill->grinder_count * mill->width;
}

int64_t mill_rate(struct mill *mill) {
    double rate = 0;
    pthread_mutex_lock(&mill->lock);
    for (int i = 0; i < mill->grinder_count; i++)
        rate += mill->grinders[i].rate;
    pthread_mutex_unlock(&mill->lock);
    return (int64_t)rate;
}

/* A node's item with that id that is not dropped, or NULL. */
static struct held *find(const struct mill *mill, int node, const uuid_t id) {
    for (int i = 0; i < mill->count; i++) {
        struct held *held = mill->held[i];
        if (held->item.node == node && !held->dropped && same_id(held->item.id, id))
            return held;
    }
    return NULL;
}

static void append(struct mill *mill, const struct item *item) {
    if (mill->count == mill->capacity) {
        mill->capacity = mill->capacity ? 2 * mill->capacity : 64;
        mill->held = not_null(realloc(mill->held, (size_t)mill->capacity * sizeof(void *)));
    }
    struct held *held = not_null(calloc(1, sizeof *held));
    held->item = *item;
    mill->held[mill->count++] = held;
}

/* Drops an item: at once, or when its thread has ended the slice. */
static void drop(struct mill *mill, struct held *held) {
    if (held->running)
        held->dropped = true;
    else
        forget(mill, held);
}

bool mill_feed(struct mill *mill, const struct item *item) {
    pthread_mutex_lock(&mill->lock);
    struct held *held = find(mill, item->node, item->id);
    bool known = held && held->item.remaining <= item->remaining;
    if (known) {
        uuid_copy(held->item.lease, item->lease);
    } else {
        if (held)
            drop(mill, held);
        append(mill, item);
        pthread_cond_signal(&mill->fed);
    }
    pthread_mutex_unlock(&mill->lock);
    return !known;
}

int mill_descriptor(const struct mill *mill) {
    return mill->descriptor;
}

void mill_collect(struct mill *mill, struct items *finished) {
    uint64_t ignored;
    pthread_mutex_lock(&mill->lock);
    if (read(mill->descriptor, &ignored, sizeof ignored) < 0 && errno != EAGAIN)
        log_error("cannot read the mill's event descriptor: %m");
    for (int i = 0; i < mill->finished.count; i++)
        items_add(finished, &mill->finished.list[i]);
    mill->finished.count = 0;
    pthread_mutex_unlock(&mill->lock);
}

void mill_snapshot(struct mill *mill, int node, struct items *list) {
    pthread_mutex_lock(&mill->lock);
    for (int i = 0; i < mill->count; i++) {
        if (mill->held[i]->item.node == node && !mill->held[i]->dropped)
            items_add(list, &mill->held[i]->item);
    }
    pthread_mutex_unlock(&mill->lock);
}

struct mill_load mill_load(struct mill *mill, int node, int64_t cap) {
    struct mill_load load = {0};
    pthread_mutex_lock(&mill->lock);
    for (int i = 0; i < mill->count; i++) {
        const struct item *item = &mill->held[i]->item;
        int64_t iterations = item->remaining < cap ? item->remaining : cap;
        if (mill->held[i]->dropped)
            continue;
        load.all_items++;
        load.all_iterations += iterations;
        if (item->node != node)
            continue;
        load.items++;
        load.iterations += iterations;
        load.long_items += iterations == cap;
    }
    pthread_mutex_unlock(&mill->lock);
    return load;
}

void mill_drop(struct mill *mill, int node, const uuid_t id, const uuid_t lease) {
    pthread_mutex_lock(&mill->lock);
    struct held *held = find(mill, node, id);
    if (held && same_id(held->item.lease, lease))
        drop(mill, held);
    pthread_mutex_unlock(&mill->lock);
}
