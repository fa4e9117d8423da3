#ifndef HASHMILL_DIGEST_FIELD_H
#define HASHMILL_DIGEST_FIELD_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The Content-Digest header field (RFC 9530): a dictionary (RFC 8941, section 3.2) of byte
 * sequences, such as
 *
 *     sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:, sha-512=:...:
 *
 * sha-512 and sha-256 are read; other algorithms are skipped, as the RFC says.
 */
struct digest_field {
    bool has_sha512;
    bool has_sha256;
    uint8_t sha512[64];
    uint8_t sha256[32];
};

/* Reads a field's text, which may be empty. False, with a phrase in *why, when it is no such
 * dictionary or a digest has the wrong length. */
bool digest_field_parse(struct digest_field *field, const char *text, const char **why);

#endif
