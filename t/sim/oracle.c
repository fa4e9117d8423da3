#include "oracle.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "hex.h"
#include "queue/id.h"

enum { BUCKETS = 8192 };

bool oracle_retention;
int oracle_excuses;

static struct record **records;
static int record_count;
static int record_room;
static struct pull **pulls;
static int pull_count;
static int pull_room;
static int64_t may_be_lost;  /* items of pulls that were not answered */
static int buckets[BUCKETS]; /* index + 1 of the first record with a value of this hash */
static int *next_in_bucket;
static int next_room;

void oracle_begin(void) {
    for (int i = 0; i < record_count; i++)
        free(records[i]);
    for (int i = 0; i < pull_count; i++) {
        free(pulls[i]->ids);
        free(pulls[i]);
    }
    record_count = pull_count = 0;
    may_be_lost = 0;
    oracle_retention = false;
    memset(buckets, 0, sizeof buckets);
}

void oracle_end(void) {
    oracle_begin();
    free(records);
    free(pulls);
    free(next_in_bucket);
    records = NULL;
    pulls = NULL;
    next_in_bucket = NULL;
    record_room = pull_room = next_room = 0;
}

static void *grown(void *memory, int *room, int count, size_t size) {
    if (count < *room)
        return memory;
    *room = *room ? 2 * *room : 256;
    memory = realloc(memory, (size_t)*room * size);
    if (!memory)
        abort();
    return memory;
}

void oracle_hash(uint8_t to[DIGEST_SIZE], const void *from, size_t size) {
    static EVP_MD_CTX *context;
    if (!context)
        context = EVP_MD_CTX_new();
    EVP_DigestInit_ex(context, EVP_sha512(), NULL);
    EVP_DigestUpdate(context, from, size);
    EVP_DigestFinal_ex(context, to, NULL);
}

void oracle_chain(const struct record *record, int remaining, uint8_t chain[DIGEST_SIZE]) {
    memcpy(chain, record->digest, DIGEST_SIZE);
    for (int i = 1; i < record->iterations - remaining; i++)
        oracle_hash(chain, chain, DIGEST_SIZE);
}

static unsigned bucket_of(const uint8_t value[DIGEST_SIZE]) {
    return ((unsigned)value[0] << 8 | value[1]) % BUCKETS;
}

struct record *oracle_record(int node, int iterations, bool keyed) {
    char body[40];
    struct record *record = calloc(1, sizeof *record);
    if (!record)
        abort();
    records = grown(records, &record_room, record_count, sizeof(struct record *));
    next_in_bucket = grown(next_in_bucket, &next_room, record_count, sizeof *next_in_bucket);
    record->number = (uint32_t)record_count;
    record->node = node;
    record->iterations = iterations;
    if (keyed)
        snprintf(record->key, sizeof record->key, "enqueue-%d", record_count);
    int length = snprintf(body, sizeof body, "work %d", record_count);
    oracle_hash(record->digest, body, (size_t)length);
    oracle_chain(record, 0, record->value);
    unsigned bucket = bucket_of(record->value);
    next_in_bucket[record_count] = buckets[bucket];
    records[record_count] = record;
    buckets[bucket] = ++record_count;
    return record;
}

int oracle_records(void) {
    return record_count;
}

struct record *oracle_record_at(int index) {
    return records[index];
}

static struct record *find_value(const uint8_t value[DIGEST_SIZE]) {
    for (int at = buckets[bucket_of(value)]; at != 0; at = next_in_bucket[at - 1]) {
        if (memcmp(records[at - 1]->value, value, DIGEST_SIZE) == 0)
            return records[at - 1];
    }
    return NULL;
}

struct record *oracle_find(struct uuid id) {
    for (int i = record_count - 1; i >= 0; i--) {
        if (records[i]->acked && memcmp(&records[i]->id, &id, sizeof id) == 0)
            return records[i];
    }
    return NULL;
}

/* Items that leave the queue by their age take their keys along: the same enqueue may then make
 * another item. */
static void note_id(struct record *record, struct uuid id, bool same) {
    if (!same) {
        record->cancelled = false;
        record->pull = 0;
    }
    record->id = id;
}

void oracle_enqueued(struct record *record, struct uuid id) {
    bool same = memcmp(&record->id, &id, sizeof id) == 0;
    if (id_node(id) != record->node)
        sim_fail("enqueue %u at node %d has an id of node %d", record->number, record->node,
                 id_node(id));
    if (record->acked && !same && !record->excused && !oracle_retention)
        sim_fail("enqueue %u has two ids", record->number);
    note_id(record, id, same);
    record->acked = true;
}

void oracle_cancelled(struct record *record) {
    if (record->pull != 0 && !record->excused)
        sim_fail("item %u is said to be cancelled, and was handed out by pull %d", record->number,
                 record->pull);
    record->cancelled = true;
}

void oracle_seen(struct record *record, const char *state, const uint8_t *value, int remaining) {
    if (value && memcmp(value, record->value, DIGEST_SIZE) != 0)
        sim_fail("item %u is shown with a wrong value", record->number);
    if (remaining < 0 || remaining >= record->iterations)
        sim_fail("item %u is shown with %d iterations left", record->number, remaining);
    if (state && !record->excused && strcmp(state, "cancelled") != 0)
        sim_fail("item %u was cancelled and is shown as %s", record->number, state);
}

void oracle_missing(struct record *record) {
    if (record->acked && !record->excused && !oracle_retention)
        sim_fail("item %u was acknowledged and is gone", record->number);
}

