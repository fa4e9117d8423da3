/* The Content-Digest field: the dictionaries of RFC 8941 that RFC 9530 allows, and no others. */

#include "fcgi/http/digest_field.c"
#include "tap.h"

/* SHA-256 and SHA-512 of {"hello": "world"} and a line feed, from RFC 9530, appendix D. */
#define SHA256 "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="
#define SHA512                                                                                     \
    "YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg=="

static struct digest_field field;
static const char *why;

static bool parse(const char *text) {
    return digest_field_parse(&field, text, &why);
}

static void test_taken(void) {
    ok(parse("") && !field.has_sha512 && !field.has_sha256, "an empty field announces nothing");
    ok(parse("sha-256=:" SHA256 ":") && field.has_sha256 && !field.has_sha512, "sha-256");
    ok(field.sha256[0] == 0x44 && field.sha256[1] == 0xaf && field.sha256[31] == 0x38, "its bytes");
    ok(parse("sha-512=:" SHA512 ":") && field.has_sha512 && !field.has_sha256, "sha-512");
    ok(field.sha512[0] == 0x60 && field.sha512[1] == 0xc0 && field.sha512[63] == 0xaa, "its bytes");
    ok(parse("sha-256=:" SHA256 ":,sha-512=:" SHA512 ":") && field.has_sha512 && field.has_sha256,
       "both");
    ok(parse("  sha-256=:" SHA256 ":\t ,\t sha-512=:" SHA512 ": ") && field.has_sha512,
       "white space around and between");
    ok(parse("md5=:1B2M2Y8AsgTpgAmY7PhCfg==:") && !field.has_sha512 && !field.has_sha256,
       "an algorithm that is not known is skipped");
    ok(parse("x=::, sha-256=:" SHA256 ":, *a.b-c_d9=:QQ:") && field.has_sha256,
       "so are several, padded or not");
    ok(parse("sha-256=:" SHA256 ":;a;b=c; d=?1, md5=:QQ==:;q=1") && field.has_sha256,
       "parameters are skipped");
    ok(parse(
           "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/Wkpp"
           "mM44T3qg:"),
       "missing padding is made up for");
    ok(parse("sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:, sha-256=:" SHA256 ":") &&
           field.sha256[0] == 0x44,
       "the last of one name counts");
}

static void test_refused(void) {
    static const char *const bad[] = {
        "sha-512",
        "sha-512=",
        "sha-512=:",
        "sha-512=::",
        "sha-512=" SHA512,
        "sha-512=:" SHA512,
        "sha-512=" SHA512 ":",
        "sha-512=:" SHA256 ":",
        "sha-256=:" SHA512 ":",
        "sha-256=:" SHA256 ":,",
        ",sha-256=:" SHA256 ":",
        "sha-256=:" SHA256 ":,,x=:QQ:",
        "sha-256=:" SHA256 ": x=:QQ:",
        "sha-256=:" SHA256 "=:",
        "sha-256 =:" SHA256 ":",
        "sha-256= :" SHA256 ":",
        "SHA-256=:" SHA256 ":",
        "sha-256=\"" SHA256 "\"",
        "sha-256=:" SHA256 ":;",
        "sha-256=:" SHA256 ":;a=\"b\"",
        "x=:Q:",
        "x=:QQ=:",
        "x=:Q=Q=:",
        "x=:Q Q:",
        "x=:Q-_Q:",
        "x=1",
        "=:QQ==:",
        "\xff=:QQ==:",
        ":QQ==:",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        why = NULL;
        ok(!parse(bad[i]) && why, "refused: %s", bad[i]);
    }
}

int main(void) {
    test_taken();
    test_refused();
    return done_testing();
}
