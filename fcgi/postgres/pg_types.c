#include "pg_types.h"

#include <string.h>

static const struct {
    const char *name;
    Oid type;
    Oid array; /* 0: it is one itself */
} types_known[] = {
    {"bool", PG_BOOL, 1000}, {"bytea", PG_BYTEA, 1001}, {"int4", PG_INT4, 1007},
    {"int8", PG_INT8, 1016}, {"text", PG_TEXT, 1009},   {"uuid", PG_UUID, 2951},
    {"bool[]", 1000, 0},     {"bytea[]", 1001, 0},      {"int4[]", 1007, 0},
    {"int8[]", 1016, 0},     {"text[]", 1009, 0},       {"uuid[]", 2951, 0},
};

enum { KNOWN = sizeof types_known / sizeof *types_known };

Oid pg_array_of(Oid type) {
    for (int i = 0; i < KNOWN; i++) {
        if (types_known[i].type == type)
            return types_known[i].array;
    }
    return 0;
}

const char *pg_type_name(Oid type) {
    for (int i = 0; i < KNOWN; i++) {
        if (types_known[i].type == type)
            return types_known[i].name;
    }
    return "another type";
}

/* The type of a name with this length; 0 for an unknown one. */
static Oid type_named(const char *name, size_t length) {
    for (int i = 0; i < KNOWN; i++) {
        if (strlen(types_known[i].name) == length && memcmp(types_known[i].name, name, length) == 0)
            return types_known[i].type;
    }
    return 0;
}

int pg_types_read(const char *list, Oid types[PG_PARAMETERS_MAX]) {
    int count = 0;
    for (size_t length; list += strspn(list, " "), (length = strcspn(list, " ")) > 0;
         list += length) {
        Oid type = type_named(list, length);
        if (type == 0 || count == PG_PARAMETERS_MAX)
            return -1;
        types[count++] = type;
    }
    return count;
}
