#include "base/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/exit.h"

static volatile sig_atomic_t asked;
static int descriptor = -1;

static void on_signal(int signal) {
    int number = errno;
    uint64_t one = 1;
    (void)signal;
    if (asked)
        _exit(CLIENT_INTERRUPTED);
    asked = 1;
    if (write(descriptor, &one, sizeof one) < 0)
        _exit(CLIENT_INTERRUPTED); /* else it would never be noticed */
    errno = number;
}

void stop_catch(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART */
    sigemptyset(&action.sa_mask);
    descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (unsigned i = 0; i < sizeof signals / sizeof *signals && descriptor >= 0; i++) {
        struct sigaction before;
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

bool stop_asked(void) {
    return asked;
}

int stop_descriptor(void) {
    return descriptor;
}
