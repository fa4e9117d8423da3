#ifndef HASHMILL_T_FUZZ_H
#define HASHMILL_T_FUZZ_H

/* Fuzz targets: each file beside this one is a program that feeds inputs to one reader of what
 * comes from outside. Built with libFuzzer (make fuzz) it looks for inputs by itself; with driver.c
 * it is given its seeds (t/stress/fuzz-seeds.t). must() says what an input must never do besides
 * crash. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be true whatever the input. */
#define must(what)                                                                                 \
    do {                                                                                           \
        if (!(what)) {                                                                             \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #what);                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A copy of the input with a NUL behind it, and no byte more: to be freed. */
static inline char *fuzz_text(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (!text)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* Cuts off the first line, by which an input says what it is for. Returns the rest. */
static inline char *fuzz_cut_line(char *text) {
    char *end = strchr(text, '\n');
    if (!end)
        return text + strlen(text);
    *end = '\0';
    return end + 1;
}

#endif
