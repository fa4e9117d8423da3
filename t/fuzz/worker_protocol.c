/* A node's replies, as a worker reads them: the first line says to what. */
#include "worker/node/worker_protocol.h"

#include "fuzz.h"

enum { MOST = 3 };

static struct json json;

static void read_grant(const char *text, size_t length, const uuid_t request) {
    static struct protocol_grant grant;
    const char *why = NULL;
    if (!protocol_read_grant(&json, text, length, request, MOST, &grant, &why)) {
        must(why && strlen(why) > 0);
        return;
    }
    must(grant.ttl_ms >= 1 && grant.ttl_ms <= 86400000);
    must(grant.items.count <= MOST && (grant.items.count > 0 || grant.drain));
    for (int i = 0; i < grant.items.count; i++)
        must(grant.items.list[i].remaining > 0 && grant.items.list[i].remaining <= ITERATIONS_MAX);
}

static void read_verdict(const char *text, size_t length, const uuid_t id) {
    static struct item list[MOST];
    bool lost[MOST];
    bool drain = false;
    const char *why = NULL;
    for (int i = 0; i < MOST; i++) {
        uuid_copy(list[i].id, id);
        list[i].id[15] = (unsigned char)i;
    }
    if (!protocol_read_verdict(&json, text, length, list, MOST, lost, &drain, &why))
        must(why && strlen(why) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uuid_t id;
    char *text = fuzz_text(data, size);
    char *rest = fuzz_cut_line(text);
    size_t length = size - (size_t)(rest - text);
    uuid_parse("11111111-2222-4333-8444-555555555500", id);
    if (strcmp(text, "grant") == 0) {
        read_grant(rest, length, id);
    } else if (strcmp(text, "verdict") == 0) {
        read_verdict(rest, length, id);
    } else {
        struct protocol_problem problem;
        protocol_read_problem(&json, rest, length, &problem);
        must(strlen(problem.type) < sizeof problem.type);
        must(strlen(problem.detail) < sizeof problem.detail);
    }
    free(text);
    return 0;
}
