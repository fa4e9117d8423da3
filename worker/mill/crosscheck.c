#include "crosscheck.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "exit_code.h"
#include "kernels/processor.h"
#include "log.h"
#include "random.h"

enum { LOG_MS = 1000 /* how long the log may take */ };

void crosscheck_init(struct crosscheck *crosscheck, double share) {
    *crosscheck = (struct crosscheck){.share = share};
    random_fill(crosscheck->random, sizeof crosscheck->random);
}

bool crosscheck_draw(struct crosscheck *crosscheck, double part) {
    double share = crosscheck->share * part;
    return share > 0 && erand48(crosscheck->random) < share;
}

int64_t crosscheck_place(struct crosscheck *crosscheck, int64_t most) {
    return (int64_t)(erand48(crosscheck->random) * (double)(most + 1));
}

bool crosscheck_holds(const uint64_t from[CHAIN_WORDS], const uint64_t to[CHAIN_WORDS],
                      int64_t iterations) {
    uint64_t chain[1][CHAIN_WORDS];
    memcpy(chain[0], from, sizeof chain);
    kernel_openssl.run(chain, iterations);
    return memcmp(chain[0], to, sizeof chain) == 0;
}

void crosscheck_stop(const struct kernel *kernel) {
    char processor[200];
    struct pollfd log = {.fd = STDERR_FILENO, .events = POLLOUT};
    processor_name(processor, sizeof processor);
    if (poll(&log, 1, LOG_MS) > 0)
        log_error("kernel %s computed a chain wrongly on processor %s: OpenSSL comes to another "
                  "result. Stopping before anything more is reported; what was reported by this "
                  "machine before is in doubt. Take it out of service, or set "
                  "WORKER_KERNEL=openssl if other machines with this processor say the same",
                  kernel->name, processor);
    _exit(EXIT_UNSAFE);
}
