#include "sockets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/lock.h"
#include "log.h"

enum {
    BACKLOG = 4096,      /* a full one causes an instant 502; the kernel cuts it to somaxconn */
    LOCK_WAIT_MS = 3000, /* for the children of a master just killed */
    PATH_SIZE = SETTING_TEXT_SIZE + 24
};

static const char pass_variable[] = "HASHMILL_SOCKETS";

static const char *const names[SOCKET_COUNT] = {
    [SOCKET_PUBLIC] = "public.sock",          [SOCKET_PUBLIC_WAIT] = "public-wait.sock",
    [SOCKET_WORKER] = "worker.sock",          [SOCKET_WORKER_WAIT] = "worker-wait.sock",
    [SOCKET_CHANNEL] = "writer/ops.sock",     [SOCKET_LOCK] = "lock",
    [SOCKET_PEERING] = "writer/peering.sock", [SOCKET_REPLICA] = "replica.sock",
    [SOCKET_METRICS] = "metrics.sock",        [SOCKET_INTAKE] = "intake.sock",
};

static void path_of(char path[PATH_SIZE], const struct conf *conf, enum socket_name name) {
    snprintf(path, PATH_SIZE, "%s/%s", conf->run_dir, names[name]);
}

/* Whether a node with these settings has this socket. */
static bool is_wanted(const struct conf *conf, int name) {
    return (name != SOCKET_PEERING && name != SOCKET_REPLICA) || conf->has_peer;
}

bool sockets_fit(const struct conf *conf, char *why, size_t why_size) {
    const size_t most = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    const char *longest = "";
    for (int i = 0; i < SOCKET_COUNT; i++) {
        if (i != SOCKET_LOCK && is_wanted(conf, i) && strlen(names[i]) > strlen(longest))
            longest = names[i];
    }
    size_t length = strlen(conf->run_dir) + 1 + strlen(longest);
    if (length <= most)
        return true;
    snprintf(why, why_size, "RUN_DIR is too long by %zu bytes for the socket %s in it",
             length - most, longest);
    return false;
}

/* The group that may connect: SOCKET_GROUP's, or -1 for this process's own. */
static bool find_group(const struct conf *conf, gid_t *group) {
    *group = (gid_t)-1;
    if (conf->socket_group[0] == '\0')
        return true;
    const struct group *entry = getgrnam(conf->socket_group);
    if (entry) {
        *group = entry->gr_gid;
        return true;
    }
    log_error("SOCKET_GROUP: there is no group %s on this machine", conf->socket_group);
    return false;
}

/* Whether this program makes a file of this name in RUN_DIR. */
static bool is_ours(const char *name) {
    static const char *const others[] = {"writer", "hashmill-fcgi.pid", "disk-failed"};
    bool ours = false;
    for (int i = 0; i < SOCKET_COUNT; i++)
        ours |= strcmp(name, names[i]) == 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ours |= strcmp(name, others[i]) == 0;
    return ours;
}

/* Whether a directory has files, but none of an earlier master. */
static bool is_foreign(const char *path) {
    bool ours = false;
    bool filled = false;
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory && !ours && (entry = readdir(directory)) != NULL) {
        ours = is_ours(entry->d_name);
        filled |= strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    if (directory)
        closedir(directory);
    if (!filled || ours)
        return false;
    log_error("RUN_DIR: %s has files of somebody else in it; name a directory for hashmill-fcgi "
              "alone",
              path);
    return true;
}

static bool make_directory(const char *path, mode_t mode, gid_t group) {
    if (mkdir(path, mode) != 0 && errno != EEXIST) {
        log_error("cannot make %s: %m", path);
        return false;
    }
    if (chmod(path, mode) == 0 && (group == (gid_t)-1 || chown(path, (uid_t)-1, group) == 0))
        return true;
    log_error("cannot set mode or group of %s: %m; it must belong to this user", path);
    return false;
}

