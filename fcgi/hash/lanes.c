#include "lanes.h"

#include <endian.h>
#include <openssl/evp.h>
#include <stdalign.h>
#include <string.h>

/* GROUP_MAX bodies are planned together. */
enum { GROUP_MAX = 64, LENGTH_AT = LANE_BLOCK - 16 };

/* A body that is being hashed. */
struct lane {
    const struct body_hash *body;
    const uint8_t *next; /* its next block */
    size_t blocks;       /* from there on: whole ones of the body, or those in end */
    bool ends;           /* the latter */
    uint8_t end[2 * LANE_BLOCK];
};

struct lanes {
    alignas(64) uint64_t rows[BODIES_MAX][LANE_WORDS];
    struct lane *list[BODIES_MAX]; /* the first count of them are busy, those of the rows */
    struct lane pool[BODIES_MAX];
    int count;
};

static size_t blocks_of(const struct body_hash *body) {
    return (body->length + 1 + 16 + LANE_BLOCK - 1) / LANE_BLOCK;
}

/* Turns a lane to the rest of its body and the padding of FIPS 180-4 section 5.1.2: a bit 1, zeros,
 * and the length in bits; its high half is always 0. */
static void begin_end(struct lane *lane) {
    const struct body_hash *body = lane->body;
    size_t rest = body->length % LANE_BLOCK;
    uint64_t bits = htobe64((uint64_t)body->length * 8);
    lane->ends = true;
    lane->next = lane->end;
    lane->blocks = rest < LENGTH_AT ? 1 : 2;
    memset(lane->end, 0, sizeof lane->end);
    if (rest > 0)
        memcpy(lane->end, body->bytes + (body->length - rest), rest);
    lane->end[rest] = 0x80;
    memcpy(lane->end + lane->blocks * LANE_BLOCK - sizeof bits, &bits, sizeof bits);
}

static void begin(struct lanes *lanes, const struct body_hash *body) {
    struct lane *lane = lanes->list[lanes->count];
    memcpy(lanes->rows[lanes->count++], lane_constants.initial, sizeof lane_constants.initial);
    lane->body = body;
    lane->next = body->bytes;
    lane->blocks = body->length / LANE_BLOCK;
    lane->ends = false;
    if (lane->blocks == 0)
        begin_end(lane);
}

/* Gives out the digest of a lane, whose place the last busy one takes. */
static void finish(struct lanes *lanes, int place) {
    struct lane *lane = lanes->list[place];
    for (int i = 0; i < LANE_WORDS; i++) {
        uint64_t word = htobe64(lanes->rows[place][i]);
        memcpy(lane->body->digest + i * sizeof word, &word, sizeof word);
    }
    lanes->count--;
    lanes->list[place] = lanes->list[lanes->count];
    lanes->list[lanes->count] = lane;
    memmove(lanes->rows[place], lanes->rows[lanes->count], sizeof lanes->rows[place]);
}

/* Moves all busy lanes forward until the first of them is through its blocks. */
static void step(const struct lanes_plan *plan, struct lanes *lanes) {
    const struct lane_kernel *kernel = plan->steps[lanes->count].kernel;
    const uint8_t *next[BODIES_MAX];
    size_t blocks = SIZE_MAX;
    for (int i = 0; i < kernel->lanes; i++) {
        const struct lane *lane = lanes->list[i < lanes->count ? i : 0];
        next[i] = lane->next;
        if (lane->blocks < blocks)
            blocks = lane->blocks;
    }
    kernel->run(lanes->rows, next, blocks);
    for (int i = lanes->count - 1; i >= 0; i--) {
        struct lane *lane = lanes->list[i];
        lane->next += blocks * LANE_BLOCK;
        lane->blocks -= blocks;
        if (lane->blocks > 0)
            continue;
        if (lane->ends)
            finish(lanes, i);
        else
            begin_end(lane);
    }
}

