/* Fibers: each has a stack of its own and runs until it waits. */

#include "sim.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

enum { FIBERS_MAX = 256, STACK_BYTES = 1024 * 1024, WAITS_MAX = 4, TICK_US = 1 };

struct fiber {
    ucontext_t context;
    void *stack;
    void *fake_stack;
    int node;
    const char *role;
    uint32_t number;
    void (*run)(void *context);
    void *argument;
    bool used;
    bool over;
    bool killed;
    bool woken;
    bool stopping;
    bool signal; /* interrupts its next wait */
    bool started;
    int points; /* until it is killed; 0: never */
    struct pollfd waits[WAITS_MAX];
    int wait_count;
    int64_t until_us;
    bool saw[2]; /* what SQLite's log told this process */
};

struct event {
    int64_t us;
    uint64_t number;
    void (*happen)(void *context);
    void *context;
};

int64_t sim_now_us;
void (*fiber_on_end)(struct fiber *fiber, bool killed);

/* Of fcgi/sqlite/store.c; each process has its own. */
extern bool saw_damage;
extern bool saw_no_memory;

static struct fiber fibers[FIBERS_MAX];
static struct fiber *current;
static ucontext_t scheduler;
static uint32_t last_number;
static int64_t paused_until[NODES];
static struct dice order = {1};

static struct event *events;
static int event_count;
static int event_capacity;
static uint64_t event_number;

uint64_t dice_next(struct dice *dice) {
    uint64_t z = (dice->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

int dice_below(struct dice *dice, int n) {
    return n <= 0 ? 0 : (int)(dice_next(dice) % (uint64_t)n);
}

bool dice_one_in(struct dice *dice, int n) {
    return dice_below(dice, n) == 0;
}

void dice_bytes(struct dice *dice, void *to, size_t size) {
    uint8_t *bytes = to;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(dice_next(dice) >> 32);
}

struct fiber *fiber_self(void) {
    return current;
}

int fiber_node(void) {
    return current ? current->node : NOBODY;
}

const char *fiber_role(void) {
    return current ? current->role : "sim";
}

uint32_t fiber_number(void) {
    return current ? current->number : 0;
}

uint32_t fiber_number_of(const struct fiber *fiber) {
    return fiber->number;
}

void fibers_begin(uint64_t seed) {
    order.state = seed;
}

/* --- Switching --- */

#if defined(__SANITIZE_ADDRESS__)
static const void *scheduler_stack;
static size_t scheduler_size;
static void *scheduler_fake;

static void to_fiber(struct fiber *fiber) {
    __sanitizer_start_switch_fiber(&scheduler_fake, fiber->stack, STACK_BYTES);
    swapcontext(&scheduler, &fiber->context);
    __sanitizer_finish_switch_fiber(scheduler_fake, NULL, NULL);
}

static void to_scheduler(struct fiber *fiber) {
    __sanitizer_start_switch_fiber(fiber->over ? NULL : &fiber->fake_stack, scheduler_stack,
                                   scheduler_size);
    swapcontext(&fiber->context, &scheduler);
    __sanitizer_finish_switch_fiber(fiber->fake_stack, &scheduler_stack, &scheduler_size);
}

static void arrive(void) {
    __sanitizer_finish_switch_fiber(NULL, &scheduler_stack, &scheduler_size);
}
#else
static void to_fiber(struct fiber *fiber) {
    swapcontext(&scheduler, &fiber->context);
}

static void to_scheduler(struct fiber *fiber) {
    swapcontext(&fiber->context, &scheduler);
}

static void arrive(void) {
}
#endif

/* Ends the current fiber; does not return. */
static void end_current(void) {
    current->over = true;
    to_scheduler(current);
    abort();
}

static void enter(void) {
    arrive();
    current->run(current->argument);
    end_current();
}

struct fiber *fiber_start(int node, const char *role, void (*run)(void *context), void *context) {
    struct fiber *fiber = fibers;
    while (fiber < fibers + FIBERS_MAX && fiber->used)
        fiber++;
    if (fiber == fibers + FIBERS_MAX)
        sim_fail("too many fibers");
    void *stack = fiber->stack;
    if (!stack)
        stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        sim_fail("no memory for a stack");
    *fiber = (struct fiber){.stack = stack,
                            .node = node,
                            .role = role,
                            .number = ++last_number,
                            .run = run,
                            .argument = context,
                            .used = true,
                            .woken = true,
                            .until_us = INT64_MAX};
    getcontext(&fiber->context);
    fiber->context.uc_stack.ss_sp = stack;
    fiber->context.uc_stack.ss_size = STACK_BYTES;
    fiber->context.uc_link = NULL;
    makecontext(&fiber->context, enter, 0);
    return fiber;
}

void fiber_wait(const struct pollfd *fds, int count, int64_t until_us) {
    if (!current)
        sim_fail("a wait outside of all fibers");
    current->wait_count = count;
    for (int i = 0; i < count; i++)
        current->waits[i] = fds[i];
    current->until_us = until_us;
    current->woken = false;
    to_scheduler(current);
}

void fiber_sleep(int64_t us) {
    int64_t until_us = sim_now_us + us;
    while (sim_now_us < until_us)
        fiber_wait(NULL, 0, until_us);
}

void fiber_wake(struct fiber *fiber) {
    fiber->woken = true;
}

/* --- Ending --- */

static void clean_up(struct fiber *fiber) {
    disk_forget(fiber->number);
    descriptors_close_of(fiber->number);
    fiber->used = false;
    if (fiber_on_end)
        fiber_on_end(fiber, fiber->killed);
}

void fiber_kill(struct fiber *fiber) {
    fiber->killed = true;
    if (fiber == current)
        end_current();
    clean_up(fiber);
}

void fiber_kill_at(struct fiber *fiber, int points) {
    fiber->points = points;
}

void fiber_point(void) {
    if (current && current->points > 0 && --current->points == 0)
        fiber_kill(current);
}

void fiber_stop(struct fiber *fiber) {
    fiber->stopping = true;
    fiber->signal = true;
    fiber->woken = true;
}

bool fiber_is_told(void) {
    bool told = current && current->signal;
    if (told)
        current->signal = false;
    return told;
}

bool fiber_is_stopping(void) {
    return current && current->stopping;
}

void fibers_pause(int node, int64_t until_us) {
    paused_until[node] = until_us;
}

/* --- Events --- */

static bool is_before(const struct event *a, const struct event *b) {
    return a->us != b->us ? a->us < b->us : a->number < b->number;
}

void event_at(int64_t us, void (*happen)(void *context), void *context) {
    if (event_count == event_capacity) {
        event_capacity = event_capacity ? 2 * event_capacity : 256;
        events = realloc(events, (size_t)event_capacity * sizeof *events);
        if (!events)
            abort();
    }
    int at = event_count++;
    struct event event = {us, event_number++, happen, context};
    for (; at > 0 && is_before(&event, &events[(at - 1) / 2]); at = (at - 1) / 2)
        events[at] = events[(at - 1) / 2];
    events[at] = event;
}

static struct event take_event(void) {
    struct event first = events[0];
    struct event last = events[--event_count];
    int at = 0;
    for (;;) {
        int child = 2 * at + 1;
        if (child >= event_count)
            break;
        child += child + 1 < event_count && is_before(&events[child + 1], &events[child]);
        if (!is_before(&events[child], &last))
            break;
        events[at] = events[child];
        at = child;
    }
    events[at] = last;
    return first;
}

/* --- Who runs next --- */

static bool is_paused(const struct fiber *fiber) {
    return fiber->node >= 0 && paused_until[fiber->node] > sim_now_us;
}

/* Wakes the fibers that wait for a descriptor that is ready. */
static void look_at_descriptors(void) {
    static struct pollfd fds[FIBERS_MAX * WAITS_MAX];
    static struct fiber *whose[FIBERS_MAX * WAITS_MAX];
    nfds_t count = 0;
    for (struct fiber *fiber = fibers; fiber < fibers + FIBERS_MAX; fiber++) {
        if (!fiber->used || fiber->woken)
            continue;
        for (int i = 0; i < fiber->wait_count; i++) {
            whose[count] = fiber;
            fds[count++] = fiber->waits[i];
        }
    }
    if (count == 0 || poll(fds, count, 0) <= 0)
        return;
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].revents != 0)
            whose[i]->woken = true;
    }
}

