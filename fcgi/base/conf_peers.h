#ifndef HASHMILL_CONF_PEERS_H
#define HASHMILL_CONF_PEERS_H

#include "conf.h"

/* Checks PEER_TOKEN, and parses PEERS and COPY into has_peer, peer and copying. False with a
 * sentence in why that says what to do. */
bool conf_read_peers(struct conf *conf, char *why, size_t why_size);

#endif
