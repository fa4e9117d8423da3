#include "rows_hash.h"

#include <endian.h>
#include <openssl/evp.h>

static bool add_number(EVP_MD_CTX *hash, int64_t number) {
    uint64_t bytes = htobe64((uint64_t)number);
    return EVP_DigestUpdate(hash, &bytes, sizeof bytes) == 1;
}

static bool add_value(EVP_MD_CTX *hash, sqlite3_stmt *row, int column) {
    uint8_t type = (uint8_t)sqlite3_column_type(row, column);
    if (EVP_DigestUpdate(hash, &type, sizeof type) != 1)
        return false;
    if (type == SQLITE_INTEGER)
        return add_number(hash, sqlite3_column_int64(row, column));
    if (type == SQLITE_NULL)
        return true;
    const void *bytes = sqlite3_column_blob(row, column); /* also of a text */
    int size = sqlite3_column_bytes(row, column);
    return add_number(hash, size) && EVP_DigestUpdate(hash, bytes, (size_t)size) == 1;
}

int rows_hash(sqlite3_stmt *rows, uint8_t hash[ROWS_HASH_SIZE]) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    int code = SQLITE_NOMEM;
    while (good && (code = sqlite3_step(rows)) == SQLITE_ROW) {
        for (int column = 0; good && column < sqlite3_column_count(rows); column++)
            good = add_value(context, rows, column);
    }
    good = good && EVP_DigestFinal_ex(context, hash, NULL) == 1;
    EVP_MD_CTX_free(context);
    sqlite3_reset(rows);
    return code == SQLITE_DONE ? (good ? SQLITE_OK : SQLITE_NOMEM)
                               : (code == SQLITE_ROW ? SQLITE_NOMEM : code);
}
