#include "memory.h"

#include <stdlib.h>
#include <sys/prctl.h>

#include "log.h"

void *memory_or_end(void *memory, const char *what) {
    if (!memory) {
        log_error("out of memory for %s; give this machine more memory", what);
        abort();
    }
    return memory;
}

void memory_keep_private(void) {
#ifdef HASHMILL_TEST
    if (getenv("HASHMILL_TEST_DUMPABLE"))
        return;
#endif
    if (prctl(PR_SET_DUMPABLE, 0) != 0)
        log_warn("this process's memory cannot be kept from others of its user: %m");
}
