#ifndef HASHMILL_AUTH_H
#define HASHMILL_AUTH_H

#include <stdbool.h>

/* Whether an Authorization header field (NULL: none) is "Bearer TOKEN" with this token. The time it
 * takes tells nothing about the token but its length. Blanks around the field do not count. An
 * empty token lets nobody in. */
bool auth_bearer(const char *authorization, const char *token);

/* Whether a caller in that role may make calls of the wanted one. The role is what its verified
 * certificate says; NULL or "" when the listener asks for none, and then the token alone decides.
 */
bool auth_role(const char *role, const char *wanted);

#endif
