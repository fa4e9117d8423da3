/* Idempotency keys: of two requests one gets the key, whichever node they reach, and a key that
 * came to nothing is free. */
#include "batch_writers.h"

static int items;

/* A request with a key. */
static struct batch_key request(int64_t client, const char *key) {
    struct batch_key wanted = {.client = client, .iterations = 5, .at_ms = clock_ms};
    snprintf(wanted.key, sizeof wanted.key, "%s", key);
    wanted.id.bytes[15] = (uint8_t)++items;
    memset(wanted.digest, items, DIGEST_SIZE);
    return wanted;
}

/* Begins a batch that wants a key; what is known of it then. */
static struct batch_key *begin_with(struct batch *of, const struct batch_key *wanted) {
    batch_begin(of);
    if (!batch_want_key(of, wanted) || !batch_read(of)) {
        printf("Bail out! %s\n", of->link->fault.message);
        exit(1);
    }
    return batch_keys_find(&of->keys, wanted->client, wanted->key);
}

/* Gives the key to an item of this request. */
static void take(struct batch *of, struct batch_key *key, const struct batch_key *wanted) {
    struct item_row item = {.id = wanted->id, .client = wanted->client, .iterations = 5};
    item.remaining = 4;
    batch_rows_add(of->rows, &item);
    batch_key_take(key, &wanted->id, wanted->iterations, wanted->digest);
}

static bool is_of(const struct batch_key *key, const struct batch_key *wanted) {
    return key->is_taken && memcmp(&key->id, &wanted->id, ID_SIZE) == 0 &&
           key->iterations == wanted->iterations &&
           memcmp(key->digest, wanted->digest, DIGEST_SIZE) == 0;
}

static bool commit(struct batch *of) {
    struct batch_counts counts = {.remaining = 0};
    return batch_commit(of, &counts);
}

static void test_two_nodes(struct batch *other) {
    const struct batch_key first = request(1, "a");
    const struct batch_key again = request(1, "a");
    const struct batch_key theirs = request(2, "a");
    struct batch_key *key = begin_with(batch, &first);
    ok(!key->is_taken, "a new key is free");
    take(batch, key, &first);
    ok(is_of(batch_keys_find(&batch->keys, 1, "a"), &first), "the same batch has it then");
    ok(commit(batch), "it is committed");
    ok(is_of(begin_with(other, &again), &first), "another node finds the first request");
    ok(commit(other) && is_of(begin_with(batch, &again), &first), "and leaves it as it is");
    batch_give_up(batch);
    ok(!begin_with(batch, &theirs)->is_taken, "another client has keys of its own");
    batch_give_up(batch);
}

static void test_nothing(struct batch *other) {
    const struct batch_key first = request(1, "b");
    const struct batch_key second = request(1, "b");
    begin_with(batch, &first);
    ok(commit(batch) && number_of("SELECT count(*) FROM key WHERE key = 'b'") == 0,
       "a key that came to nothing is not stored");
    take(other, begin_with(other, &second), &second);
    batch_give_up(other);
    ok(number_of("SELECT count(*) FROM key WHERE key = 'b'") == 0, "nor one of a batch given up");
    struct batch_key *key = begin_with(other, &first);
    take(other, key, &second);
    ok(commit(other) && is_of(begin_with(batch, &first), &second),
       "the second request has it when the first was refused");
    batch_give_up(batch);
}

static void test_many(void) {
    struct batch_key wanted[3] = {request(3, "c"), request(1, "d"), request(1, "c")};
    struct batch_key late = request(2, "c");
    batch_begin(batch);
    for (int n = 0; n < 3; n++)
        batch_want_key(batch, &wanted[n]);
    bool good = batch_read(batch) && batch_want_key(batch, &late) && batch_read(batch);
    take(batch, batch_keys_find(&batch->keys, 3, "c"), &wanted[0]);
    take(batch, batch_keys_find(&batch->keys, 1, "c"), &wanted[2]);
    take(batch, batch_keys_find(&batch->keys, 2, "c"), &late);
    ok(good && commit(batch), "several keys in one batch, and one more");
    is_int(number_of("SELECT count(*) FROM key WHERE key IN ('c', 'd')"), 3, "those taken stay");
    batch_begin(batch);
    for (int n = 0; n < 3; n++)
        batch_want_key(batch, &wanted[n]);
    ok(batch_read(batch) && is_of(batch_keys_find(&batch->keys, 3, "c"), &wanted[0]) &&
           is_of(batch_keys_find(&batch->keys, 1, "c"), &wanted[2]) &&
           !batch_keys_find(&batch->keys, 1, "d")->is_taken,
       "each has its item");
    batch_give_up(batch);
}

/* As many keys as there is room for, and their places. */
static void test_room(void) {
    static struct batch_keys keys;
    struct batch_key wanted = {.client = 1};
    int added = 0;
    int found = 0;
    do
        snprintf(wanted.key, sizeof wanted.key, "key %d", added++);
    while (batch_keys_add(&keys, &wanted));
    is_int(added - 1, BATCH_KEYS_MAX, "there is room for so many keys");
    batch_keys_sort(&keys);
    for (int n = 0; n < keys.count; n++) {
        snprintf(wanted.key, sizeof wanted.key, "key %d", n);
        found += batch_keys_find(&keys, 1, wanted.key) == &keys.list[n] &&
                 !batch_keys_find(&keys, 2, wanted.key) &&
                 (n == 0 || strcmp(keys.order[n - 1]->key, keys.order[n]->key) < 0);
    }
    is_int(found, BATCH_KEYS_MAX, "each is found, and in order");
    batch_keys_clear(&keys);
    ok(!batch_keys_find(&keys, 1, "key 1") && batch_keys_add(&keys, &wanted), "all go at once");
}

int main(void) {
    struct batch_counts counts;
    set_up_batches();
    struct batch *other = enter(2, &counts);
    test_two_nodes(other);
    test_nothing(other);
    test_many();
    test_room();
    leave(other);
    return tear_down_batches();
}
