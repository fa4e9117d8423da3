#ifndef HASHMILL_AUTH_H
#define HASHMILL_AUTH_H

#include <stdbool.h>

#include "base/conf.h"
#include "queue/queue.h"

/* Whose credential a call carries. */
enum identity_kind {
    IDENTITY_NONE,    /* no credential, or one that does not count */
    IDENTITY_EXPIRED, /* a key whose time is over */
    IDENTITY_SHARED,  /* WORKER_TOKEN: workers that are started by hand */
    IDENTITY_WORKER,  /* a key of the role worker */
    IDENTITY_MACHINE, /* the token of a machine; whether it still exists is the queue's to say */
    IDENTITY_PEER,    /* PEER_TOKEN */
    IDENTITY_CLIENT,  /* keys of these roles */
    IDENTITY_OPERATOR,
    IDENTITY_VIEWER,
    IDENTITY_OPEN /* none, on the public listener of a node without KEYS: everybody */
};

struct identity {
    enum identity_kind kind;
    char name[QUEUE_NAME_SIZE]; /* the key's, the machine's, or "shared" */
    const struct key *key;      /* NULL without one */
};

/* Finds out whose credential an Authorization header field has (NULL: there is none): "Bearer", and
 * a token or a key. The time it takes tells nothing about any of them but their lengths. */
void auth_identify(const struct conf *conf, const char *authorization, struct identity *identity);

/* Whether it makes the calls of workers. */
bool auth_is_worker(const struct identity *identity);

/* Who may make a call of the public listener, as bits; 0: everybody, without any key. Without KEYS
 * everybody may do everything. */
enum { MAY_CLIENT = 1, MAY_OPERATOR = 2, MAY_VIEWER = 4 };
#define MAY_CHANGE (MAY_CLIENT | MAY_OPERATOR)
#define MAY_READ (MAY_CHANGE | MAY_VIEWER)
#define MAY_SEE_ALL (MAY_OPERATOR | MAY_VIEWER)

/* The bit of an identity; all of them without KEYS, 0 for who has no part in the public listener.
 */
int auth_may(const struct identity *identity);

/* Whose items it may see and change: its own, or everybody's. */
void auth_whose(const struct identity *identity, struct queue_whose *whose);

/* Copies the name of an operator's key; "" for anybody else. */
void auth_operator(const struct identity *identity, char who[QUEUE_NAME_SIZE]);

/* The client that it is when it enqueues, with its weight and quotas. */
void auth_client(const struct identity *identity, struct queue_client *client);

/* Whether a caller in that role may make calls of the wanted one. The role is what its verified
 * certificate says; without one (NULL or "") the token alone decides, unless a role is demanded. */
bool auth_role(const char *role, const char *wanted, bool demanded);

#endif
