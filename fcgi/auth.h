#ifndef HASHMILL_AUTH_H
#define HASHMILL_AUTH_H

#include <stdbool.h>

/* Whether an Authorization header field (NULL: none) is "Bearer TOKEN" with this token. The time it
 * takes tells nothing about the token but its length. An empty token lets nobody in. */
bool auth_bearer(const char *authorization, const char *token);

#endif
