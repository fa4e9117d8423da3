#ifndef HASHMILL_KEY_TEXT_H
#define HASHMILL_KEY_TEXT_H

#include "keys.h"

/*
 * The text of a key: "hm", the first letter of its role, "_", 32 random bytes as 43 characters of
 * base64url, and the CRC-32 of all that as 6 base62 digits. The fixed form and the checksum let
 * scanners for leaked secrets find one, and tell a mistyped key from an unknown one.
 */
enum { KEY_TEXT_SIZE = 4 + 43 + 6 + 1 /* with its NUL */ };

/* Makes a new key of a role. */
void key_text_make(char text[KEY_TEXT_SIZE], enum key_role role);

/* Whether a text has the form of a key, with its checksum; *role gets its role. */
bool key_text_parse(const char *text, enum key_role *role);

/* Prints a new key and its line for the keys file, for hashmill-fcgi --key ROLE NAME ATTRIBUTE...
 * The attributes are as in the file. The exit code. */
int key_text_print(const char *role, const char *name, int count, char **attributes);

#endif
