#ifndef HASHMILL_AUTH_H
#define HASHMILL_AUTH_H

#include <stdbool.h>

/* Whether an Authorization header field (NULL: none) is "Bearer TOKEN" with this token. The time
 * taken reveals only the token's length. Blanks around the field do not count. An empty token
 * admits nobody. */
bool auth_bearer(const char *authorization, const char *token);

/* Whether a caller with this role may make calls of the wanted role. The role is that of its
 * verified certificate; NULL or "" when the listener asks for none: then the token alone decides.
 */
bool auth_role(const char *role, const char *wanted);

#endif
