#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/exit.h"

void standard_open(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* The wrong way round: input cannot be read, nor the others written. */
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(CLIENT_FAILED); /* nobody can be told */
    }
}
