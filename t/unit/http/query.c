/* The query string: what is taken, and that nothing else is. */

#include <stdlib.h>

#include "fcgi/http/query.c"
#include "tap.h"

#define TEN "0123456789"

static const char *const names[] = {"top", "order", NULL};
static struct query query;
static char why[256];

static bool parse(const char *text) {
    return query_parse(&query, text, names, why, sizeof why);
}

static void test_taken(void) {
    ok(parse("") && !query_text(&query, "top"), "no query has no parameters");
    ok(parse("top=5&order=oldest"), "two parameters");
    is_text(query_text(&query, "top"), "5", "the first one's value");
    is_text(query_text(&query, "order"), "oldest", "the second one's value");
    ok(parse("order=latest") && !query_text(&query, "top"), "an absent one is absent");
    ok(parse("t%6fp=%35"), "escapes in name and value");
    is_text(query_text(&query, "top"), "5", "an escaped value is resolved");
    ok(parse("order=a+b%2B%2b"), "plus signs");
    is_text(query_text(&query, "order"), "a b++", "a plus is a space, an escaped one a plus");
    ok(parse("top=a=b"), "a value may hold '='");
    is_text(query_text(&query, "top"), "a=b", "the first '=' divides");
    ok(parse("top"), "a name alone");
    is_text(query_text(&query, "top"), "", "has an empty value");
    ok(parse("top=" TEN TEN TEN TEN TEN TEN TEN "1"), "71 bytes are a value");
    ok(parse("&") && !query_text(&query, "top"), "an empty piece is no parameter");
    ok(parse("top=5&"), "nothing behind the last '&'");
    is_text(query_text(&query, "top"), "5", "the value before it");
    ok(parse("&&top=5&&&order=oldest&"), "empty pieces before, between and behind");
    is_text(query_text(&query, "order"), "oldest", "the value between them");
}

static void test_refused(void) {
    static const char *const bad[] = {
        "Top=5",       "top=5&top=5", "top=5&x=1",    "=5",     "=",        "top=5&=", "top=%",
        "top=%4",      "top=%4g",     "top=%00",      "t%0p=1", "top%00=1", "top[]=1", "wait=1",
        "top=5;order", "top =5",      "top=5?order=a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bool taken = parse(bad[i]);
        /* The last one is a single value, but not a number. */
        if (taken) {
            int64_t top;
            taken = query_integer(&query, "top", 1, 10, &top, why, sizeof why);
        }
        ok(!taken, "refused: %s (%s)", bad[i], why);
    }
    ok(!parse("top=" TEN TEN TEN TEN TEN TEN TEN "12"), "72 bytes are no value");
    char *longest = calloc(1, 100001);
    memset(longest, 'a', 100000);
    ok(!parse(longest), "a name of 100,000 bytes");
    ok(strlen(why) < sizeof why, "its reason fits");
    free(longest);
}

static void test_decimal(void) {
    static const char *const bad[] = {"",
                                      "0",
                                      "11",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "01",
                                      "1e0",
                                      "0x1",
                                      "1.0",
                                      "1_",
                                      "\xd9\xa1",
                                      "18446744073709551617",
                                      "9223372036854775808",
                                      "99999999999999999999999999"};
    int64_t value = 77;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ok(!query_decimal(bad[i], 1, 10, &value), "no number from 1 to 10: \"%s\"", bad[i]);
    is_int(value, 77, "a refused text leaves the value alone");
    ok(query_decimal("1", 1, 10, &value) && value == 1, "the least");
    ok(query_decimal("10", 1, 10, &value) && value == 10, "the most");
    ok(query_decimal("0", 0, 30, &value) && value == 0, "0 where it is allowed");
    ok(!query_decimal("00", 0, 30, &value), "00 is no 0");
    ok(query_decimal("9007199254740991", 1, 9007199254740991, &value), "2^53 - 1");
    ok(!query_decimal("9007199254740992", 1, 9007199254740991, &value), "2^53");
}

static void test_reasons(void) {
    int64_t value;
    parse("");
    ok(!query_integer(&query, "top", 1, 1000, &value, why, sizeof why), "missing");
    is_text(why, "top is missing; give top=N, N from 1 to 1000.", "says what to give");
    parse("top=1001");
    ok(!query_integer(&query, "top", 1, 1000, &value, why, sizeof why), "out of range");
    is_text(why, "top must be a decimal number from 1 to 1000.", "names the range");
    parse("tops=1");
    is_text(why, "There is no parameter \"tops\" here; this call takes top, order.",
            "names what there is");
}

int main(void) {
    test_taken();
    test_refused();
    test_decimal();
    test_reasons();
    return done_testing();
}
