/* A thread of the mill: fills its lanes, works for a slice, hands over what is finished. */
#include <errno.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "mill_parts.h"

enum {
    SLICE_NS = 500000,       /* the longest that a thread computes before it looks around */
    TURN_NS = 1000000,       /* how long a chain keeps its lane at least */
    MEASURE_NS = 1000000000, /* of work between two updates of the rate */
    OLDEST_EVERY = 4,        /* one pick in this many is the chain that was fed first */
    MUCH_SHORTER = 2,        /* a chain of half the length or less preempts */
    NICENESS = 10            /* the thread that leases and reports goes first */
};

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* How many iterations a whole slice has with the chains in hand. */
static int64_t whole_slice(const struct grinder *grinder) {
    return (int64_t)(SLICE_NS / grinder->mill->kernels->steps[grinder->count].ns) + 1;
}

/* How many iterations the next slice has: until the first chain is finished, if that is soon. */
static int64_t slice_iterations(const struct grinder *grinder) {
    int64_t iterations = whole_slice(grinder);
    for (int i = 0; i < grinder->count; i++) {
        int64_t remaining = grinder->lanes[i].task->item.remaining;
        iterations = remaining < iterations ? remaining : iterations;
    }
    return iterations;
}

/* Draws the lanes to check in this slice, a bit each. A chain that will be finished is drawn with
 * the set probability, any other with that times the slice's part of a whole slice. */
static unsigned draw_lanes(struct grinder *grinder, int64_t iterations) {
    double part = (double)iterations / (double)whole_slice(grinder);
    unsigned drawn = 0;
    for (int i = 0; i < grinder->count; i++) {
        bool last = grinder->lanes[i].task->item.remaining == iterations;
        drawn |= (unsigned)crosscheck_draw(&grinder->crosscheck, last ? 1 : part) << i;
    }
    return drawn;
}

/* Moves the chains forward by one segment and compares the drawn ones with OpenSSL. */
static void compute_checked(struct grinder *grinder, unsigned drawn, int64_t iterations) {
    const struct kernels *kernels = grinder->mill->kernels;
    uint64_t from[LANES_MAX][CHAIN_WORDS];
    memcpy(from, grinder->chains, sizeof from);
    kernels_run(kernels, grinder->chains, grinder->count, iterations);
    for (int i = 0; i < grinder->count; i++) {
        if (drawn >> i & 1 && !crosscheck_holds(from[i], grinder->chains[i], iterations)) {
            pthread_mutex_lock(&grinder->mill->lock); /* for good: the owner gets nothing more */
            crosscheck_stop(kernels_of_row(kernels, grinder->count, i));
        }
    }
}

/* Moves the chains forward, and checks a random segment of the drawn ones. */
static void compute(struct grinder *grinder, unsigned drawn, int64_t iterations) {
    const struct kernels *kernels = grinder->mill->kernels;
    if (drawn) {
        int64_t segment = iterations < SEGMENT_ITERATIONS ? iterations : SEGMENT_ITERATIONS;
        int64_t before = crosscheck_place(&grinder->crosscheck, iterations - segment);
        kernels_run(kernels, grinder->chains, grinder->count, before);
        compute_checked(grinder, drawn, segment);
        iterations -= before + segment;
    }
    kernels_run(kernels, grinder->chains, grinder->count, iterations);
}

/* Updates a thread's rate after each second of work, by elapsed time: a CPU quota (which stops the
 * thread for most of each tenth of a second) or a busy neighbour lowers the rate; having nothing to
 * do does not. Steps with fewer chains than lanes count by their undisturbed times. A new
 * measurement counts half. */
static void measure(struct grinder *grinder, int64_t iterations, int64_t elapsed_ns) {
    const struct kernels_step *steps = grinder->mill->kernels->steps;
    int width = grinder->mill->width;
    grinder->undisturbed_ns += (double)iterations * steps[grinder->count].ns;
    grinder->measured_ns += elapsed_ns;
    if (grinder->measured_ns < MEASURE_NS)
        return;
    double share = grinder->undisturbed_ns / (double)grinder->measured_ns;
    double rate = share * width * 1e9 / steps[width].ns;
    grinder->rate += (rate - grinder->rate) / 2;
    grinder->undisturbed_ns = 0;
    grinder->measured_ns = 0;
}

/* Makes the descriptor readable if this thread finished the first item to be collected. Called
 * without the lock: the owner takes it as soon as it wakes up. */
static void tell_owner(struct grinder *grinder) {
    uint64_t one = 1;
    if (grinder->tell && write(grinder->mill->descriptor, &one, sizeof one) < 0 && errno != EAGAIN)
        log_error("cannot tell that an item is finished: %m");
    grinder->tell = false;
}

/* Works for one slice, which counts from since_ns; returns when it ended. Called and left with the
 * lock held; computes without it. */
