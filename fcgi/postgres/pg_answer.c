/* Values of results, which are in binary; each is looked at before it is believed. */

#include "pg_answer.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The result of an answer; NULL when it is not there. */
static const PGresult *result_of(const struct pg_link *link, int answer) {
    if (answer < 0 || answer >= link->answer_count)
        return NULL;
    return link->sent[link->answers[answer]].result;
}

int pg_rows(const struct pg_link *link, int answer) {
    return PQntuples(result_of(link, answer));
}

int64_t pg_changed(const struct pg_link *link, int answer) {
    const PGresult *result = result_of(link, answer);
    return result ? strtoll(PQcmdTuples((PGresult *)result), NULL, 10) : 0;
}

/* Whether there is such a value. */
static bool is_there(struct pg_link *link, int answer, int row, int column) {
    const PGresult *result = result_of(link, answer);
    if (result && row >= 0 && row < PQntuples(result) && column >= 0 && column < PQnfields(result))
        return true;
    pg_fault_set(&link->fault, PG_BUG, "answer %d has no row %d with a column %d", answer, row,
                 column);
    return false;
}

/* The bytes of a value that is of a type, and of a size unless that is -1; NULL after a failure. */
static const char *value(struct pg_link *link, int answer, int row, int column, Oid type,
                         int size) {
    if (!is_there(link, answer, row, column))
        return NULL;
    const PGresult *result = result_of(link, answer);
    bool null = PQgetisnull(result, row, column);
    int length = PQgetlength(result, row, column);
    if (PQftype(result, column) == type && PQfformat(result, column) == 1 && !null &&
        (size == -1 || length == size))
        return PQgetvalue(result, row, column);
    pg_fault_set(&link->fault, PG_SCHEMA, "column %d of %s is %s of type %s, %d bytes long, not %s",
                 column, link->sent[link->answers[answer]].name, null ? "NULL" : "a value",
                 pg_type_name(PQftype(result, column)), length, pg_type_name(type));
    return NULL;
}

bool pg_get_bool(struct pg_link *link, int answer, int row, int column, bool *to) {
    const char *bytes = value(link, answer, row, column, PG_BOOL, 1);
    if (bytes)
        *to = bytes[0] != 0;
    return bytes;
}

bool pg_get_int4(struct pg_link *link, int answer, int row, int column, int32_t *to) {
    const char *bytes = value(link, answer, row, column, PG_INT4, sizeof *to);
    uint32_t number = 0;
    if (!bytes)
        return false;
    memcpy(&number, bytes, sizeof number);
    *to = (int32_t)be32toh(number);
    return true;
}

bool pg_get_int8(struct pg_link *link, int answer, int row, int column, int64_t *to) {
    const char *bytes = value(link, answer, row, column, PG_INT8, sizeof *to);
    uint64_t number = 0;
    if (!bytes)
        return false;
    memcpy(&number, bytes, sizeof number);
    *to = (int64_t)be64toh(number);
    return true;
}

bool pg_get_uuid(struct pg_link *link, int answer, int row, int column, uint8_t to[16]) {
    const char *bytes = value(link, answer, row, column, PG_UUID, 16);
    if (bytes)
        memcpy(to, bytes, 16);
    return bytes;
}

bool pg_get_bytes(struct pg_link *link, int answer, int row, int column, void *to, int size) {
    const char *bytes = value(link, answer, row, column, PG_BYTEA, size);
    if (bytes)
        memcpy(to, bytes, (size_t)size);
    return bytes;
}

bool pg_get_bytea(struct pg_link *link, int answer, int row, int column, const uint8_t **to,
                  int *size) {
    const char *bytes = value(link, answer, row, column, PG_BYTEA, -1);
    if (!bytes)
        return false;
    *to = (const uint8_t *)bytes;
    *size = PQgetlength(result_of(link, answer), row, column);
    return true;
}

bool pg_get_text(struct pg_link *link, int answer, int row, int column, const char **to) {
    const char *bytes = value(link, answer, row, column, PG_TEXT, -1);
    if (bytes)
        *to = bytes; /* libpq ends every value with a NUL */
    return bytes;
}

bool pg_get_null(struct pg_link *link, int answer, int row, int column, bool *to) {
    if (!is_there(link, answer, row, column))
        return false;
    *to = PQgetisnull(result_of(link, answer), row, column);
    return true;
}
