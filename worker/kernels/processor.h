#ifndef HASHMILL_PROCESSOR_H
#define HASHMILL_PROCESSOR_H

#include <stddef.h>

/* The processor's name as the kernel of this machine tells it, "unknown" when it does not. */
void processor_name(char *name, size_t size);

#endif
