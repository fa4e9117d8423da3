#ifndef HASHMILL_SOCKETS_H
#define HASHMILL_SOCKETS_H

#include <sys/types.h>

#include "base/conf.h"

/* The descriptors that outlive every child and a reload: the listening sockets, and the lock that
 * makes this master the only one of its RUN_DIR. */
enum socket_name {
    SOCKET_PUBLIC,
    SOCKET_PUBLIC_WAIT,
    SOCKET_WORKER,
    SOCKET_WORKER_WAIT,
    SOCKET_CHANNEL,
    SOCKET_LOCK,
    /* these are -1 without PEERS; they come behind, since earlier versions do not pass them */
    SOCKET_PEERING,
    SOCKET_REPLICA,
    SOCKET_METRICS, /* since 0.1.1 */
    SOCKET_INTAKE,  /* since 0.1.1 */
    SOCKET_COUNT
};

struct sockets {
    int fd[SOCKET_COUNT];
    ino_t inode[SOCKET_COUNT];            /* of its path; 0: the path was missing */
    char channel[SETTING_TEXT_SIZE + 24]; /* path of the writer's socket */
    char peering[SETTING_TEXT_SIZE + 24]; /* path of the peering process's socket */
};

/* Whether RUN_DIR is short enough: a socket's path may have 107 bytes, and those that these
 * settings need must fit. False with a sentence in why that begins with RUN_DIR. */
bool sockets_fit(const struct conf *conf, char *why, size_t why_size);

/* Takes over the descriptors of an earlier generation (sockets_pass), and makes what is missing:
 * the directory with its mode and group, the lock and the sockets. Refuses a directory filled by
 * somebody else. False after logging why and what to do. */
bool sockets_open(struct sockets *sockets, const struct conf *conf);

/* Makes a non-blocking listening unix socket of a type (SOCK_STREAM, SOCK_SEQPACKET); replaces the
 * path. Only its owner and the group may connect, as libfcgi trusts its peer; group -1 is this
 * process's own. -1 after logging why. */
int sockets_listen(const char *path, int type, gid_t group);

/* The path of the writer's socket of a running server. */
void sockets_channel(char path[SETTING_TEXT_SIZE + 24], const struct conf *conf);

/* The first path that no longer leads to the opened socket, as when somebody has cleared RUN_DIR:
 * nobody reaches this server by it. NULL when all do. */
const char *sockets_lost(const struct sockets *sockets, const struct conf *conf);

/* Passes all descriptors to the program that this process is about to exec; lost ones are closed,
 * so that the program makes new ones. */
void sockets_pass(const struct sockets *sockets, const struct conf *conf);

/* Removes the paths of the sockets that are not lost; call it at the very end. */
void sockets_remove(const struct sockets *sockets, const struct conf *conf);

#endif
