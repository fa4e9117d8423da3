/* Parameters in PostgreSQL's binary forms: numbers in network order; an array is its dimensions,
 * whether it has NULL, the type, the size and lower bound of each dimension, then each element with
 * its length before it. */

#include "pg_params.h"

#include <endian.h>
#include <string.h>

/* Far below what PostgreSQL takes for one value, 1 GB. */
enum { PARAMETERS_BYTES_MAX = 512 * 1024 * 1024, HEAD_SIZE = 20 };

void pg_params_clear(struct pg_params *params) {
    struct buffer bytes = params->bytes;
    buffer_clear(&bytes);
    *params = (struct pg_params){.bytes = bytes};
}

void pg_params_free(struct pg_params *params) {
    buffer_free(&params->bytes);
    *params = (struct pg_params){0};
}

static void append_number(struct pg_params *params, uint32_t number) {
    number = htobe32(number);
    buffer_append(&params->bytes, &number, sizeof number);
}

/* Begins a value of its own; false when there are too many. */
static bool begin(struct pg_params *params, Oid type) {
    if (params->count == PG_PARAMETERS_MAX || params->element != 0) {
        params->wrong = true;
        return false;
    }
    params->values[params->count].type = type;
    params->values[params->count].at = params->bytes.length;
    params->count++;
    return true;
}

/* Adds a parameter, or an element of the open array. */
static void put(struct pg_params *params, Oid type, const void *bytes, size_t size) {
    if (size > PARAMETERS_BYTES_MAX - HEAD_SIZE ||
        params->bytes.length > PARAMETERS_BYTES_MAX - HEAD_SIZE - size) {
        params->wrong = true;
        return;
    }
    if (params->element != 0) {
        params->wrong = params->wrong || params->element != type;
        params->elements++;
        append_number(params, (uint32_t)size);
        buffer_append(&params->bytes, bytes, size);
    } else if (begin(params, type)) {
        buffer_append(&params->bytes, bytes, size);
        params->values[params->count - 1].length = (int)size;
    }
}

void pg_put_bool(struct pg_params *params, bool value) {
    put(params, PG_BOOL, value ? "\1" : "\0", 1);
}

void pg_put_int4(struct pg_params *params, int32_t value) {
    uint32_t number = htobe32((uint32_t)value);
    put(params, PG_INT4, &number, sizeof number);
}

void pg_put_int8(struct pg_params *params, int64_t value) {
    uint64_t number = htobe64((uint64_t)value);
    put(params, PG_INT8, &number, sizeof number);
}

void pg_put_text(struct pg_params *params, const char *text) {
    put(params, PG_TEXT, text, strlen(text));
}

void pg_put_bytea(struct pg_params *params, const void *bytes, size_t size) {
    put(params, PG_BYTEA, bytes, size);
}

void pg_put_uuid(struct pg_params *params, const uint8_t uuid[16]) {
    put(params, PG_UUID, uuid, 16);
}

void pg_put_null(struct pg_params *params) {
    if (params->element == 0) {
        begin(params, 0);
        return;
    }
    uint32_t has_null = htobe32(1);
    memcpy(params->bytes.data + params->array_at + 4, &has_null, sizeof has_null);
    params->elements++;
    append_number(params, UINT32_MAX); /* the length of NULL */
}

void pg_open_array(struct pg_params *params, Oid element) {
    if (pg_array_of(element) == 0 || !begin(params, pg_array_of(element))) {
        params->wrong = true;
        return;
    }
    params->array_at = params->bytes.length;
    params->element = element;
    params->elements = 0;
    append_number(params, 1); /* dimensions */
    append_number(params, 0);
    append_number(params, element);
    append_number(params, 0); /* elements, known at the end */
    append_number(params, 1); /* the first one's index */
}

void pg_close_array(struct pg_params *params) {
    if (params->element == 0) {
        params->wrong = true;
        return;
    }
    uint32_t elements = htobe32((uint32_t)params->elements);
    memcpy(params->bytes.data + params->array_at + 12, &elements, sizeof elements);
    params->values[params->count - 1].length = (int)(params->bytes.length - params->array_at);
    params->element = 0;
}

bool pg_params_fit(const struct pg_params *params, const Oid *types, int count) {
    if (params->wrong || params->element != 0 || params->count != count)
        return false;
    for (int i = 0; i < count; i++) {
        if (params->values[i].type != 0 && params->values[i].type != types[i])
            return false;
    }
    return true;
}

void pg_params_show(const struct pg_params *params, const char *values[PG_PARAMETERS_MAX],
                    int lengths[PG_PARAMETERS_MAX], int formats[PG_PARAMETERS_MAX]) {
    for (int i = 0; i < params->count; i++) {
        bool empty = !params->bytes.data; /* nothing but empty texts and NULL */
        values[i] = empty ? "" : params->bytes.data + params->values[i].at;
        if (params->values[i].type == 0)
            values[i] = NULL;
        lengths[i] = params->values[i].length;
        formats[i] = 1;
    }
}
