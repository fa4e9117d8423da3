#ifndef HASHMILL_SELFTEST_H
#define HASHMILL_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>

/* The known-answer test: compares OpenSSL, by which the kernels are checked, with published values
 * and long chains, in a few milliseconds. False, with a sentence that names processor and kernel in
 * why, on a machine that computes wrongly: the worker exits with EXIT_UNSAFE then. */
bool selftest_run(char *why, size_t why_size);

#endif
