#ifndef HASHMILL_BENCH_H
#define HASHMILL_BENCH_H

#include <stdio.h>

/*
 * Measures every kernel that this machine can run with 1 to 16 chains on one core, and OpenSSL's
 * interfaces, and prints a table that people and scripts can read: lines that begin with # are for
 * people, all others have these fields, separated by blanks, "-" where one does not apply:
 *
 *     name  chains  ns an iteration of all chains  million iterations a second  cycles  percent of
 *     the port bound
 *
 * Names are those of the kernels; "table" for what the mill would use for so many chains; and
 * "evp" (a context of EVP_sha512() for each digest), "evp-fetched" (a context started anew, of a
 * function looked up once), "transform" (SHA512_Transform on a padded block, without any
 * interface). Takes some five seconds; each figure is the median of several runs.
 */
void print_bench(FILE *out);

#endif
