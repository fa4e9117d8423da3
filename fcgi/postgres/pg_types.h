#ifndef HASHMILL_PG_TYPES_H
#define HASHMILL_PG_TYPES_H

#include <libpq-fe.h>
#include <stddef.h>

/*
 * The types that parameters and results have, by their names in SQL: bool, bytea, int4, int8, text,
 * uuid; of each but no other also the array, "int8[]". PostgreSQL's numbers for them never change.
 */
enum {
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_UUID = 2950,
    PG_PARAMETERS_MAX = 32
};

/* The array of a type; 0 for another than those above. */
Oid pg_array_of(Oid type);

/* The name of a type of those above or their arrays, for messages; "another type". */
const char *pg_type_name(Oid type);

/* Reads the types of a list, "int8 uuid[]". Returns how many they are; -1 when one is unknown, or
 * there are more than PG_PARAMETERS_MAX. */
int pg_types_read(const char *list, Oid types[PG_PARAMETERS_MAX]);

#endif
