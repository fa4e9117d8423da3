/* Claims of idempotency keys: how they are made, read and given back. */

#include "tx_claims.h"

#include <string.h>

#include "pg_sql.h"
#include "postgres/pg_answer.h"

/* Which keys a statement is for. */
typedef bool choice(const struct tx_key *key);

static bool is_unread(const struct tx_key *key) {
    return !key->is_read;
}

static bool has_other_item(const struct tx_key *key) {
    return key->is_ours && key->is_taken && memcmp(key->id.bytes, key->claimed.bytes, ID_SIZE) != 0;
}

static bool is_to_drop(const struct tx_key *key) {
    return key->is_ours && (!key->is_taken || has_other_item(key));
}

/* Puts the clients and the keys; false without any. */
static bool put_keys(struct tx *tx, choice *chosen) {
    struct pg_params *params = &tx->params;
    const struct tx_keys *keys = &tx->keys;
    int count = 0;
    pg_params_clear(params);
    pg_open_array(params, PG_INT8);
    for (int i = 0; i < keys->count; i++) {
        if (!chosen(keys->order[i]))
            continue;
        pg_put_int8(params, keys->order[i]->client);
        count++;
    }
    pg_close_array(params);
    pg_open_array(params, PG_TEXT);
    for (int i = 0; i < keys->count; i++) {
        if (chosen(keys->order[i]))
            pg_put_text(params, keys->order[i]->key);
    }
    pg_close_array(params);
    return count > 0;
}

/* Adds a statement that claims keys for their items; false without any. */
static bool claim(struct tx *tx, choice *chosen) {
    struct pg_params *params = &tx->params;
    const struct tx_keys *keys = &tx->keys;
    int64_t at_ms = 0;
    if (!put_keys(tx, chosen))
        return false;
    pg_open_array(params, PG_UUID);
    for (int i = 0; i < keys->count; i++) {
        if (chosen(keys->order[i]))
            pg_put_uuid(params, keys->order[i]->id.bytes);
    }
    pg_close_array(params);
    pg_open_array(params, PG_INT8);
    for (int i = 0; i < keys->count; i++) {
        if (chosen(keys->order[i]))
            pg_put_int8(params, keys->order[i]->iterations);
    }
    pg_close_array(params);
    pg_open_array(params, PG_BYTEA);
    for (int i = 0; i < keys->count; i++) {
        if (!chosen(keys->order[i]))
            continue;
        pg_put_bytea(params, keys->order[i]->digest, DIGEST_SIZE);
        at_ms = keys->order[i]->at_ms;
    }
    pg_close_array(params);
    pg_put_int8(params, at_ms);
    pg_add(tx->link, PG_SQL_KEYS_CLAIM, params);
    return true;
}

int tx_claims_add(struct tx *tx) {
    tx_keys_sort(&tx->keys);
    if (!claim(tx, is_unread))
        return -1;
    put_keys(tx, is_unread);
    return pg_add(tx->link, PG_SQL_KEYS_READ, &tx->params);
}

/* Takes up who has a key. */
static bool take(struct pg_link *link, int answer, int row, struct tx_key *key) {
    struct uuid id = {{0}};
    int64_t iterations = 0;
    uint8_t digest[DIGEST_SIZE];
    if (!pg_get_uuid(link, answer, row, 1, id.bytes) ||
        !pg_get_int8(link, answer, row, 2, &iterations) ||
        !pg_get_bytes(link, answer, row, 3, digest, DIGEST_SIZE) ||
        !pg_get_bool(link, answer, row, 4, &key->is_ours))
        return false;
    if (!key->is_ours)
        tx_key_take(key, &id, iterations, digest);
    key->is_read = true;
    return true;
}

bool tx_claims_take(struct tx *tx, int answer) {
    struct tx_keys *keys = &tx->keys;
    int row = 0;
    for (int i = 0; answer >= 0 && i < keys->count; i++) {
        if (keys->order[i]->is_read)
            continue;
        int32_t place = 0;
        if (row == pg_rows(tx->link, answer) || !pg_get_int4(tx->link, answer, row, 0, &place) ||
            place != row + 1) {
            pg_fault_set(&tx->link->fault, PG_AGAIN, "a key went while it was claimed");
            return false;
        }
        if (!take(tx->link, answer, row++, keys->order[i]))
            return false;
    }
    return true;
}

void tx_claims_write(struct tx *tx) {
    struct pg_params *params = &tx->params;
    tx_keys_sort(&tx->keys);
    if (put_keys(tx, is_to_drop)) {
        pg_open_array(params, PG_UUID);
        for (int i = 0; i < tx->keys.count; i++) {
            if (is_to_drop(tx->keys.order[i]))
                pg_put_uuid(params, tx->keys.order[i]->claimed.bytes);
        }
        pg_close_array(params);
        pg_add(tx->link, PG_SQL_KEYS_DROP, params);
    }
    claim(tx, has_other_item);
}
