#include "refusals.h"

#include <stddef.h>
#include <sys/mman.h>

#include "log.h"
#include "log_limit.h"

static struct refusals {
    _Atomic int64_t count;
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

int64_t refusals_count(void) {
    return refusals ? atomic_load(&refusals->count) : 0;
}