/* --- Pulls --- */

struct pull *oracle_pull(int node, int top, bool oldest, bool keyed) {
    struct pull *pull = calloc(1, sizeof *pull);
    if (!pull)
        abort();
    pulls = grown(pulls, &pull_room, pull_count, sizeof(struct pull *));
    pulls[pull_count++] = pull;
    *pull = (struct pull){
        .number = pull_count, .node = node, .top = top, .oldest = oldest, .keyed = keyed};
    if (keyed)
        snprintf(pull->key, sizeof pull->key, "pull-%d", pull_count);
    return pull;
}

int oracle_pulls(void) {
    return pull_count;
}

struct pull *oracle_pull_at(int index) {
    return pulls[index];
}

static void hand_out(struct pull *pull, struct uuid id, const uint8_t value[DIGEST_SIZE]) {
    struct record *record = find_value(value);
    if (!record)
        sim_fail("pull %d hands out a value that belongs to no item", pull->number);
    if (id_node(id) != record->node)
        sim_fail("pull %d hands item %u out under an id of another node", pull->number,
                 record->number);
    bool same = memcmp(&record->id, &id, sizeof id) == 0;
    if (record->acked && !same && !record->excused && !oracle_retention)
        sim_fail("pull %d hands item %u out under another id", pull->number, record->number);
    if (!same && (record->acked || oracle_retention))
        note_id(record, id, false);
    record->id = id; /* perhaps before a client was told it */
    if (record->cancelled && !record->excused)
        sim_fail("pull %d hands out item %u, which was cancelled", pull->number, record->number);
    if (record->pull != 0 && record->pull != pull->number && !record->excused)
        sim_fail("item %u is handed out by pull %d and by pull %d", record->number, record->pull,
                 pull->number);
    record->pull = pull->number;
}

/* Reads a line into id and value. The next line; NULL at the end. */
static const char *read_line(const char *line, struct uuid *id, uint8_t value[DIGEST_SIZE]) {
    char text[ID_TEXT_SIZE];
    if (*line == '\0')
        return NULL;
    snprintf(text, sizeof text, "%.36s", line);
    const char *end = strchr(line, '\n');
    if (!end || end - line != 36 + 1 + 2 * DIGEST_SIZE || !id_parse(id, text) ||
        !hex_decode(value, DIGEST_SIZE, line + 37, 2 * (size_t)DIGEST_SIZE))
        sim_fail("a pull is answered with a line that is none");
    return end + 1;
}

void oracle_pulled(struct pull *pull, const char *lines, bool first) {
    struct uuid id;
    uint8_t value[DIGEST_SIZE];
    bool again =
        pull->count > 0 && !pull->excused && !oracle_retention; /* an empty one is not recorded */
    int count = 0;
    if (first && *lines == '\0' && pull->count > 0)
        return; /* an answer with items came meanwhile */
    if (!pull->ids && !(pull->ids = calloc((size_t)pull->top, sizeof *pull->ids)))
        abort();
    while ((lines = read_line(lines, &id, value)) != NULL) {
        if (count == pull->top)
            sim_fail("pull %d of %d hands out more", pull->number, pull->top);
        if (again && (count >= pull->count || memcmp(&pull->ids[count], &id, sizeof id) != 0))
            sim_fail("pull %d gets another batch when it is repeated", pull->number);
        pull->ids[count++] = id;
        hand_out(pull, id, value);
    }
    if (again && count != pull->count)
        sim_fail("pull %d gets %d items when it is repeated, not %d", pull->number, count,
                 pull->count);
    pull->count = count;
    pull->answered = true;
}

/* --- Judging --- */

void oracle_excuse(const char *why) {
    sim_trace("excused: %s", why);
    oracle_excuses++;
    for (int i = 0; i < record_count; i++)
        records[i]->excused = true;
    for (int i = 0; i < pull_count; i++)
        pulls[i]->excused = true;
}

/* Whether an item whose end nobody was told may have ended as its row says: the answer to a pull or
 * to a cancel was lost. */
static bool may_have_ended(const struct record *record, int64_t *lost) {
    enum { PULLED = 3, CANCELLED = 4 };
    int state = compare_item_state(&nodes[id_node(record->id)], record->id);
    if (state < 0 && !oracle_retention)
        return false;
    if (state == CANCELLED || (state < 0 && record->may_be_cancelled))
        return record->may_be_cancelled;
    return (state < 0 || state == PULLED) && ++*lost <= may_be_lost;
}

/* How many items may have been handed out in lost answers: to pulls without a key, or with a key
 * that may have been forgotten by its age. */
static int64_t count_untold(void) {
    int64_t untold = 0;
    for (int i = 0; i < pull_count; i++) {
        if (pulls[i]->unanswered && (!pulls[i]->keyed || oracle_retention))
            untold += pulls[i]->top;
    }
    return untold;
}

void oracle_check_at_rest(void) {
    int64_t lost = 0;
    may_be_lost = count_untold();
    for (int i = 0; i < record_count; i++) {
        const struct record *record = records[i];
        if (!record->acked || record->excused || record->cancelled || record->pull != 0)
            continue;
        if (!may_have_ended(record, &lost))
            sim_fail("item %u of node %d was acknowledged, and is neither handed out nor "
                     "cancelled; %lld such items, %lld can be told from pulls without an answer",
                     record->number, record->node, (long long)lost, (long long)may_be_lost);
    }
}
