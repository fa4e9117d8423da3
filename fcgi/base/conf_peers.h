#ifndef HASHMILL_CONF_PEERS_H
#define HASHMILL_CONF_PEERS_H

#include "conf.h"

/* Reads PEERS, PEER_TOKEN and COPY into the members that say what they mean. False with a sentence
 * that says what to do in why. */
bool conf_read_peers(struct conf *conf, char *why, size_t why_size);

#endif
