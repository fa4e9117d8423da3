/* Ids are UUIDv7: they say when and on which node they were made, and sort by time. */
#include "fcgi/queue/id.h"

#include <stdlib.h>

#include "clock.h"
#include "tap.h"

/* The 48 bits of wall time at the front of an id. */
static int64_t time_of(struct uuid id) {
    int64_t ms = 0;
    for (int i = 0; i < 6; i++)
        ms = ms << 8 | id.bytes[i];
    return ms;
}

int main(void) {
    bool nodes = true;
    bool fields = true;
    bool texts = true;
    int64_t before = clock_wall_ms();
    struct uuid last = {{0}};
    bool differ = true;
    for (int node = 0; node < 256; node++) {
        struct uuid id = id_new(node);
        struct uuid again;
        char text[ID_TEXT_SIZE];
        id_format(text, id);
        nodes = nodes && id_node(id) == node;
        fields = fields && text[14] == '7' && strchr("89ab", text[19]);
        texts = texts && id_parse(&again, text) && memcmp(&again, &id, sizeof id) == 0;
        differ = differ && memcmp(&id, &last, sizeof id) != 0;
        last = id;
    }
    ok(nodes, "an id carries its node, 0 to 255");
    ok(fields, "version 7, variant 10");
    ok(texts, "the text form reads back");
    ok(differ, "no two are the same");
    ok(time_of(last) >= before && time_of(last) <= clock_wall_ms(), "it starts with the wall time");
    static const char *const wrong[] = {"",
                                        "01a20ac9-275b-781e-8023-2eaafcdd908",
                                        "01a20ac9-275b-781e-8023-2eaafcdd90855",
                                        "01a20ac9+275b-781e-8023-2eaafcdd9085",
                                        "01a20ac9-275b-781e-8023-2eaafcdd908g",
                                        " 1a20ac9-275b-781e-8023-2eaafcdd9085"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct uuid id;
        ok(!id_parse(&id, wrong[i]), "refused: \"%s\"", wrong[i]);
    }
    return done_testing();
}
