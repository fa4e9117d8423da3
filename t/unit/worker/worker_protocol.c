/* The worker protocol's texts: what is written, and replies that make no sense. */
#include "worker/node/worker_protocol.h"

#include "tap.h"

/* Reads a grant text for a fixed request; true when it is taken. */
static bool reads_grant(const char *text, int most) {
    static struct json json;
    static struct protocol_grant grant_read;
    const char *why = NULL;
    uuid_t request;
    uuid_parse("11111111-2222-4333-8444-555555555555", request);
    bool good = protocol_read_grant(&json, text, strlen(text), request, most, &grant_read, &why);
    items_free(&grant_read.items);
    json_free(&json);
    return good;
}

#define LEASE "\"lease\":\"11111111-2222-4333-8444-555555555555\""
#define ID "\"id\":\"01234567-89ab-7def-8123-456789abcdef\""
#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16
#define CHAIN "\"chain\":\"" HEX64 HEX64 "\""
#define ITEM "{" ID "," CHAIN ",\"remaining\":5}"

static void test_grant_texts(void) {
    static const struct {
        bool good;
        const char *text, *what;
    } cases[] = {
        {true, "{" LEASE ",\"ttl\":60,\"items\":[" ITEM "]}", "a sound grant"},
        {true, "{\"x\":{},\"ttl\":0.5," LEASE ",\"items\":[" ITEM "]}", "unknown members"},
        {false, "{\"ttl\":60,\"items\":[" ITEM "]}", "no lease"},
        {false, "{\"lease\":\"x\",\"ttl\":60,\"items\":[" ITEM "]}", "a lease that is no UUID"},
        {false,
         "{\"lease\":\"21111111-2222-4333-8444-555555555555\",\"ttl\":60,\"items\":[" ITEM "]}",
         "another's lease"},
        {false, "{" LEASE ",\"items\":[" ITEM "]}", "no ttl"},
        {false, "{" LEASE ",\"ttl\":0,\"items\":[" ITEM "]}", "no time at all"},
        {false, "{" LEASE ",\"ttl\":-1,\"items\":[" ITEM "]}", "negative time"},
        {false, "{" LEASE ",\"ttl\":1e99,\"items\":[" ITEM "]}", "endless time"},
        {false, "{" LEASE ",\"ttl\":60,\"items\":[]}", "no items"},
        {false, "{" LEASE ",\"ttl\":60,\"items\":" ITEM "}", "items that are no list"},
        {false, "{" LEASE ",\"ttl\":60,\"items\":[" ITEM "," ITEM "]}", "an item twice"},
        {false, "{" LEASE ",\"ttl\":60,\"items\":[7]}", "an item that is a number"},
        {false, "{" LEASE ",\"ttl\":60,\"items\":[{" CHAIN ",\"remaining\":5}]}", "no id"},
        {false, "{" LEASE ",\"ttl\":60,\"items\":[{" ID ",\"remaining\":5}]}", "no chain"},
        {false, "{" LEASE ",\"ttl\":60,\"items\":[{" ID "," CHAIN "}]}", "no remaining"},
        {false, "{" LEASE ",\"ttl\":60,\"items\":[{" ID "," CHAIN ",\"remaining\":0}]}",
         "nothing remaining"},
        {false, "{" LEASE ",\"ttl\":60,\"items\":[{" ID "," CHAIN ",\"remaining\":1.5}]}",
         "half an iteration remaining"},
        {false,
         "{" LEASE ",\"ttl\":60,\"items\":[{" ID "," CHAIN ",\"remaining\":9007199254740992}]}",
         "2^53 remaining"},
        {false,
         "{" LEASE ",\"ttl\":60,\"items\":[{" ID ",\"chain\":\"" HEX64 "\",\"remaining\":5}]}",
         "half a chain"},
        {false,
         "{" LEASE ",\"ttl\":60,\"items\":[{" ID ",\"chain\":\"" HEX64 HEX16 HEX16 HEX16
         "0123456789ABCDEF\",\"remaining\":5}]}",
         "upper-case digits"},
        {false,
         "{" LEASE ",\"ttl\":60,\"items\":[{" ID ",\"chain\":\"" HEX64 HEX16 HEX16 HEX16
         "\\u0030123456789abcdef\",\"remaining\":5}]}",
         "an escape in the chain"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ok(reads_grant(cases[i].text, 2) == cases[i].good, "grant: %s", cases[i].what);
    ok(!reads_grant("{" LEASE ",\"ttl\":60,\"items\":[" ITEM "]}", 0), "more than asked for");
}

/* Reads a verdict on a report of two items; lost gets what it says of each. */
static bool reads_verdict(const char *text, bool lost[2], bool *drain) {
    struct json json = {0};
    struct item list[2] = {{.remaining = 0}, {.remaining = 0}};
    const char *why = NULL;
    uuid_parse("00000001-0000-4000-8000-000000000000", list[0].id);
    uuid_parse("00000002-0000-4000-8000-000000000000", list[1].id);
    bool good = protocol_read_verdict(&json, text, strlen(text), list, 2, lost, drain, &why);
    json_free(&json);
    return good;
}

#define ONE "\"00000001-0000-4000-8000-000000000000\""
#define TWO "\"00000002-0000-4000-8000-000000000000\""
#define OTHER "\"00000003-0000-4000-8000-000000000000\""

static void test_verdict_texts(void) {
    bool lost[2];
    bool drain;
    ok(reads_verdict("{\"taken\":[" TWO "," ONE "],\"lost\":[]}", lost, &drain), "all taken");
    ok(!lost[0] && !lost[1] && !drain, "none is lost");
    ok(reads_verdict("{\"taken\":[" ONE "],\"lost\":[" TWO "],\"command\":\"drain\"}", lost,
                     &drain),
       "one of each");
    ok(!lost[0] && lost[1] && drain, "the right one is lost, and a command read");
    ok(reads_verdict("{\"taken\":[" OTHER "," ONE "," TWO "],\"lost\":[],\"command\":7}", lost,
                     &drain),
       "another's item, and a command that is none, are passed over");
    ok(!drain, "without a drain");
    ok(!reads_verdict("{\"taken\":[" ONE "],\"lost\":[]}", lost, &drain), "one not spoken of");
    ok(!reads_verdict("{\"taken\":[" ONE "," TWO "]}", lost, &drain), "no list of the lost");
    ok(!reads_verdict("{\"taken\":[1,2],\"lost\":[]}", lost, &drain), "ids that are numbers");
    ok(!reads_verdict("[]", lost, &drain), "no object");
    ok(!reads_verdict("", lost, &drain), "nothing");
}

static void test_problem_texts(void) {
    struct json json = {0};
    struct protocol_problem problem;
    static const char sound[] = "{\"type\":\"urn:x\",\"detail\":\"do this\"}";
    static const char odd[] = "{\"type\":7,\"detail\":{}}";
    protocol_read_problem(&json, sound, strlen(sound), &problem);
    is_text(problem.type, "urn:x", "a problem's type");
    is_text(problem.detail, "do this", "a problem's detail");
    protocol_read_problem(&json, odd, strlen(odd), &problem);
    ok(problem.type[0] == '\0' && problem.detail[0] == '\0', "a problem of other types");
    protocol_read_problem(&json, "<html>", 6, &problem);
    ok(problem.type[0] == '\0' && problem.detail[0] == '\0', "an error page");
    json_free(&json);
}

int main(void) {
    test_grant_texts();
    test_verdict_texts();
    test_problem_texts();
    return done_testing();
}
