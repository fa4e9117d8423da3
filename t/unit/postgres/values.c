/* Parameters and answers: all types there and back, odd arrays, and what is refused. */
#include "fixture.h"

#include <limits.h>

enum { ECHO, ECHO_ARRAYS, UNNEST, NOTHING, CHANGE, TYPES, KINDS_COUNT };

static const char size_of_each[] = "SELECT cardinality($1), cardinality($2), cardinality($3), "
                                   "cardinality($4), cardinality($5), cardinality($6)";
static const char *const texts[] = {
    [ECHO] = "SELECT $1, $2, $3, $4, $5, $6",
    [ECHO_ARRAYS] = size_of_each,
    [UNNEST] =
        "SELECT n, i, b, y, u, t FROM unnest($1, $2, $3, $4, $5, $6) AS x (n, i, b, y, u, t)",
    [NOTHING] = "SELECT NULL::int8, NULL::text, 1.5::numeric, 7::int2",
    [CHANGE] = "CREATE TEMPORARY TABLE seventeen AS SELECT generate_series(1, 17)",
    [TYPES] = "SELECT 1",
};
static const char *const names[] = {"echo", "echo_arrays", "unnest", "nothing", "change", "types"};
static const char *const takes[] = {
    [ECHO] = "int8 int4 bool bytea uuid text",
    [ECHO_ARRAYS] = "int8[] int4[] bool[] bytea[] uuid[] text[]",
    [UNNEST] = "int8[] int4[] bool[] bytea[] uuid[] text[]",
    [NOTHING] = "",
    [CHANGE] = "",
    [TYPES] = "int9",
};
static const struct pg_statements statements = {texts, names, takes, KINDS_COUNT};

static struct pg_link *pg;
static struct pg_params params;
static const uint8_t id[16] = {0, 1, 2, 0xff, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0};

static void put_one(int64_t n, int32_t i, bool b, const char *y, size_t size, const char *t) {
    pg_params_clear(&params);
    pg_put_int8(&params, n);
    pg_put_int4(&params, i);
    pg_put_bool(&params, b);
    pg_put_bytea(&params, y, size);
    pg_put_uuid(&params, id);
    pg_put_text(&params, t);
}

/* Whether a row has these values. */
static bool has_row(int answer, int row, int64_t n, int32_t i, bool b, const char *y, int size,
                    const char *t) {
    int64_t got_n = 0;
    int32_t got_i = 0;
    bool got_b = false;
    const uint8_t *got_y = NULL;
    int got_size = 0;
    uint8_t got_u[16];
    const char *got_t = NULL;
    return pg_get_int8(pg, answer, row, 0, &got_n) && pg_get_int4(pg, answer, row, 1, &got_i) &&
           pg_get_bool(pg, answer, row, 2, &got_b) &&
           pg_get_bytea(pg, answer, row, 3, &got_y, &got_size) &&
           pg_get_uuid(pg, answer, row, 4, got_u) && pg_get_text(pg, answer, row, 5, &got_t) &&
           got_n == n && got_i == i && got_b == b && got_size == size &&
           memcmp(got_y, y, (size_t)size) == 0 && memcmp(got_u, id, 16) == 0 &&
           strcmp(got_t, t) == 0;
}

static void test_scalars(void) {
    put_one(INT64_MIN, INT_MIN, true, "\0\xff\\'", 4, "caf\xc3\xa9 \\ ' {} NULL");
    int first = pg_add(pg, ECHO, &params);
    put_one(INT64_MAX, INT_MAX, false, "", 0, "");
    int second = pg_add(pg, ECHO, &params);
    ok(pg_run(pg, PG_STAYS, 5000), "two rows are asked for");
    ok(has_row(first, 0, INT64_MIN, INT_MIN, true, "\0\xff\\'", 4, "caf\xc3\xa9 \\ ' {} NULL"),
       "the smallest numbers and odd texts come back");
    ok(has_row(second, 0, INT64_MAX, INT_MAX, false, "", 0, ""), "the largest, and empty ones");
    pg_params_clear(&params);
    for (int i = 0; i < 6; i++)
        pg_put_null(&params);
    first = pg_add(pg, ECHO, &params);
    ok(pg_run(pg, PG_STAYS, 5000), "NULL of each type");
    bool null = false;
    for (int i = 0; i < 6; i++)
        ok(pg_get_null(pg, first, 0, i, &null) && null, "column %d is NULL", i);
}

/* Adds arrays of each type with so many elements, and a NULL behind them if told to. */
static void put_arrays(int count, bool with_null) {
    static const Oid types[] = {PG_INT8, PG_INT4, PG_BOOL, PG_BYTEA, PG_UUID, PG_TEXT};
    pg_params_clear(&params);
    for (int type = 0; type < 6; type++) {
        pg_open_array(&params, types[type]);
        for (int i = 0; i < count; i++) {
            switch (type) {
            case 0:
                pg_put_int8(&params, (int64_t)i << 32);
                break;
            case 1:
                pg_put_int4(&params, -i);
                break;
            case 2:
                pg_put_bool(&params, i % 2 == 1);
                break;
            case 3:
                pg_put_bytea(&params, "\0{\"\\", (size_t)(i % 5));
                break;
            case 4:
                pg_put_uuid(&params, id);
                break;
            default:
                pg_put_text(&params, i % 2 == 1 ? "NULL" : "");
                break;
            }
        }
        if (with_null)
            pg_put_null(&params);
        pg_close_array(&params);
    }
}

