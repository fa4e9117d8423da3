#include "body.h"

#include <string.h>

#include "http/digest_field.h"
#include "http/problem.h"

/* A body being read; sha256 is NULL unless the client announced one. */
struct hashing {
    struct buffer *text; /* NULL: it is not kept */
    EVP_MD_CTX *sha512;
    EVP_MD_CTX *sha256;
    int64_t bytes;
    bool failed;
};

static void hash_bytes(void *context, const char *bytes, size_t length) {
    struct hashing *hashing = context;
    hashing->bytes += (int64_t)length;
    if (hashing->text)
        buffer_append(hashing->text, bytes, length);
    if (EVP_DigestUpdate(hashing->sha512, bytes, length) != 1 ||
        (hashing->sha256 && EVP_DigestUpdate(hashing->sha256, bytes, length) != 1))
        hashing->failed = true;
}

void body_refuse_failed_hash(struct call *call) {
    problem_reply(&call->server->reply, PROBLEM_FAULT,
                  "The server could not hash the body. Nothing was stored; tell its operator.");
}

/* The fields that announce a digest. Only a whole body without a content coding is accepted, so
 * both fields are about the same bytes (RFC 9530, section 3). */
static const struct {
    const char *name;
    const char *parameter;
} digest_fields[] = {{"Content-Digest", "HTTP_CONTENT_DIGEST"},
                     {"Repr-Digest", "HTTP_REPR_DIGEST"}};

enum {
    DIGEST_FIELDS = sizeof digest_fields / sizeof *digest_fields,
    SHA256_SIZE = sizeof(((struct digest_field *)NULL)->sha256)
};

/* Reads these fields; an absent one announces nothing. */
static bool read_announced(struct call *call, struct digest_field announced[DIGEST_FIELDS]) {
    const char *why;
    for (int i = 0; i < DIGEST_FIELDS; i++) {
        const char *text = call_field(call, digest_fields[i].parameter);
        if (digest_field_parse(&announced[i], text ? text : "", &why))
            continue;
        problem_reply(&call->server->reply, PROBLEM_BAD_HEADER,
                      "%s cannot be read: %s. Nothing was stored.", digest_fields[i].name, why);
        return false;
    }
    return true;
}

void body_refuse_empty(struct call *call, size_t max_bytes) {
    problem_reply(&call->server->reply, PROBLEM_BAD_BODY,
                  "The body is empty; send 1 to %zu bytes. Nothing was stored.", max_bytes);
}

/* Reads the body to its end, hashing it. False with the reply when it is empty, too large or
 * broken. */
static bool hash_body(struct call *call, size_t max_bytes, struct hashing *hashing) {
    if (EVP_DigestInit_ex(hashing->sha512, NULL, NULL) != 1 ||
        (hashing->sha256 && EVP_DigestInit_ex(hashing->sha256, NULL, NULL) != 1))
        hashing->failed = true;
    enum request_body result = request_read_body(call->request, max_bytes, hash_bytes, hashing);
    if (result != REQUEST_BODY_OK) {
        problem_of_body(&call->server->reply, result, max_bytes);
        return false;
    }
    if (hashing->bytes == 0)
        body_refuse_empty(call, max_bytes);
    return hashing->bytes > 0;
}

static bool wants_sha256(const struct digest_field announced[DIGEST_FIELDS]) {
    return announced[0].has_sha256 || announced[1].has_sha256;
}

/* Compares the digests with what was announced. */
static bool compare(struct call *call, const struct digest_field announced[DIGEST_FIELDS],
                    const uint8_t digest[DIGEST_SIZE], const uint8_t sha256[SHA256_SIZE]) {
    for (int i = 0; i < DIGEST_FIELDS; i++) {
        const struct digest_field *field = &announced[i];
        if ((!field->has_sha512 || memcmp(field->sha512, digest, DIGEST_SIZE) == 0) &&
            (!field->has_sha256 || memcmp(field->sha256, sha256, SHA256_SIZE) == 0))
            continue;
        problem_reply(&call->server->reply, PROBLEM_DIGEST_MISMATCH,
                      "The body's digest is not the one in %s: it was changed on its way, or the "
                      "header is wrong. Nothing was stored; send it again.",
                      digest_fields[i].name);
        return false;
    }
    return true;
}

bool body_read(struct call *call, size_t max_bytes, struct buffer *text,
               uint8_t digest[DIGEST_SIZE]) {
    struct digest_field announced[DIGEST_FIELDS];
    uint8_t sha256[SHA256_SIZE] = {0};
    if (!read_announced(call, announced))
        return false;
    struct hashing hashing = {
        .text = text,
        .sha512 = call->server->sha512,
        .sha256 = wants_sha256(announced) ? call->server->sha256 : NULL,
    };
    if (!hash_body(call, max_bytes, &hashing))
        return false;
    if (hashing.failed || EVP_DigestFinal_ex(hashing.sha512, digest, NULL) != 1 ||
        (hashing.sha256 && EVP_DigestFinal_ex(hashing.sha256, sha256, NULL) != 1)) {
        body_refuse_failed_hash(call);
        return false;
    }
    return compare(call, announced, digest, sha256);
}

bool body_fits(struct call *call, const void *bytes, size_t length,
               const uint8_t digest[DIGEST_SIZE]) {
    struct digest_field announced[DIGEST_FIELDS];
    uint8_t sha256[SHA256_SIZE] = {0};
    if (!read_announced(call, announced))
        return false;
    if (wants_sha256(announced) &&
        EVP_Digest(bytes, length, sha256, NULL, EVP_sha256(), NULL) != 1) {
        body_refuse_failed_hash(call);
        return false;
    }
    return compare(call, announced, digest, sha256);
}
