#ifndef HASHMILL_PROTOCOL_H
#define HASHMILL_PROTOCOL_H

/* What both ends of a connection must agree on. */
enum {
    WORKER_PROTOCOL = 1, /* between a worker and a node */
    PEER_PROTOCOL = 2,   /* between two nodes */
    NODE_MAX = 255       /* the highest number of a node */
};

#endif
