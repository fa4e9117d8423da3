#ifndef HASHMILL_BENCH_H
#define HASHMILL_BENCH_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Measures the kernels and OpenSSL's interfaces on one core of this machine, and prints a table for
 * people and scripts. Lines that begin with # are for people. All others have these fields,
 * separated by blanks, "-" where a field does not apply:
 *
 *     name  chains  ns an iteration of all chains  million iterations a second  cycles  percent of
 *     the port bound
 *
 * Names are those of the kernels; "table" for what the mill would use for this number of chains;
 * and "evp" (a context started with EVP_sha512() for each digest), "evp-fetched" (the same with the
 * function looked up once), "transform" (SHA512_Transform on a padded block, without any
 * interface). The port bound is the kernel's own (bench_ports.h), that of "table" the widest
 * kernel's. Each figure is the median of several runs.
 *
 * extent: NULL measures every kernel and the table with 1 to 18 chains, in some four seconds;
 * "short" every kernel with full lanes, and no table, in half a second, for scripts that repeat it.
 * False, with an error in the log, for any other extent, or if no kernel computes rightly.
 */
bool print_bench(FILE *out, const char *extent);

#endif
