/* How SQLite means to run each statement of sql/: by searches of indexes, on whatever the tables
 * hold. */
#include "fixture.h"

enum { INDEXES_MAX = 32 };

/* The files that are not one statement on the tables. */
static bool is_script(enum sql sql) {
    switch (sql) {
    case SQL_OPEN:
    case SQL_BEGIN:
    case SQL_COMMIT:
    case SQL_ROLLBACK:
    case SQL_SCHEMA_1:
    case SQL_SCHEMA_2:
    case SQL_SCHEMA_3:
    case SQL_SCHEMA_4:
    case SQL_SCHEMA_5:
    case SQL_SCHEMA_6:
    case SQL_SCHEMA_7:
    case SQL_SCHEMA_8:
    case SQL_SCHEMA_9:
    case SQL_SCHEMA_10:
    case SQL_SCHEMA_11:
    case SQL_CLIENTS_ALL:       /* all of them, once at each start */
    case SQL_CLIENTS_SENSELESS: /* these two for --check */
    case SQL_LEASES_SENSELESS:
    case SQL_MERGED_ITEMS: /* these two are of an older schema */
    case SQL_MERGED_CLOSED:
    case SQL_BACKUP_MARK: /* of a copy */
    case SQL_VIEWS:
    case SQL_PAGE_COUNT:
    case SQL_FREELIST_COUNT:
    case SQL_RECOVER_SENSELESS: /* these two read everything, once in a life */
    case SQL_RECOVER_TALLY:
    case SQL_RECOVER_CLIENTS:
    case SQL_TALLY_PRESENCE: /* looks for one row of each small index, at each start */
    case SQL_VIEWS_NOW:      /* of the schema, once at each start */
    case SQL_SCHEMA_SHAPE:   /* the same */
    case SQL_RESERVATIONS:   /* draws among a few rows */
    case SQL_POINTS_DROP:    /* takes the first few rows */
        return true;
    default:
        return false;
    }
}

/* Appends a statement's plan to text, a line each step. False when SQLite gives none. */
static bool read_plan(sqlite3 *database, enum sql sql, char *text, size_t size) {
    char explain[8192];
    sqlite3_stmt *statement;
    int code;
    snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql_text[sql]);
    if (sqlite3_prepare_v2(database, explain, -1, &statement, NULL) != SQLITE_OK)
        return false;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s\n", (const char *)sqlite3_column_text(statement, 3));
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE;
}

/* The one that counts all items, when counts cannot be right: in the order of the table, without
 * memory for them. */
static void check_count(sqlite3 *database) {
    char plan[500] = "";
    ok(read_plan(database, SQL_TALLY_COUNT, plan, sizeof plan) && !strcmp(plan, "SCAN item\n"),
       "tally_count sorts nothing");
}

static void check_statement(sqlite3 *database, enum sql sql, char *all, size_t size) {
    char *plan = all + strlen(all);
    bool good = read_plan(database, sql, plan, size - strlen(all));
    good = good && !strstr(plan, "SCAN item") && !strstr(plan, "SCAN worker") &&
           !strstr(plan, "SCAN lease\n") && !strstr(plan, "SCAN tally") &&
           !strstr(plan, "SCAN audit") && !strstr(plan, "SCAN client") &&
           !strstr(plan, "SCAN history") && !strstr(plan, "SCAN point") &&
           !strstr(plan, "TEMP B-TREE");
    if (!ok(good, "%s only searches", sql_name[sql]))
        printf("# %s\n", plan);
}

/* Every index of ours must be what some statement searches; else it costs and serves nobody. */
static void check_indexes(sqlite3 *database, const char *all) {
    sqlite3_stmt *statement;
    static const char sql[] = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql NOTNULL";
    if (sqlite3_prepare_v2(database, sql, -1, &statement, NULL) != SQLITE_OK)
        abort();
    int count = 0;
    while (sqlite3_step(statement) == SQLITE_ROW && count++ < INDEXES_MAX) {
        char wanted[80];
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        snprintf(wanted, sizeof wanted, "INDEX %s", name);
        ok(strstr(all, wanted), "%s is used", name);
    }
    sqlite3_finalize(statement);
    ok(count > 0 && count < INDEXES_MAX, "there are indexes");
}

int main(void) {
    static char all[32768];
    set_up();
    struct store *store = open_store();
    is_int(number(store, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'"), 0,
           "there are no statistics that plans could depend on");
    for (int sql = 0; sql < SQL_COUNT; sql++) {
        if (sql == SQL_TALLY_COUNT)
            check_count(sqlite_of(store)->database);
        else if (!is_script((enum sql)sql))
            check_statement(sqlite_of(store)->database, (enum sql)sql, all, sizeof all);
    }
    check_indexes(sqlite_of(store)->database, all);
    store_close(store);
    return done_testing();
}
