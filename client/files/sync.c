#include "files/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/say.h"
#include "buffer.h"

bool write_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t put = write(fd, bytes, length);
        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0) {
            bytes += put;
            length -= (size_t)put;
        }
    }
    return true;
}

bool sync_parent(const char *path) {
    struct buffer parent = {0};
    const char *slash = strrchr(path, '/');
    if (slash == path)
        buffer_puts(&parent, "/");
    else if (slash)
        buffer_append(&parent, path, (size_t)(slash - path));
    else
        buffer_puts(&parent, ".");
    buffer_append(&parent, "", 1);
    int fd = open(parent.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (!good)
        say("cannot sync the directory %s: %m", parent.data);
    if (fd >= 0)
        close(fd);
    buffer_free(&parent);
    return good;
}