int sockets_listen(const char *path, int type, gid_t group) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        log_error("the socket path %s is longer than %zu bytes; choose a shorter RUN_DIR", path,
                  sizeof address.sun_path - 1);
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        unlink(path);
    mode_t before = umask(0117);
    bool good = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    umask(before);
    if (good && (group == (gid_t)-1 || chown(path, (uid_t)-1, group) == 0) &&
        listen(fd, BACKLOG) == 0)
        return fd;
    log_error("cannot listen on %s: %m", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Takes the lock of RUN_DIR. The children inherit it, so it is free only after the last process of
 * an earlier master has ended. */
static int take_lock(const struct conf *conf) {
    char path[PATH_SIZE];
    path_of(path, conf, SOCKET_LOCK);
    int fd = lock_take(path, LOCK_WAIT_MS);
    if (fd < 0 && errno == EWOULDBLOCK)
        log_error("another hashmill-fcgi serves %s already; stop it or set another RUN_DIR",
                  conf->run_dir);
    else if (fd < 0)
        log_error("cannot open %s: %m", path);
    return fd;
}

/* Reads one descriptor of the passed list; -1 if it was closed. False at the end of the list. */
static bool read_descriptor(const char **text, int *fd) {
    char *end;
    long number = strtol(*text, &end, 10);
    bool good = end != *text && *end == ',' &&
                (number == -1 || (number >= 3 && number <= 1000000 &&
                                  fcntl((int)number, F_SETFD, FD_CLOEXEC) == 0));
    if (!good)
        return false;
    *fd = (int)number;
    *text = end + 1;
    return true;
}

/* Reads the descriptors that an earlier generation has passed. False when there are none; closes
 * them and returns false when they are for another RUN_DIR. */
static bool take_over(struct sockets *sockets, const struct conf *conf) {
    const char *text = getenv(pass_variable);
    if (!text)
        return false;
    for (int i = 0; i < SOCKET_COUNT; i++) {
        if (!read_descriptor(&text, &sockets->fd[i]) && i < SOCKET_PEERING) {
            log_error("%s is not what this program has set; it is ignored", pass_variable);
            unsetenv(pass_variable);
            return false;
        }
    }
    bool same = strcmp(text, conf->run_dir) == 0;
    unsetenv(pass_variable);
    for (int i = 0; i < SOCKET_COUNT && !same; i++) {
        if (sockets->fd[i] >= 0)
            close(sockets->fd[i]);
    }
    return same;
}

/* Opens or closes a socket that earlier versions do not pass, as the settings say now. */
static bool settle(struct sockets *sockets, const struct conf *conf, enum socket_name name,
                   int type, gid_t group) {
    char path[PATH_SIZE];
    int *fd = &sockets->fd[name];
    path_of(path, conf, name);
    if (!is_wanted(conf, name) && *fd >= 0) {
        close(*fd);
        unlink(path);
        *fd = -1;
    } else if (is_wanted(conf, name) && *fd < 0) {
        *fd = sockets_listen(path, type, group);
        return *fd >= 0;
    }
    return true;
}

static bool settle_later_ones(struct sockets *sockets, const struct conf *conf) {
    gid_t group;
    return settle(sockets, conf, SOCKET_PEERING, SOCK_SEQPACKET, (gid_t)-1) &&
           find_group(conf, &group) && settle(sockets, conf, SOCKET_REPLICA, SOCK_STREAM, group) &&
           settle(sockets, conf, SOCKET_METRICS, SOCK_STREAM, group) &&
           settle(sockets, conf, SOCKET_INTAKE, SOCK_STREAM, group);
}

static void forget_all(struct sockets *sockets) {
    for (int i = 0; i < SOCKET_COUNT; i++)
        sockets->fd[i] = -1;
}

/* The inode of a path; 0 when there is none. */
static ino_t inode_of(const struct conf *conf, enum socket_name name) {
    char path[PATH_SIZE];
    struct stat info;
    path_of(path, conf, name);
    return stat(path, &info) == 0 ? info.st_ino : 0;
}

/* Makes the directories and the missing descriptors, the lock first. */
static bool make_missing(struct sockets *sockets, const struct conf *conf) {
    gid_t group;
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/writer", conf->run_dir);
    if (!find_group(conf, &group) || is_foreign(conf->run_dir) ||
        !make_directory(conf->run_dir, 0750, group) || !make_directory(path, 0700, (gid_t)-1))
        return false;
    if (sockets->fd[SOCKET_LOCK] < 0)
        sockets->fd[SOCKET_LOCK] = take_lock(conf);
    if (sockets->fd[SOCKET_LOCK] < 0)
        return false;
    for (int i = SOCKET_PUBLIC; i <= SOCKET_CHANNEL; i++) {
        bool channel = i == SOCKET_CHANNEL;
        path_of(path, conf, (enum socket_name)i);
        if (sockets->fd[i] < 0)
            sockets->fd[i] = sockets_listen(path, channel ? SOCK_SEQPACKET : SOCK_STREAM,
                                            channel ? (gid_t)-1 : group);
        if (sockets->fd[i] < 0)
            return false;
    }
    return true;
}

static bool is_whole(const struct sockets *sockets) {
    for (int i = 0; i < SOCKET_COUNT; i++) {
        if (i < SOCKET_PEERING && sockets->fd[i] < 0)
            return false;
    }
    return true;
}

bool sockets_open(struct sockets *sockets, const struct conf *conf) {
    path_of(sockets->channel, conf, SOCKET_CHANNEL);
    path_of(sockets->peering, conf, SOCKET_PEERING);
    forget_all(sockets);
    if (!take_over(sockets, conf))
        forget_all(sockets);
    if ((!is_whole(sockets) && !make_missing(sockets, conf)) || !settle_later_ones(sockets, conf))
        return false;
    for (int i = 0; i < SOCKET_COUNT; i++)
        sockets->inode[i] = sockets->fd[i] >= 0 ? inode_of(conf, (enum socket_name)i) : 0;
    return true;
}

/* Whether a path no longer leads to its descriptor. */
static bool is_lost(const struct sockets *sockets, const struct conf *conf, int name) {
    return sockets->fd[name] >= 0 && inode_of(conf, (enum socket_name)name) != sockets->inode[name];
}

const char *sockets_lost(const struct sockets *sockets, const struct conf *conf) {
    for (int i = 0; i < SOCKET_COUNT; i++) {
        if (is_lost(sockets, conf, i))
            return names[i];
    }
    return NULL;
}

void sockets_channel(char path[SETTING_TEXT_SIZE + 24], const struct conf *conf) {
    path_of(path, conf, SOCKET_CHANNEL);
}

void sockets_pass(const struct sockets *sockets, const struct conf *conf) {
    char text[SETTING_TEXT_SIZE + 100];
    size_t length = 0;
    for (int i = 0; i < SOCKET_COUNT; i++) {
        int fd = is_lost(sockets, conf, i) ? -1 : sockets->fd[i]; /* exec closes it */
        if (fd >= 0)
            fcntl(fd, F_SETFD, 0);
        length += (size_t)snprintf(text + length, sizeof text - length, "%d,", fd);
    }
    snprintf(text + length, sizeof text - length, "%s", conf->run_dir);
    setenv(pass_variable, text, 1);
}

void sockets_remove(const struct sockets *sockets, const struct conf *conf) {
    char path[PATH_SIZE];
    for (int i = 0; i < SOCKET_COUNT; i++) {
        path_of(path, conf, (enum socket_name)i);
        if (i != SOCKET_LOCK && !is_lost(sockets, conf, i))
            unlink(path);
    }
}
