#ifndef HASHMILL_BENCH_PORTS_H
#define HASHMILL_BENCH_PORTS_H

#include "kernels/kernel.h"

/*
 * The limit of the processor that kernels are compared with. A unit that adds, rotates or combines
 * words takes one operation a cycle through its port. The port bound of a kernel is the time of an
 * iteration in which each of these units gets an operation in every cycle, for the least number of
 * operations known for its instructions. No order of instructions is faster; only fewer
 * instructions are.
 */
struct bench_ports {
    double scalar, wide_256, wide_512; /* additions in a cycle; 0: none, or not known */
};

/* The monotonic clock, in nanoseconds. */
double bench_now_ns(void);

/* Nanoseconds of a processor cycle just now; 0 where they cannot be measured. Takes 20 us. */
double bench_cycle_ns(void);

/* Measures how many additions the processor does in a cycle, and keeps the highest result so far.
 * Call it now and then: any disturbance lowers a result. Takes a millisecond. */
void bench_ports_measure(struct bench_ports *ports);

/* The port bound of a kernel with full lanes, in cycles an iteration of one chain; 0 where it is
 * unknown, as for OpenSSL, whose operations we do not count. */
double bench_bound_cycles(const struct bench_ports *ports, const struct kernel *kernel);

#endif
