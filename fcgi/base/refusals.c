#include "refusals.h"

#include <stddef.h>
#include <sys/mman.h>

#include "clock.h"
#include "log.h"
#include "log_limit.h"

enum { OPEN_PAUSE_MS = 3600000 };

static struct refusals {
    _Atomic int64_t count;
    _Atomic int64_t open_until_ms; /* steady time; no warning before */
    struct log_limit limit;
} * refusals;

bool refusals_open(void) {
    void *memory =
        mmap(NULL, sizeof *refusals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    refusals = memory;
    return true;
}

void refusals_note(const char *address, const char *why) {
    int64_t left_out;
    if (!refusals)
        return;
    atomic_fetch_add(&refusals->count, 1);
    if (log_limit_passes(&refusals->limit, address, &left_out))
        log_warn("a call from %s was refused: %s (%lld more since the last such line)", address,
                 why, (long long)left_out);
}

void refusals_note_open(const char *address) {
    int64_t now_ms = clock_steady_ms();
    int64_t until_ms = refusals ? atomic_load(&refusals->open_until_ms) : INT64_MAX;
    if (now_ms < until_ms || !atomic_compare_exchange_strong(&refusals->open_until_ms, &until_ms,
                                                             now_ms + OPEN_PAUSE_MS))
        return;
    log_warn("the listener for clients is open at %s: everybody who reaches it can store, see, "
             "cancel and pull items; set KEYS, or have nginx listen on 127.0.0.1",
             address);
}

int64_t refusals_count(void) {
    return refusals ? atomic_load(&refusals->count) : 0;
}
