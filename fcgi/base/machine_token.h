#ifndef HASHMILL_MACHINE_TOKEN_H
#define HASHMILL_MACHINE_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"

/*
 * The credential of a machine that a node has launched:
 *
 *   hmm_NAME~BASE64URL(HMAC-SHA-256(MACHINE_SECRET, "machine-1" NUL NAME))
 *
 * Every node with MACHINE_SECRET can check it, and none has to keep it. It says which machine calls
 * and nothing more: whether that machine still exists is the store's to say.
 */
enum {
    MACHINE_NAME_SIZE = 65,
    MACHINE_TOKEN_SIZE = 4 + (MACHINE_NAME_SIZE - 1) + 1 + 43 + 1 /* with its NUL */
};

/* Writes a new name for a machine of this node: FLEET-NODE- and random digits. */
void machine_new_name(const struct conf *conf, char name[MACHINE_NAME_SIZE]);

/* Whether a name is one that machine_new_name makes on this node. */
bool machine_is_own(const struct conf *conf, const char *name);

/* Makes the token of a machine under MACHINE_SECRET, which must be set. */
void machine_token_make(const struct conf *conf, const char *name, char token[MACHINE_TOKEN_SIZE]);

/* Whether a text has the form of a machine's token; false tells that it is another credential. */
bool machine_token_is_one(const char *text);

/* Reads the name of the machine out of a token under MACHINE_SECRET or MACHINE_SECRET_OLD. False
 * when it is of neither. Takes the same time for every wrong MAC. */
bool machine_token_check(const struct conf *conf, const char *token, char name[MACHINE_NAME_SIZE]);

#endif
