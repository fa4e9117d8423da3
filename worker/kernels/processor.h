#ifndef HASHMILL_PROCESSOR_H
#define HASHMILL_PROCESSOR_H

#include <stddef.h>

/* The processor's name by /proc/cpuinfo; "unknown" when there is none. */
void processor_name(char *name, size_t size);

#endif
