#ifndef HASHMILL_SELFTEST_H
#define HASHMILL_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>

/* The known-answer test: compares the kernel with published values and long chains, in a few
 * milliseconds. Returns true with the rate of one thread, iterations a second, in *rate; false,
 * with a sentence that names processor and kernel in why, on a machine that computes wrongly. */
bool selftest_run(double *rate, char *why, size_t why_size);

#endif
