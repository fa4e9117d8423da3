#ifndef HASHMILL_BENCH_H
#define HASHMILL_BENCH_H

#include <stdbool.h>
#include <stdio.h>

/*
 * Measures what this machine can compute with on one core, and OpenSSL's interfaces, and prints a
 * table that people and scripts can read: lines that begin with # are for people, all others have
 * these fields, separated by blanks, "-" where one does not apply:
 *
 *     name  chains  ns an iteration of all chains  million iterations a second  cycles  percent of
 *     the port bound
 *
 * Names are those of the kernels; "table" for what the mill would use for so many chains; and
 * "evp" (a context of EVP_sha512() for each digest), "evp-fetched" (a context started again, of a
 * function looked up once), "transform" (SHA512_Transform on a padded block, without any
 * interface). The port bound is the kernel's own (bench_ports.h), that of "table" the widest
 * kernel's. Each figure is the median of several runs.
 *
 * extent says how much: NULL every kernel and the table with 1 to 16 chains, in some four seconds;
 * "short" every kernel with as many chains as it has lanes, and no table, in half a second, for
 * scripts that repeat it. False, with an error in the log, if it is something else, or if no kernel
 * computes rightly.
 */
bool print_bench(FILE *out, const char *extent);

#endif
