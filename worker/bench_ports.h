#ifndef HASHMILL_BENCH_PORTS_H
#define HASHMILL_BENCH_PORTS_H

#include "kernels/kernel.h"

/*
 * The limit of the processor that a kernel is measured by. A unit that adds, rotates or combines
 * words takes one operation in a cycle through its port; the port bound of a kernel is the time of
 * an iteration when all of these units get one in every cycle, for the least number of operations
 * that is known for its instructions. No order of instructions is faster; only fewer are.
 */
struct bench_ports {
    double scalar, wide_256, wide_512; /* additions in a cycle; 0: none, or not known */
};

/* Nanoseconds by a clock that only moves forward. */
double bench_now_ns(void);

/* Nanoseconds of a cycle of the processor just now; 0 where that cannot be told. Takes 20 us. */
double bench_cycle_ns(void);

/* Measures how many additions the processor does in a cycle, and keeps what is more than was
 * measured before: to be called now and then, as all that disturbs makes it less. Takes a
 * millisecond. */
void bench_ports_measure(struct bench_ports *ports);

/* The port bound of a kernel in cycles an iteration of each chain, when all its lanes have one; 0
 * where there is none to tell: OpenSSL's, whose operations are not ours to count. */
double bench_bound_cycles(const struct bench_ports *ports, const struct kernel *kernel);

#endif