static int64_t grind_slice(struct grinder *grinder, int64_t since_ns) {
    struct mill *mill = grinder->mill;
    int64_t iterations = slice_iterations(grinder);
    for (int i = 0; i < grinder->count; i++)
        chain_load(grinder->chains[i], grinder->lanes[i].task->item.chain);
    unsigned drawn = draw_lanes(grinder, iterations);
    pthread_mutex_unlock(&mill->lock);
    tell_owner(grinder);
    compute(grinder, drawn, iterations);
    int64_t end_ns = now_ns();
    pthread_mutex_lock(&mill->lock);
    for (int i = 0; i < grinder->count; i++) {
        struct item *item = &grinder->lanes[i].task->item;
        chain_store(item->chain, grinder->chains[i]);
        item->remaining -= iterations;
    }
    measure(grinder, iterations, end_ns - since_ns);
    return end_ns;
}

/* Empties the lanes whose items are finished or dropped. */
static void clear_lanes(struct grinder *grinder) {
    struct mill *mill = grinder->mill;
    for (int i = grinder->count - 1; i >= 0; i--) {
        struct task *task = grinder->lanes[i].task;
        if (!task->dropped && task->item.remaining > 0)
            continue;
        if (!task->dropped) {
            items_add(&mill->finished, &task->item);
            grinder->tell |= mill->finished.count == 1;
        }
        run_queue_end(&mill->run_queue, task);
        grinder->lanes[i] = grinder->lanes[--grinder->count];
    }
}

/* Gives a lane's item back to the run queue, where another thread may take it. */
static void give_back(struct grinder *grinder, int lane) {
    run_queue_give_back(&grinder->mill->run_queue, grinder->lanes[lane].task);
    grinder->lanes[lane] = grinder->lanes[--grinder->count];
}

/* Puts a chain that waits on the next free lane. False when none waits. */
static bool pick(struct grinder *grinder, bool oldest, int64_t now) {
    struct task *task = run_queue_take(&grinder->mill->run_queue, oldest);
    if (task)
        grinder->lanes[grinder->count++] = (struct lane){.task = task, .since_ns = now};
    return task != NULL;
}

/* The lane with the longest chain of those that have had their turn, or -1. */
static int longest_lane(const struct grinder *grinder, int64_t now) {
    int longest = -1;
    int64_t most = 0;
    for (int i = 0; i < grinder->count; i++) {
        const struct lane *lane = &grinder->lanes[i];
        if (now - lane->since_ns >= TURN_NS && lane->task->item.remaining > most) {
            longest = i;
            most = lane->task->item.remaining;
        }
    }
    return longest;
}

/* Gives lanes of long chains to much shorter ones. */
static void preempt(struct grinder *grinder, int64_t now) {
    const struct task *shortest;
    int longest;
    while ((shortest = run_queue_shortest(&grinder->mill->run_queue)) != NULL &&
           (longest = longest_lane(grinder, now)) >= 0) {
        int64_t remaining = grinder->lanes[longest].task->item.remaining;
        if (shortest->item.remaining > remaining / MUCH_SHORTER)
            return;
        give_back(grinder, longest);
        pick(grinder, false, now);
    }
}

/* Fills the lanes up to this thread's fair share of what is in hand, and gives back what is beyond
 * it, so that no thread idles while another has more than its share. The shortest chains come
 * first; so that nothing starves, one in four is the one that was fed first. */
static void fill_lanes(struct grinder *grinder, int64_t now) {
    struct mill *mill = grinder->mill;
    int share = (mill->run_queue.count + mill->grinder_count - 1) / mill->grinder_count;
    if (share > mill->width)
        share = mill->width;
    while (grinder->count < share && pick(grinder, grinder->picks % OLDEST_EVERY == 0, now))
        grinder->picks++;
    while (grinder->count > share) {
        give_back(grinder, grinder->count - 1);
        pthread_cond_signal(&mill->fed);
    }
    preempt(grinder, now);
}

/* Waits until there may be something to do. Called and left with the lock held. */
static void rest(struct grinder *grinder) {
    struct mill *mill = grinder->mill;
    if (grinder->tell) {
        pthread_mutex_unlock(&mill->lock);
        tell_owner(grinder);
        pthread_mutex_lock(&mill->lock);
    } else {
        pthread_cond_wait(&mill->fed, &mill->lock);
    }
}

/* Raises the niceness of this thread (on Linux of no other) to NICENESS. Best effort. */
static void yield_to_others(void) {
    id_t thread = (id_t)gettid();
    if (getpriority(PRIO_PROCESS, thread) < NICENESS)
        setpriority(PRIO_PROCESS, thread, NICENESS);
}

void *grinder_run(void *argument) {
    struct grinder *grinder = argument;
    struct mill *mill = grinder->mill;
    int64_t now = now_ns();
    yield_to_others();
    pthread_mutex_lock(&mill->lock);
    while (!mill->halting) {
        fill_lanes(grinder, now);
        if (grinder->count > 0) {
            now = grind_slice(grinder, now);
        } else {
            rest(grinder);
            now = now_ns();
        }
        clear_lanes(grinder);
    }
    while (grinder->count > 0)
        give_back(grinder, grinder->count - 1);
    pthread_mutex_unlock(&mill->lock);
    tell_owner(grinder);
    return NULL;
}
