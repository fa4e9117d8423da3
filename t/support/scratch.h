#ifndef HASHMILL_SCRATCH_H
#define HASHMILL_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>

/* Where a test's own files go: a directory that is removed with the test (see t/support/guard),
 * else /tmp. */
__attribute__((unused)) static const char *scratch_parent(void) {
    const char *parent = getenv("TMPDIR");
    return parent && parent[0] != '\0' ? parent : "/tmp";
}

/* Makes a template in there for mkdtemp or mkstemp: a short path, so that sockets fit in it. */
__attribute__((unused)) static void scratch_template(char path[60], const char *name) {
    if (snprintf(path, 60, "%s/%s-XXXXXX", scratch_parent(), name) < 60)
        return;
    fprintf(stderr, "TMPDIR is too long for a test: %s\n", scratch_parent());
    exit(1);
}

#endif