static void test_arrays(void) {
    static const int counts[] = {0, 1, 2, 5000};
    for (size_t at = 0; at < sizeof counts / sizeof *counts; at++) {
        int count = counts[at];
        bool right = true;
        bool null = false;
        put_arrays(count, true);
        int answer = pg_add(pg, UNNEST, &params);
        put_arrays(count, false);
        int sizes = pg_add(pg, ECHO_ARRAYS, &params);
        ok(pg_run(pg, PG_STAYS, 5000), "arrays of %d and of one more", count);
        is_int(pg_rows(pg, answer), count + 1, "give as many rows");
        for (int i = 0; i < count && right; i++)
            right = has_row(answer, i, (int64_t)i << 32, -i, i % 2 == 1, "\0{\"\\", i % 5,
                            i % 2 == 1 ? "NULL" : "");
        ok(right, "with their values");
        ok(pg_get_null(pg, answer, count, 5, &null) && null, "and NULL");
        for (int i = 0; i < 6; i++) {
            int32_t size = -1;
            ok(pg_get_int4(pg, sizes, 0, i, &size) && size == count, "array %d is whole", i);
        }
    }
}

/* What is not as asked for is not given. */
static void test_strict(void) {
    int64_t number = 42;
    const char *text = NULL;
    uint8_t bytes[4];
    bool null = false;
    put_one(1, 2, true, "abc", 3, "text");
    int answer = pg_add(pg, ECHO, &params);
    int nothing = pg_add(pg, NOTHING, NULL);
    ok(pg_run(pg, PG_STAYS, 5000), "two answers");
    ok(!pg_get_int8(pg, answer, 0, 1, &number), "no int4 for int8");
    is_fault(&pg->fault, PG_SCHEMA, "column 1 of echo is a value of type int4", "it is said why");
    ok(!pg_get_bytes(pg, answer, 0, 3, bytes, 4), "no three bytes for four");
    ok(pg_get_bytes(pg, answer, 0, 3, bytes, 3) && memcmp(bytes, "abc", 3) == 0, "but for three");
    ok(!pg_get_text(pg, answer, 0, 3, &text), "no bytea for text");
    ok(!pg_get_int8(pg, nothing, 0, 0, &number), "no NULL for a number");
    is_fault(&pg->fault, PG_SCHEMA, "column 0 of nothing is NULL", "it is said which");
    ok(!pg_get_text(pg, nothing, 0, 1, &text), "nor for a text");
    ok(!pg_get_int8(pg, nothing, 0, 2, &number), "no numeric for int8");
    ok(!pg_get_int4(pg, nothing, 0, 3, bytes[0] ? (int32_t *)&number : NULL), "no int2 for int4");
    is_fault(&pg->fault, PG_SCHEMA, "another type", "that has no name here");
    ok(!pg_get_int8(pg, answer, 1, 0, &number), "no second row");
    is_int(pg->fault.kind, PG_BUG, "is a mistake here");
    ok(!pg_get_int8(pg, answer, -1, 0, &number) && !pg_get_int8(pg, answer, 0, 6, &number) &&
           !pg_get_int8(pg, answer, 0, -1, &number) && !pg_get_int8(pg, 7, 0, 0, &number) &&
           !pg_get_int8(pg, -1, 0, 0, &number) && !pg_get_null(pg, answer, 3, 3, &null),
       "nor is there anything else outside");
    is_int(pg_rows(pg, 99), 0, "no rows of an answer that is not there");
    is_int(number, 42, "nothing is changed then");
    answer = pg_add(pg, CHANGE, NULL);
    if (!ok(pg_run(pg, PG_COMMITS, 5000), "a change"))
        printf("# %s\n", pg->fault.message);
    is_int(pg_changed(pg, answer), 17, "of 17 rows");
}

/* Parameters that do not fit end the pipeline, and nothing of it takes effect. */
static void test_misfits(struct pg_server *server) {
    for (int mistake = 0; mistake < 9; mistake++) {
        put_one(1, 2, true, "", 0, "");
        int sql = ECHO;
        if (mistake == 0)
            pg_put_int8(&params, 1);
        if (mistake == 1)
            params.count--;
        if (mistake == 2)
            params.values[1].type = PG_INT8;
        if (mistake >= 3)
            pg_params_clear(&params);
        if (mistake == 3)
            pg_close_array(&params);
        if (mistake == 4)
            sql = TYPES;
        if (mistake >= 7)
            sql = mistake == 7 ? -1 : KINDS_COUNT;
        if (mistake == 5 || mistake == 6) {
            put_arrays(1, false);
            sql = ECHO_ARRAYS;
        }
        if (mistake == 5)
            pg_open_array(&params, PG_INT8);
        if (mistake == 6) {
            params.element = PG_BOOL;
            pg_put_text(&params, "not a bool");
            params.element = 0;
        }
        pg_add(pg, NOTHING, NULL);
        is_int(pg_add(pg, sql, &params), -1, "a misfit is not sent");
        is_int(pg_add(pg, NOTHING, NULL), -1, "nor what is behind it");
        ok(!pg_run(pg, PG_COMMITS, 5000), "and fails");
        is_int(pg->fault.kind, PG_BUG, "as a mistake");
        ok(!pg->conn, "the connection is closed");
        pg_link_close(pg);
        pg = connect_or_end(server);
    }
    for (int i = 0; i < PG_PARAMETERS_MAX + 3; i++)
        pg_put_null(&params);
    ok(params.wrong, "too many parameters are wrong");
    pg_params_clear(&params);
    pg_open_array(&params, 1700);
    ok(params.wrong, "so is an array of another type");
}

int main(void) {
    set_up();
    struct cluster cluster = start_server("a");
    struct pg_server *server = open_server(cluster.uri, &statements);
    pg = connect_or_end(server);
    test_scalars();
    test_arrays();
    test_strict();
    test_misfits(server);
    pg_params_free(&params);
    pg_link_close(pg);
    close_server(server);
    return tear_down();
}
