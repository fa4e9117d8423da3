/* Whose page has a browser make a call: Origin against Host; the names that Host may have. */

#include "fcgi/http/origin.c"
#include "tap.h"

static const char *const own[][2] = {
    {"http://127.0.0.1:8080", "127.0.0.1:8080"},  {"http://mill.example", "mill.example"},
    {"https://mill.example", "mill.example"},     {"http://mill.example:80", "mill.example"},
    {"http://mill.example", "mill.example:80"},   {"https://mill.example:443", "mill.example"},
    {"https://mill.example", "mill.example:443"}, {"HTTP://Mill.Example", "mILL.eXAMPLE"},
    {"http://[::1]:8080", "[::1]:8080"},          {"http://[2001:DB8::1]", "[2001:db8::1]"},
};

static const char *const foreign[][2] = {
    {"null", "mill.example"},
    {"null", "null"},
    {"", "mill.example"},
    {"", ""},
    {"http://", ""},
    {"http://mill.example", ""},
    {"mill.example", "mill.example"},
    {"ftp://mill.example", "mill.example"},
    {"http://evil.example", "mill.example"},
    {"http://mill.example.evil.example", "mill.example"},
    {"http://xmill.example", "mill.example"},
    {"http://mill.example", "mill.example:8080"},
    {"http://mill.example:8080", "mill.example"},
    {"http://mill.example:8080", "mill.example:8081"},
    {"http://mill.example:443", "mill.example"},
    {"http://mill.example:443", "mill.example:80"},
    {"http://mill.example", "mill.example:443"},
    {"https://mill.example:80", "mill.example"},
    {"http://mill.example, http://mill.example", "mill.example"},
    {"http://mill.example http://evil.example", "mill.example"},
    {"http://mill.example/", "mill.example"},
    {"http://evil@mill.example", "mill.example"},
    {"http://mill.example:x", "mill.example:x"},
    {"http://mill.example:65616", "mill.example"}, /* 80 + 2^16 */
    {"http://mill.example:4294967376", "mill.example"},
    {"http://[::1]", "[::2]"},
    {"http://[::1", "[::1"},
    {"http://[::1]8080", "[::1]8080"},
};

static const char *const known[] = {
    "127.0.0.1",        "127.0.0.1:8080", "192.0.2.7",        "[::1]",          "[2001:db8::7]:80",
    "[::ffff:1.2.3.4]", "localhost",      "LocalHost:8080",   "mill.localhost", "localhost.:80",
    "mill.example",     "MILL.example:9", "mill.example.:80", "other-1.example"};

static const char *const unknown[] = {"evil.example",
                                      "evil.example:8080",
                                      "xmill.example",
                                      "mill.example.evil.example",
                                      "a.mill.example",
                                      "mill",
                                      "mill.example..",
                                      "example",
                                      "localhost.evil.example",
                                      "xlocalhost",
                                      "127.0.0.1.evil.example",
                                      "127.0.0.1.",
                                      "127.1",
                                      "0x7f.0.0.1",
                                      "2130706433",
                                      "1.2.3.4.5",
                                      "::1",
                                      "[::1",
                                      "[evil.example]",
                                      "[::1]x",
                                      "[]",
                                      ".",
                                      ":80",
                                      "mill.example:x",
                                      "mill.example:99999",
                                      "mill.example, mill.example",
                                      "127.0.0.1, evil.example",
                                      ","};

static const char *const network[] = {"192.0.2.7",   "10.0.0.1", "128.0.0.1",       "0.0.0.0",
                                      "2001:db8::1", "fe80::1",  "::ffff:10.0.0.1", "::2"};

static const char *const local[] = {
    "127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1", "unix:", "", "evil.example"};

static void test_known(void) {
    static struct conf conf;
    char longest[400];
    snprintf(conf.hosts, sizeof conf.hosts, ",mill.example ,\tOther-1.example,");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ok(is_known_host(&conf, known[i]), "known: %s", known[i]);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        ok(!is_known_host(&conf, unknown[i]), "unknown: %s", unknown[i]);
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ok(!is_known_host(&conf, longest), "unknown: a name of 399 letters");
    conf.hosts[0] = '\0';
    ok(!is_known_host(&conf, "mill.example"), "unknown: a name that HOSTS does not have");
}

int main(void) {
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        ok(is_own_origin(own[i][0], own[i][1]), "%s is %s", own[i][0], own[i][1]);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        ok(!is_own_origin(foreign[i][0], foreign[i][1]), "\"%s\" is not \"%s\"", foreign[i][0],
           foreign[i][1]);
    test_known();
    for (size_t i = 0; i < sizeof network / sizeof *network; i++)
        ok(is_network_address(network[i]), "reached over a network: %s", network[i]);
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        ok(!is_network_address(local[i]), "not: %s", local[i]);
    return done_testing();
}
