#ifndef HASHMILL_SCRATCH_H
#define HASHMILL_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>

/* Where a test's own files go: a directory that is removed with the test (see t/support/guard),
 * else /tmp. */
__attribute__((unused)) static const char *scratch_parent(void) {
    const char *parent = getenv("TMPDIR");
    return parent ? parent : "/tmp";
}

/* Makes a template in there for mkdtemp or mkstemp. */
__attribute__((unused)) static void scratch_template(char path[60], const char *name) {
    snprintf(path, 60, "%.40s/%.10s-XXXXXX", scratch_parent(), name);
}

#endif
