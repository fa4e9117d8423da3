#ifndef HASHMILL_PG_ANSWER_H
#define HASHMILL_PG_ANSWER_H

#include "pg_link.h"

/*
 * The answers of a pipeline that ran, by the number that pg_add returned. A value that is not of
 * the type asked for, of another size, NULL or not there is never given: false, with a fault of
 * kind PG_SCHEMA or PG_BUG that names statement and column.
 */

/* How many rows came; 0 for an answer that is not there. */
int pg_rows(const struct pg_link *link, int answer);

/* How many rows a statement changed. */
int64_t pg_changed(const struct pg_link *link, int answer);

bool pg_get_bool(struct pg_link *link, int answer, int row, int column, bool *to);
bool pg_get_int4(struct pg_link *link, int answer, int row, int column, int32_t *to);
bool pg_get_int8(struct pg_link *link, int answer, int row, int column, int64_t *to);
bool pg_get_uuid(struct pg_link *link, int answer, int row, int column, uint8_t to[16]);

/* Bytes of exactly this size. */
bool pg_get_bytes(struct pg_link *link, int answer, int row, int column, void *to, int size);

/* Bytes of any size, and a text; they live as long as the answer. */
bool pg_get_bytea(struct pg_link *link, int answer, int row, int column, const uint8_t **to,
                  int *size);
bool pg_get_text(struct pg_link *link, int answer, int row, int column, const char **to);

/* Whether a value is NULL, of whatever type. */
bool pg_get_null(struct pg_link *link, int answer, int row, int column, bool *to);

#endif
