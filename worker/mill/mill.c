#include "mill.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "memory.h"
#include "mill_parts.h"

enum { STACK_BYTES = 256 * 1024 };

/* Starts the next thread. False when the machine refuses. */
static bool start_grinder(struct mill *mill, double check_share) {
    struct grinder *grinder = &mill->grinders[mill->grinder_count];
    pthread_attr_t attributes;
    grinder->mill = mill;
    crosscheck_init(&grinder->crosscheck, check_share);
    grinder->rate = mill->width * 1e9 / mill->kernels->steps[mill->width].ns;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_mutex_lock(&mill->lock); /* the threads read the count */
    int error = pthread_create(&grinder->thread, &attributes, grinder_run, grinder);
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

struct mill *mill_open(int threads, const struct kernels *kernels, int check_percent) {
    struct mill *mill = memory_or_end(calloc(1, sizeof *mill), "the mill");
    mill->grinders = memory_or_end(calloc((size_t)threads, sizeof *mill->grinders), "the mill");
    mill->kernels = kernels;
    mill->width = best_width(kernels);
    run_queue_init(&mill->run_queue);
    pthread_mutex_init(&mill->lock, NULL);
    pthread_cond_init(&mill->fed, NULL);
    mill->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mill->descriptor < 0) {
        log_error("cannot make an event descriptor: %m");
        mill_close(mill);
        return NULL;
    }
    for (int i = 0; i < threads; i++) {
        if (!start_grinder(mill, check_percent / 100.0)) {
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
    run_queue_free(&mill->run_queue);
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

/* The same item, finished and not yet collected, or NULL. */
static struct item *find_finished(const struct mill *mill, const struct item *item) {
    for (int i = 0; i < mill->finished.count; i++) {
        struct item *finished = &mill->finished.list[i];
        if (finished->node == item->node && same_id(finished->id, item->id))
            return finished;
    }
    return NULL;
}

bool mill_feed(struct mill *mill, const struct item *item) {
    pthread_mutex_lock(&mill->lock);
    struct task *task = run_queue_find(&mill->run_queue, item->node, item->id);
    struct item *finished = find_finished(mill, item);
    bool known = finished || (task && task->item.remaining <= item->remaining);
    if (known) {
        uuid_copy(finished ? finished->lease : task->item.lease, item->lease);
    } else {
        if (task)
            run_queue_drop(&mill->run_queue, task);
        run_queue_add(&mill->run_queue, item);
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
    const struct task *task;
    pthread_mutex_lock(&mill->lock);
    TAILQ_FOREACH(task, &mill->run_queue.fed, next_fed) {
        if (task->item.node == node)
            items_add(list, &task->item);
    }
    pthread_mutex_unlock(&mill->lock);
}

/* Adds a node's items that are on lanes. */
static void count_running(const struct mill *mill, int node, int64_t cap,
                          struct run_queue_load *load) {
    for (int i = 0; i < mill->grinder_count; i++) {
        const struct grinder *grinder = &mill->grinders[i];
        for (int lane = 0; lane < grinder->count; lane++) {
            const struct task *task = grinder->lanes[lane].task;
            if (task->item.node == node && !task->dropped)
                run_queue_count(load, &task->item, cap);
        }
    }
}

struct mill_load mill_load(struct mill *mill, int node, int64_t cap) {
    struct mill_load sum = {0};
    pthread_mutex_lock(&mill->lock);
    for (int i = 0; i < NODES_MAX; i++) {
        if (mill->run_queue.items[i] == 0)
            continue;
        struct run_queue_load load = run_queue_waiting(&mill->run_queue, i, cap);
        count_running(mill, i, cap, &load);
        sum.all_items += load.items;
        sum.all_iterations += load.iterations;
        if (i == node) {
            sum.items = load.items;
            sum.iterations = load.iterations;
            sum.long_items = load.long_items;
        }
    }
    pthread_mutex_unlock(&mill->lock);
    return sum;
}

void mill_drop(struct mill *mill, int node, const uuid_t id, const uuid_t lease) {
    pthread_mutex_lock(&mill->lock);
    struct task *task = run_queue_find(&mill->run_queue, node, id);
    if (task && same_id(task->item.lease, lease))
        run_queue_drop(&mill->run_queue, task);
    pthread_mutex_unlock(&mill->lock);
}
