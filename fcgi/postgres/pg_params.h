#ifndef HASHMILL_PG_PARAMS_H
#define HASHMILL_PG_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "pg_types.h"

/*
 * The parameters of one statement, in binary. Each pg_put adds the next parameter; between
 * pg_open_array and pg_close_array it adds an element, which must be of the array's type:
 *
 *     pg_params_clear(&params);
 *     pg_put_int8(&params, clock);
 *     pg_open_array(&params, PG_UUID);
 *     for (...)
 *         pg_put_uuid(&params, ids[i]);
 *     pg_close_array(&params);
 *
 * A mistake is kept until whoever sends the parameters finds it (pg_params_fit). Starts zeroed; may
 * be cleared and used again, which keeps its memory.
 */
struct pg_params {
    struct buffer bytes;
    int count;
    struct {
        Oid type; /* 0: NULL of any */
        size_t at;
        int length;
    } values[PG_PARAMETERS_MAX];
    size_t array_at;  /* where the open array begins */
    Oid element;      /* its type; 0: none is open */
    int32_t elements; /* it has so many */
    bool wrong;       /* too many parameters, too large ones, or not of their array's type */
};

void pg_params_clear(struct pg_params *params);
void pg_params_free(struct pg_params *params);

void pg_put_bool(struct pg_params *params, bool value);
void pg_put_int4(struct pg_params *params, int32_t value);
void pg_put_int8(struct pg_params *params, int64_t value);
void pg_put_text(struct pg_params *params, const char *text);
void pg_put_bytea(struct pg_params *params, const void *bytes, size_t size);
void pg_put_uuid(struct pg_params *params, const uint8_t uuid[16]);

/* NULL, of whatever type. */
void pg_put_null(struct pg_params *params);

/* An array of one dimension; without elements it is empty, not NULL. */
void pg_open_array(struct pg_params *params, Oid element);
void pg_close_array(struct pg_params *params);

/* Whether the parameters are whole and of these types. */
bool pg_params_fit(const struct pg_params *params, const Oid *types, int count);

/* Shows them as libpq takes them; they point into params. */
void pg_params_show(const struct pg_params *params, const char *values[PG_PARAMETERS_MAX],
                    int lengths[PG_PARAMETERS_MAX], int formats[PG_PARAMETERS_MAX]);

#endif