static void hash_side_by_side(const struct lanes_plan *plan, const struct body_hash **bodies,
                              int count) {
    struct lanes lanes;
    memset(lanes.rows, 0, sizeof lanes.rows);
    lanes.count = 0;
    for (int i = 0; i < BODIES_MAX; i++)
        lanes.list[i] = &lanes.pool[i];
    while (count > 0 || lanes.count > 0) {
        for (; count > 0 && lanes.count < plan->lanes; count--)
            begin(&lanes, *bodies++);
        step(plan, &lanes);
    }
}

static bool hash_by_openssl(const struct body_hash *body) {
    static EVP_MD_CTX *context; /* never freed */
    if (!context) {
        context = EVP_MD_CTX_new();
        if (!context || EVP_DigestInit_ex(context, EVP_sha512(), NULL) != 1) {
            EVP_MD_CTX_free(context);
            context = NULL;
            return false;
        }
    }
    return EVP_DigestInit_ex(context, NULL, NULL) == 1 &&
           EVP_DigestUpdate(context, body->bytes, body->length) == 1 &&
           EVP_DigestFinal_ex(context, body->digest, NULL) == 1;
}

/* What bodies take in lanes, when the next one of the list goes to the lane that is free first. */
static double lanes_ns(const struct lanes_plan *plan, const struct body_hash **bodies, int count) {
    size_t ends[BODIES_MAX] = {0}; /* of each lane, in blocks, ascending */
    for (int i = 0; i < count; i++) {
        size_t end = ends[0] + blocks_of(bodies[i]);
        int at = 0;
        for (; at + 1 < plan->lanes && ends[at + 1] < end; at++)
            ends[at] = ends[at + 1];
        ends[at] = end;
    }
    double ns = 0;
    for (int i = 0; i < plan->lanes; i++)
        ns += (double)(ends[i] - (i > 0 ? ends[i - 1] : 0)) * plan->steps[plan->lanes - i].ns;
    return ns;
}

/* What bodies take, the longest first: in lanes, or by OpenSSL when they are too few. */
static double planned_ns(const struct lanes_plan *plan, const struct body_hash **bodies,
                         int count) {
    double blocks = 0;
    if (count >= plan->least)
        return lanes_ns(plan, bodies, count);
    for (int i = 0; i < count; i++)
        blocks += (double)blocks_of(bodies[i]);
    return blocks * plan->openssl_ns;
}

/* How many of the bodies, the longest first, are OpenSSL's: those that would be alone in their
 * lanes for so long that the others gain less; all when too few are left. */
static int share_of_openssl(const struct lanes_plan *plan, const struct body_hash **bodies,
                            int count) {
    if (plan->lanes == 0)
        return count;
    double ns = planned_ns(plan, bodies, count);
    int share = 0;
    for (; share < count && count - share >= plan->least; share++) {
        double others_ns = planned_ns(plan, bodies + share + 1, count - share - 1);
        if ((double)blocks_of(bodies[share]) * plan->openssl_ns + others_ns >= ns)
            return share;
        ns = others_ns;
    }
    return count;
}

/* The longest first, so that none of them begins when the others end. */
static bool hash_group(const struct lanes_plan *plan, const struct body_hash *bodies, int count) {
    const struct body_hash *sorted[GROUP_MAX];
    for (int i = 0; i < count; i++) {
        int at = i;
        for (; at > 0 && sorted[at - 1]->length < bodies[i].length; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = &bodies[i];
    }
    int share = share_of_openssl(plan, sorted, count);
    bool good = true;
    for (int i = 0; i < share; i++)
        good = hash_by_openssl(sorted[i]) && good;
    hash_side_by_side(plan, sorted + share, count - share);
    return good;
}

bool lanes_hash(const struct lanes_plan *plan, const struct body_hash *bodies, int count) {
    bool good = true;
    for (int at = 0; at < count; at += GROUP_MAX)
        good =
            hash_group(plan, bodies + at, count - at < GROUP_MAX ? count - at : GROUP_MAX) && good;
    return good;
}
