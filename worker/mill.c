#include "mill.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "sha512_openssl.h"

enum { SLICE_MS = 5, STACK_BYTES = 256 * 1024 };

/* An item in hand. */
struct held {
    struct item item; /* as of its last slice */
    bool running;     /* a thread works on it, outside the lock, on a copy of its chain */
    bool dropped;     /* it was dropped meanwhile: the thread frees it */
};

/* One thread. */
struct lane {
    struct mill *mill;
    pthread_t thread;
    struct sha512_openssl *kernel; /* the thread's own */
    double rate;                   /* iterations a second */
    int64_t measured_iterations;   /* since rate was last brought up to date */
    int64_t measured_ns;
};

struct mill {
    pthread_mutex_t lock; /* guards everything below but descriptor and lanes' kernels */
    pthread_cond_t fed;   /* there may be an item to start, or halting was set */
    bool halting;
    bool halted;        /* the threads are gone */
    struct held **held; /* owned; in the order of feeding */
    int count, capacity;
    struct items finished;
    int descriptor; /* eventfd */
    struct lane *lanes;
    int lane_count; /* threads that were started */
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

/* Brings a thread's rate up to date whenever it has worked for a slice's time; a quarter of each
 * new measurement counts, which smooths out what other programs on the machine do. */
static void measure(struct lane *lane, int64_t iterations, int64_t elapsed_ns) {
    lane->measured_iterations += iterations;
    lane->measured_ns += elapsed_ns;
    if (lane->measured_ns < SLICE_MS * 1000000 / 2)
        return;
    double rate = (double)lane->measured_iterations * 1e9 / (double)lane->measured_ns;
    lane->rate += (rate - lane->rate) / 4;
    lane->measured_iterations = 0;
    lane->measured_ns = 0;
}

/* Works for one slice. Called and left with the lock held, which is open in between. */
static void grind_slice(struct lane *lane, struct held *held) {
    struct mill *mill = lane->mill;
    uint8_t chain[1][CHAIN_SIZE];
    int64_t iterations = (int64_t)(lane->rate * SLICE_MS / 1000) + 1;
    if (iterations > held->item.remaining)
        iterations = held->item.remaining;
    memcpy(chain[0], held->item.chain, CHAIN_SIZE);
    pthread_mutex_unlock(&mill->lock);
    int64_t start_ns = now_ns();
    sha512_openssl_chains(lane->kernel, chain, 1, iterations);
    int64_t elapsed_ns = now_ns() - start_ns;
    pthread_mutex_lock(&mill->lock);
    memcpy(held->item.chain, chain[0], CHAIN_SIZE);
    held->item.remaining -= iterations;
    measure(lane, iterations, elapsed_ns);
}

/* Makes the descriptor readable. A full counter is readable already. */
static void tell_owner(struct mill *mill) {
    uint64_t one = 1;
    if (write(mill->descriptor, &one, sizeof one) < 0 && errno != EAGAIN)
        log_error("cannot tell that an item is finished: %m");
}

/* Works on an item until it is finished, dropped, or everything halts. The lock is held at both
 * ends. */
static void grind(struct lane *lane, struct held *held) {
    struct mill *mill = lane->mill;
    held->running = true;
    while (held->item.remaining > 0 && !held->dropped && !mill->halting)
        grind_slice(lane, held);
    held->running = false;
    if (held->dropped) {
        forget(mill, held);
    } else if (held->item.remaining == 0) {
        items_add(&mill->finished, &held->item);
        forget(mill, held);
        tell_owner(mill);
    }
}

/* A thread's main function. */
static void *run_lane(void *argument) {
    struct lane *lane = argument;
    struct mill *mill = lane->mill;
    pthread_mutex_lock(&mill->lock);
    while (!mill->halting) {
        struct held *held = first_waiting(mill);
        if (held)
            grind(lane, held);
        else
            pthread_cond_wait(&mill->fed, &mill->lock);
    }
    pthread_mutex_unlock(&mill->lock);
    return NULL;
}

/* Starts the next thread. False when the machine refuses. */
static bool start_lane(struct mill *mill, double rate) {
    struct lane *lane = &mill->lanes[mill->lane_count];
    pthread_attr_t attributes;
    lane->mill = mill;
    lane->rate = rate;
    lane->kernel = sha512_openssl_open();
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int error = pthread_create(&lane->thread, &attributes, run_lane, lane);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        sha512_openssl_close(lane->kernel);
        errno = error;
        log_error("cannot start thread %d: %m; set THREADS to fewer", mill->lane_count + 1);
        return false;
    }
    mill->lane_count++;
    return true;
}

struct mill *mill_open(int threads, double rate) {
    struct mill *mill = not_null(calloc(1, sizeof *mill));
    mill->lanes = not_null(calloc((size_t)threads, sizeof *mill->lanes));
    pthread_mutex_init(&mill->lock, NULL);
    pthread_cond_init(&mill->fed, NULL);
    mill->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mill->descriptor < 0) {
        log_error("cannot make an event descriptor: %m");
        mill_close(mill);
        return NULL;
    }
    for (int i = 0; i < threads; i++) {
        if (!start_lane(mill, rate)) {
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
    for (int i = 0; i < mill->lane_count; i++) {
        pthread_join(mill->lanes[i].thread, NULL);
        sha512_openssl_close(mill->lanes[i].kernel);
    }
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
    free(mill->lanes);
    free(mill);
}

const char *mill_kernel(void) {
    return "openssl";
}

int mill_lanes(const struct mill *mill) {
    return mill->lane_count;
}

int64_t mill_rate(struct mill *mill) {
    double rate = 0;
    pthread_mutex_lock(&mill->lock);
    for (int i = 0; i < mill->lane_count; i++)
        rate += mill->lanes[i].rate;
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
