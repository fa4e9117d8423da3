/* The RateLimit-Policy and RateLimit fields: structured fields as of RFC 9651.
 */

#include "fcgi/api/rate_limit.c"
#include "tap.h"

static struct reply reply;

/* The header lines that a state gives. */
static const char *lines_of(struct rate_limit_state state) {
    reply_begin(&reply, 201, NULL);
    rate_limit_reply(&reply, &state);
    buffer_append(&reply.headers, "", 1);
    return reply.headers.data;
}

static void test_quotas(void) {
    is_text(lines_of((struct rate_limit_state){.items_left = 5, .rate_left = 5, .seconds = 1}), "",
            "no quota, no field");
    is_text(lines_of((struct rate_limit_state){.items = 1000, .items_left = 50}),
            "RateLimit-Policy: \"items\";q=1000\r\n"
            "RateLimit: \"items\";r=50\r\n",
            "items alone");
    is_text(lines_of((struct rate_limit_state){.work = 7, .work_left = 7}),
            "RateLimit-Policy: \"work\";q=7\r\n"
            "RateLimit: \"work\";r=7\r\n",
            "work alone");
    is_text(
        lines_of((struct rate_limit_state){.rate = 10, .burst = 20, .rate_left = 12, .seconds = 1}),
        "RateLimit-Policy: \"rate\";q=20;w=2\r\n"
        "RateLimit: \"rate\";r=12;t=1\r\n",
        "a rate alone");
    is_text(lines_of((struct rate_limit_state){.items = 1000,
                                               .items_left = 50,
                                               .work = 5000000000,
                                               .work_left = 0,
                                               .rate = 10,
                                               .burst = 100,
                                               .rate_left = 12,
                                               .seconds = 9}),
            "RateLimit-Policy: \"items\";q=1000, \"work\";q=5000000000, \"rate\";q=100;w=10\r\n"
            "RateLimit: \"items\";r=50, \"work\";r=0, \"rate\";r=12;t=9\r\n",
            "all three");
}

static void test_windows(void) {
    static const struct {
        int64_t rate;
        int64_t burst;
        const char *policy;
    } cases[] = {
        {10, 10, "\"rate\";q=10;w=1\r\n"},
        {10, 11, "\"rate\";q=11;w=2\r\n"},
        {1000000, 1, "\"rate\";q=1;w=1\r\n"},
        {1, 1000000, "\"rate\";q=1000000;w=1000000\r\n"},
        {3, INT64_MAX, "\"rate\";q=999999999999999;w=999999999999999\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *lines =
            lines_of((struct rate_limit_state){.rate = cases[i].rate, .burst = cases[i].burst});
        ok(strstr(lines, cases[i].policy), "a burst of %lld at %lld a second: %.60s",
           (long long)cases[i].burst, (long long)cases[i].rate, lines);
    }
}

static void test_bounds(void) {
    is_text(lines_of((struct rate_limit_state){.items = 10,
                                               .items_left = -3,
                                               .work = 10,
                                               .work_left = INT64_MIN,
                                               .rate = 1,
                                               .burst = 1,
                                               .rate_left = -1,
                                               .seconds = -1}),
            "RateLimit-Policy: \"items\";q=10, \"work\";q=10, \"rate\";q=1;w=1\r\n"
            "RateLimit: \"items\";r=0, \"work\";r=0, \"rate\";r=0;t=0\r\n",
            "what is left is never below 0");
    is_text(lines_of((struct rate_limit_state){.items = 999999999999999,
                                               .items_left = 1000000000000000,
                                               .work = 9007199254740991,
                                               .work_left = INT64_MAX,
                                               .rate = 1,
                                               .burst = INT64_MAX,
                                               .rate_left = INT64_MAX,
                                               .seconds = INT64_MAX}),
            "RateLimit-Policy: \"items\";q=999999999999999, \"work\";q=999999999999999, "
            "\"rate\";q=999999999999999;w=999999999999999\r\n"
            "RateLimit: \"items\";r=999999999999999, \"work\";r=999999999999999, "
            "\"rate\";r=999999999999999;t=999999999999999\r\n",
            "no number has more than 15 digits");
}

int main(void) {
    test_quotas();
    test_windows();
    test_bounds();
    reply_free(&reply);
    return done_testing();
}
