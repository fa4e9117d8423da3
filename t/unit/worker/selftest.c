/* The known-answer test: on this machine, and on one that computes wrongly. */
#include "worker/kernels/selftest.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* What the test says of a machine that computes wrongly; empty when it finds nothing. A child plays
 * the machine: once a process has computed, it stays right or wrong for life. */
static void judge_broken(char *why, size_t size) {
    int pipe_ends[2];
    if (pipe(pipe_ends) != 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        char text[500] = "";
        setenv("HASHMILL_TEST_BROKEN_HASH", "1", 1);
        if (!selftest_run(text, sizeof text) &&
            write(pipe_ends[1], text, strlen(text)) != (ssize_t)strlen(text))
            _exit(1);
        _exit(0);
    }
    close(pipe_ends[1]);
    ssize_t length = read(pipe_ends[0], why, size - 1);
    why[length > 0 ? length : 0] = '\0';
    close(pipe_ends[0]);
    waitpid(child, NULL, 0);
}

int main(void) {
    char why[500] = "";
    judge_broken(why, sizeof why);
    ok(strstr(why, "wrongly: the digest of \"abc\"") != NULL, "a broken machine is found out");
    ok(strstr(why, "kernel openssl") && strstr(why, "processor "), "by kernel and processor");
    ok(strstr(why, "out of service") != NULL, "with what to do about it");
    why[0] = '\0';
    ok(selftest_run(why, sizeof why), "this machine computes rightly %s", why);
    return done_testing();
}
