#ifndef HASHMILL_SELFTEST_H
#define HASHMILL_SELFTEST_H

#include <stdbool.h>
#include <stddef.h>

/* The known-answer test: compares OpenSSL, which the kernels are checked against, with published
 * values and long chains, in a few milliseconds. False on a machine that computes wrongly, with a
 * sentence in why that names processor and kernel; the worker then exits with EXIT_UNSAFE. */
bool selftest_run(char *why, size_t why_size);

#endif
