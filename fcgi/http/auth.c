#include "auth.h"

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>

bool auth_role(const char *role, const char *wanted) {
    return !role || *role == '\0' || strcmp(role, wanted) == 0;
}

bool auth_bearer(const char *authorization, const char *token) {
    static const char scheme[] = "Bearer ";
    size_t length = strlen(token);
    if (!authorization || length == 0)
        return false;
    authorization += strspn(authorization, " \t");
    if (strncasecmp(authorization, scheme, strlen(scheme)) != 0)
        return false;
    const char *given = authorization + strlen(scheme);
    given += strspn(given, " ");
    size_t given_length = strlen(given);
    while (given_length > length && strchr(" \t", given[given_length - 1]))
        given_length--;
    return given_length == length && CRYPTO_memcmp(given, token, length) == 0;
}
