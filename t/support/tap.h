#ifndef HASHMILL_TAP_H
#define HASHMILL_TAP_H

/* Unit tests in C that speak TAP (https://testanything.org), for prove. One file is one program:
 * its main calls the checks below and ends with `return done_testing();`. */

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_count;
static int tap_failed;

/* Reports one check; the name is printf-style. Returns its outcome. */
__attribute__((format(printf, 2, 3), unused)) static bool ok(bool passed, const char *name, ...) {
    va_list arguments;
    printf("%sok %d - ", passed ? "" : "not ", ++tap_count);
    va_start(arguments, name);
    vprintf(name, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    tap_failed += !passed;
    return passed;
}

/* Check that two whole numbers, or two texts, are equal; a difference is shown. */
__attribute__((unused)) static bool is_int(long long got, long long wanted, const char *name) {
    if (!ok(got == wanted, "%s", name))
        printf("# got %lld, wanted %lld\n", got, wanted);
    return got == wanted;
}

__attribute__((unused)) static bool is_text(const char *got, const char *wanted, const char *name) {
    bool same = got && strcmp(got, wanted) == 0;
    if (!ok(same, "%s", name))
        printf("# got %s, wanted %s\n", got ? got : "(NULL)", wanted);
    return same;
}

/* Prints the plan. Returns the program's exit code. */
__attribute__((unused)) static int done_testing(void) {
    printf("1..%d\n", tap_count);
    return tap_failed > 0;
}

#endif
