/* Idempotency keys: of two requests one gets the key, whichever node they reach, and a key that
 * came to nothing is free. */
#include "tx_writers.h"

static int items;

/* A request with a key. */
static struct tx_key request(int64_t client, const char *key) {
    struct tx_key wanted = {.client = client, .iterations = 5, .at_ms = clock_ms};
    snprintf(wanted.key, sizeof wanted.key, "%s", key);
    wanted.id.bytes[15] = (uint8_t)++items;
    memset(wanted.digest, items, DIGEST_SIZE);
    return wanted;
}

/* Begins a batch that wants a key; what is known of it then. */
static struct tx_key *begin_with(struct tx *of, const struct tx_key *wanted) {
    tx_begin(of);
    if (!tx_want_key(of, wanted) || !tx_read(of)) {
        printf("Bail out! %s\n", of->link->fault.message);
        exit(1);
    }
    return tx_keys_find(&of->keys, wanted->client, wanted->key);
}

/* Gives the key to an item of this request. */
static void take(struct tx *of, struct tx_key *key, const struct tx_key *wanted) {
    struct item_row item = {.id = wanted->id, .client = wanted->client, .iterations = 5};
    item.remaining = 4;
    tx_rows_add(of->rows, &item);
    tx_key_take(key, &wanted->id, wanted->iterations, wanted->digest);
}

static bool is_of(const struct tx_key *key, const struct tx_key *wanted) {
    return key->is_taken && memcmp(&key->id, &wanted->id, ID_SIZE) == 0 &&
           key->iterations == wanted->iterations &&
           memcmp(key->digest, wanted->digest, DIGEST_SIZE) == 0;
}

static bool commit(struct tx *of) {
    struct tx_counts counts = {.remaining = 0};
    return tx_commit(of, &counts);
}

static void test_two_nodes(struct tx *other) {
    const struct tx_key first = request(1, "a");
    const struct tx_key again = request(1, "a");
    const struct tx_key theirs = request(2, "a");
    struct tx_key *key = begin_with(tx, &first);
    ok(!key->is_taken, "a new key is free");
    take(tx, key, &first);
    ok(is_of(tx_keys_find(&tx->keys, 1, "a"), &first), "the same batch has it then");
    ok(commit(tx), "it is committed");
    ok(is_of(begin_with(other, &again), &first), "another node finds the first request");
    ok(commit(other) && is_of(begin_with(tx, &again), &first), "and leaves it as it is");
    tx_give_up(tx);
    ok(!begin_with(tx, &theirs)->is_taken, "another client has keys of its own");
    tx_give_up(tx);
}

static void test_nothing(struct tx *other) {
    const struct tx_key first = request(1, "b");
    const struct tx_key second = request(1, "b");
    begin_with(tx, &first);
    ok(commit(tx) && number_of("SELECT count(*) FROM key WHERE key = 'b'") == 0,
       "a key that came to nothing is not stored");
    take(other, begin_with(other, &second), &second);
    tx_give_up(other);
    ok(number_of("SELECT count(*) FROM key WHERE key = 'b'") == 0, "nor one of a batch given up");
    struct tx_key *key = begin_with(other, &first);
    take(other, key, &second);
    ok(commit(other) && is_of(begin_with(tx, &first), &second),
       "the second request has it when the first was refused");
    tx_give_up(tx);
}

static void test_many(void) {
    struct tx_key wanted[3] = {request(3, "c"), request(1, "d"), request(1, "c")};
    struct tx_key late = request(2, "c");
    tx_begin(tx);
    for (int n = 0; n < 3; n++)
        tx_want_key(tx, &wanted[n]);
    bool good = tx_read(tx) && tx_want_key(tx, &late) && tx_read(tx);
    take(tx, tx_keys_find(&tx->keys, 3, "c"), &wanted[0]);
    take(tx, tx_keys_find(&tx->keys, 1, "c"), &wanted[2]);
    take(tx, tx_keys_find(&tx->keys, 2, "c"), &late);
    ok(good && commit(tx), "several keys in one batch, and one more");
    is_int(number_of("SELECT count(*) FROM key WHERE key IN ('c', 'd')"), 3, "those taken stay");
    tx_begin(tx);
    for (int n = 0; n < 3; n++)
        tx_want_key(tx, &wanted[n]);
    ok(tx_read(tx) && is_of(tx_keys_find(&tx->keys, 3, "c"), &wanted[0]) &&
           is_of(tx_keys_find(&tx->keys, 1, "c"), &wanted[2]) &&
           !tx_keys_find(&tx->keys, 1, "d")->is_taken,
       "each has its item");
    tx_give_up(tx);
}

/* As many keys as there is room for, and their places. */
static void test_room(void) {
    static struct tx_keys keys;
    struct tx_key wanted = {.client = 1};
    int added = 0;
    int found = 0;
    do
        snprintf(wanted.key, sizeof wanted.key, "key %d", added++);
    while (tx_keys_add(&keys, &wanted));
    is_int(added - 1, TX_KEYS_MAX, "there is room for so many keys");
    tx_keys_sort(&keys);
    for (int n = 0; n < keys.count; n++) {
        snprintf(wanted.key, sizeof wanted.key, "key %d", n);
        found += tx_keys_find(&keys, 1, wanted.key) == &keys.list[n] &&
                 !tx_keys_find(&keys, 2, wanted.key) &&
                 (n == 0 || strcmp(keys.order[n - 1]->key, keys.order[n]->key) < 0);
    }
    is_int(found, TX_KEYS_MAX, "each is found, and in order");
    tx_keys_clear(&keys);
    ok(!tx_keys_find(&keys, 1, "key 1") && tx_keys_add(&keys, &wanted), "all go at once");
}

int main(void) {
    struct tx_counts counts;
    set_up_batches();
    struct tx *other = enter(2, &counts);
    test_two_nodes(other);
    test_nothing(other);
    test_many();
    test_room();
    leave(other);
    return tear_down_batches();
}
