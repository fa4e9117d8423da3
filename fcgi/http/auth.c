#include "auth.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/keys.h"
#include "base/machine_token.h"
#include "clock.h"

enum { TOKEN_SIZE = SETTING_TEXT_SIZE };

bool auth_role(const char *role, const char *wanted, bool demanded) {
    if (!role || *role == '\0')
        return !demanded;
    return strcmp(role, wanted) == 0;
}

/* Copies the token of "Bearer TOKEN"; blanks around it do not count. False when there is none. */
static bool read_token(const char *authorization, char token[TOKEN_SIZE]) {
    static const char scheme[] = "Bearer ";
    if (!authorization)
        return false;
    authorization += strspn(authorization, " \t");
    if (strncasecmp(authorization, scheme, strlen(scheme)) != 0)
        return false;
    const char *given = authorization + strlen(scheme);
    given += strspn(given, " ");
    size_t length = strlen(given);
    while (length > 0 && strchr(" \t", given[length - 1]))
        length--;
    if (length == 0 || length >= TOKEN_SIZE)
        return false;
    memcpy(token, given, length);
    token[length] = '\0';
    return true;
}

/* Whether a token is this secret; an empty one is nobody's. */
static bool is_secret(const char *token, const char *secret) {
    size_t length = strlen(secret);
    return length > 0 && strlen(token) == length && CRYPTO_memcmp(token, secret, length) == 0;
}

static void be(struct identity *identity, enum identity_kind kind, const char *name) {
    identity->kind = kind;
    identity->key = NULL;
    snprintf(identity->name, sizeof identity->name, "%s", name);
}

static enum identity_kind kind_of(const struct key *key) {
    if (clock_wall_ms() / 1000 >= key->until_seconds)
        return IDENTITY_EXPIRED;
    static const enum identity_kind kinds[KEY_ROLES] = {[KEY_WORKER] = IDENTITY_WORKER,
                                                        [KEY_CLIENT] = IDENTITY_CLIENT,
                                                        [KEY_OPERATOR] = IDENTITY_OPERATOR,
                                                        [KEY_VIEWER] = IDENTITY_VIEWER};
    return kinds[key->role];
}

void auth_identify(const struct conf *conf, const char *authorization, struct identity *identity) {
    char token[TOKEN_SIZE];
    char machine[MACHINE_NAME_SIZE];
    const struct key *key;
    be(identity, IDENTITY_NONE, "");
    if (!read_token(authorization, token))
        return;
    if (is_secret(token, conf->worker_token))
        be(identity, IDENTITY_SHARED, "shared");
    else if (is_secret(token, conf->peer_token))
        be(identity, IDENTITY_PEER, "");
    else if (machine_token_is_one(token)) {
        if (machine_token_check(conf, token, machine))
            be(identity, IDENTITY_MACHINE, machine);
    } else if (conf->keys && (key = keys_find(conf->keys, token)) != NULL) {
        be(identity, kind_of(key), key->name);
        identity->key = key;
    }
}

bool auth_is_worker(const struct identity *identity) {
    return identity->kind == IDENTITY_SHARED || identity->kind == IDENTITY_WORKER ||
           identity->kind == IDENTITY_MACHINE;
}

int auth_may(const struct identity *identity) {
    switch (identity->kind) {
    case IDENTITY_OPEN:
        return MAY_READ;
    case IDENTITY_CLIENT:
        return MAY_CLIENT;
    case IDENTITY_OPERATOR:
        return MAY_OPERATOR;
    case IDENTITY_VIEWER:
        return MAY_VIEWER;
    default:
        return 0;
    }
}

void auth_whose(const struct identity *identity, struct queue_whose *whose) {
    *whose = (struct queue_whose){.all = identity->kind != IDENTITY_CLIENT};
    if (!whose->all)
        snprintf(whose->client, sizeof whose->client, "%s", identity->name);
}

void auth_operator(const struct identity *identity, char who[QUEUE_NAME_SIZE]) {
    snprintf(who, QUEUE_NAME_SIZE, "%s", identity->kind == IDENTITY_OPERATOR ? identity->name : "");
}

void auth_client(const struct identity *identity, struct queue_client *client) {
    const struct key *key = identity->key;
    *client = (struct queue_client){0};
    snprintf(client->name, sizeof client->name, "%s", identity->name);
    if (!key)
        return;
    client->weight = key->weight;
    client->quota = (struct queue_quota){
        .items = key->items, .work = key->work, .rate = key->rate, .burst = key->burst};
}