/* Draws one of the fibers that can run; NULL when none can. */
static struct fiber *choose(void) {
    struct fiber *chosen = NULL;
    int count = 0;
    for (struct fiber *fiber = fibers; fiber < fibers + FIBERS_MAX; fiber++) {
        bool ready = fiber->used && (fiber->woken || fiber->until_us <= sim_now_us);
        if (ready && !is_paused(fiber) && dice_below(&order, ++count) == 0)
            chosen = fiber;
    }
    return chosen;
}

static void resume(struct fiber *fiber) {
    current = fiber;
    saw_damage = fiber->saw[0];
    saw_no_memory = fiber->saw[1];
    fiber->wait_count = 0;
    to_fiber(fiber);
    fiber->saw[0] = saw_damage;
    fiber->saw[1] = saw_no_memory;
    current = NULL;
    sim_now_us += TICK_US;
    if (fiber->over)
        clean_up(fiber);
}

/* The next time at which an event or a fiber is due. */
static int64_t next_moment(void) {
    int64_t next = event_count > 0 ? events[0].us : INT64_MAX;
    for (struct fiber *fiber = fibers; fiber < fibers + FIBERS_MAX; fiber++) {
        if (!fiber->used)
            continue;
        int64_t due = fiber->woken ? sim_now_us : fiber->until_us;
        if (fiber->node >= 0 && paused_until[fiber->node] > due)
            due = paused_until[fiber->node];
        next = due < next ? due : next;
    }
    return next;
}

void sim_run_until(int64_t until_us) {
    int idle = 0;
    while (sim_now_us < until_us) {
        while (event_count > 0 && events[0].us <= sim_now_us) {
            struct event event = take_event();
            event.happen(event.context);
        }
        struct fiber *fiber = choose();
        if (fiber && idle < 8) { /* after 8 in a row descriptors are looked at */
            idle++;
            resume(fiber);
            continue;
        }
        idle = 0;
        look_at_descriptors();
        fiber = choose();
        if (fiber) {
            resume(fiber);
            continue;
        }
        int64_t next = next_moment();
        sim_now_us = next < until_us ? (next > sim_now_us ? next : sim_now_us) : until_us;
    }
}
