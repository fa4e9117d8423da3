#include "memory.h"

#include <stdlib.h>

#include "log.h"

void *memory_or_end(void *memory, const char *what) {
    if (!memory) {
        log_error("out of memory for %s; give this machine more memory", what);
        abort();
    }
    return memory;
}
