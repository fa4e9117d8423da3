#ifndef HASHMILL_AUTH_H
#define HASHMILL_AUTH_H

#include <stdbool.h>

#include "base/conf.h"
#include "queue/queue.h"

/* Whose credential a call on the worker listener carries. */
enum identity_kind {
    IDENTITY_NONE,    /* no credential, or one that does not count */
    IDENTITY_EXPIRED, /* a key whose time is over */
    IDENTITY_SHARED,  /* WORKER_TOKEN: workers that are started by hand */
    IDENTITY_WORKER,  /* a key of the role worker */
    IDENTITY_MACHINE, /* the token of a machine; whether it still exists is the queue's to say */
    IDENTITY_PEER,    /* PEER_TOKEN */
    IDENTITY_OTHER    /* a key of another role */
};

struct identity {
    enum identity_kind kind;
    char name[QUEUE_NAME_SIZE]; /* the key's, the machine's, or "shared" */
};

/* Finds out whose credential an Authorization header field has (NULL: there is none): "Bearer", and
 * a token or a key. The time it takes tells nothing about any of them but their lengths. */
void auth_identify(const struct conf *conf, const char *authorization, struct identity *identity);

/* Whether it makes the calls of workers. */
bool auth_is_worker(const struct identity *identity);

/* Whether a caller in that role may make calls of the wanted one. The role is what its verified
 * certificate says; without one (NULL or "") the token alone decides, unless a role is demanded. */
bool auth_role(const char *role, const char *wanted, bool demanded);

#endif
