#ifndef HASHMILL_SOCKETS_H
#define HASHMILL_SOCKETS_H

#include <sys/types.h>

#include "base/conf.h"

/* The descriptors that outlive every child, and a reload: listening sockets and the lock that makes
 * this master the only one of its RUN_DIR. */
enum socket_name {
    SOCKET_PUBLIC,
    SOCKET_PUBLIC_WAIT,
    SOCKET_WORKER,
    SOCKET_WORKER_WAIT,
    SOCKET_CHANNEL,
    SOCKET_LOCK,
    /* -1 without PEERS; the last: an earlier version's generation passes no such */
    SOCKET_PEERING,
    SOCKET_REPLICA,
    SOCKET_COUNT
};

struct sockets {
    int fd[SOCKET_COUNT];
    ino_t inode[SOCKET_COUNT]; /* of its path; 0: it was not there when it was looked at */
    char channel[SETTING_TEXT_SIZE + 24]; /* path of the writer's socket */
    char peering[SETTING_TEXT_SIZE + 24]; /* of the peering process's */
};

/* Whether RUN_DIR will do: the system allows a socket's path 107 bytes, and those that these
 * settings need must fit. False with a sentence that begins with RUN_DIR in why. */
bool sockets_fit(const struct conf *conf, char *why, size_t why_size);

/* Takes over the descriptors that an earlier generation has left open (sockets_pass), and makes
 * what is missing: the directory, the lock and the sockets. A directory that somebody else fills is
 * not taken: its mode and group are set. False after logging why and what to do. */
bool sockets_open(struct sockets *sockets, const struct conf *conf);

/* Makes a listening unix socket of a type (SOCK_STREAM, SOCK_SEQPACKET), non-blocking; the path is
 * replaced. Only its owner and the group may connect, as libfcgi trusts its peer; -1 is this
 * process's own group. -1 after logging why. */
int sockets_listen(const char *path, int type, gid_t group);

/* The path of the writer's socket of a running server. */
void sockets_channel(char path[SETTING_TEXT_SIZE + 24], const struct conf *conf);

/* The first of the paths that does not lead to what was opened any more, as when somebody has
 * cleared RUN_DIR: nobody reaches this server by it. NULL when all do. */
const char *sockets_lost(const struct sockets *sockets, const struct conf *conf);

/* Prepares all of them to be taken over by the program that this process is about to exec; those
 * that are lost are closed, for it to make new ones. */
void sockets_pass(const struct sockets *sockets, const struct conf *conf);

/* Removes the paths of the sockets that are not lost, at the very end. */
void sockets_remove(const struct sockets *sockets, const struct conf *conf);

#endif
