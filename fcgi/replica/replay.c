/*
 * Makes the changes of a batch by statements that are prepared once. SQLite's own function prepares
 * its statements for each batch, which is most of the cost of a small one; apply.c calls it only
 * when this way fails.
 */

#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { TABLES_MAX = 32, COLUMNS_MAX = 32, NAME_SIZE = 64, UPDATES_MAX = 24 };

/* An UPDATE of these columns. */
struct update {
    uint32_t columns; /* a bit for each */
    sqlite3_stmt *statement;
};

struct table {
    char name[NAME_SIZE];
    int columns;
    char names[COLUMNS_MAX][NAME_SIZE];
    unsigned char
        key[COLUMNS_MAX]; /* whether a column is of the primary key, as a patchset has it */
    sqlite3_stmt *insert;
    sqlite3_stmt *remove;
    struct update updates[UPDATES_MAX];
    int next_update; /* the next place to use */
};

struct replay {
    struct table tables[TABLES_MAX];
    int count;
};

void replica_forget_tables(struct replica *replica) {
    struct replay *replay = replica->replay;
    for (int i = 0; replay && i < replay->count; i++) {
        struct table *table = &replay->tables[i];
        sqlite3_finalize(table->insert);
        sqlite3_finalize(table->remove);
        for (int j = 0; j < UPDATES_MAX; j++)
            sqlite3_finalize(table->updates[j].statement);
    }
    free(replay);
    replica->replay = NULL;
}

/* --- Tables --- */

/* Reads the columns of a table. False when it is missing, exceeds the limits above, or cannot be
 * read. */
static bool read_columns(struct replica *replica, struct table *table) {
    int code = SQLITE_ERROR;
    sqlite3_stmt *row = replica_statement(replica, SQL_REPLICA_TABLE);
    if (!row || sqlite3_bind_text(row, 1, table->name, -1, SQLITE_STATIC) != SQLITE_OK)
        return false;
    while (table->columns < COLUMNS_MAX && (code = sqlite3_step(row)) == SQLITE_ROW) {
        size_t length = (size_t)sqlite3_column_bytes(row, 0);
        if (length >= NAME_SIZE)
            break;
        memcpy(table->names[table->columns], sqlite3_column_text(row, 0), length);
        table->key[table->columns++] = sqlite3_column_int(row, 1) != 0;
    }
    sqlite3_reset(row);
    sqlite3_clear_bindings(row);
    return code == SQLITE_DONE && table->columns > 0;
}

static struct table *find_table(struct replica *replica, const char *name) {
    if (!replica->replay)
        replica->replay = calloc(1, sizeof *replica->replay);
    struct replay *replay = replica->replay;
    for (int i = 0; replay && i < replay->count; i++) {
        if (strcmp(replay->tables[i].name, name) == 0)
            return &replay->tables[i];
    }
    if (!replay || replay->count == TABLES_MAX || strlen(name) >= NAME_SIZE)
        return NULL;
    struct table *table = &replay->tables[replay->count];
    memset(table, 0, sizeof *table);
    memcpy(table->name, name, strlen(name));
    if (!read_columns(replica, table))
        return NULL;
    replay->count++;
    return table;
}

/* The table of a change; NULL when the replica has none or has other columns. */
static struct table *fitting_table(struct replica *replica, const char *name, int columns,
                                   const unsigned char *key) {
    struct table *table = find_table(replica, name);
    bool fits = table && table->columns == columns && memcmp(table->key, key, (size_t)columns) == 0;
    return fits ? table : NULL;
}

bool replica_has_table(struct replica *replica, const char *name, int columns,
                       const unsigned char *key) {
    return fitting_table(replica, name, columns, key) != NULL;
}

/* --- Statements --- */

/* Appends "NAME" = ?NUMBER for each of these columns. */
static void append_columns(sqlite3_str *text, const struct table *table, uint32_t columns,
                           const char *between) {
    const char *before = "";
    for (int i = 0; i < table->columns; i++) {
        if ((columns >> i & 1) == 0)
            continue;
        sqlite3_str_appendf(text, "%s\"%w\" = ?%d", before, table->names[i], i + 1);
        before = between;
    }
}

static uint32_t key_columns(const struct table *table) {
    uint32_t columns = 0;
    for (int i = 0; i < table->columns; i++)
        columns |= (uint32_t)(table->key[i] != 0) << i;
    return columns;
}

/* Prepares the text and frees it. Returns SQLite's code. */
static int prepare(struct replica *replica, sqlite3_str *text, sqlite3_stmt **to) {
    int code = sqlite3_str_errcode(text);
    char *sql = sqlite3_str_finish(text);
    if (code == SQLITE_OK)
        code = sqlite3_prepare_v3(replica->database, sql, -1, SQLITE_PREPARE_PERSISTENT, to, NULL);
    sqlite3_free(sql);
    return code;
}

static int prepare_insert(struct replica *replica, struct table *table) {
    sqlite3_str *text = sqlite3_str_new(replica->database);
    sqlite3_str_appendf(text, "INSERT INTO main.\"%w\" VALUES (", table->name);
    for (int i = 0; i < table->columns; i++)
        sqlite3_str_appendf(text, "%s?%d", i > 0 ? ", " : "", i + 1);
    sqlite3_str_appendall(text, ")");
    return prepare(replica, text, &table->insert);
}

static int prepare_remove(struct replica *replica, struct table *table) {
    sqlite3_str *text = sqlite3_str_new(replica->database);
    sqlite3_str_appendf(text, "DELETE FROM main.\"%w\" WHERE ", table->name);
    append_columns(text, table, key_columns(table), " AND ");
    return prepare(replica, text, &table->remove);
}

static int prepare_update(struct replica *replica, const struct table *table,
                          struct update *update) {
    sqlite3_str *text = sqlite3_str_new(replica->database);
    sqlite3_str_appendf(text, "UPDATE main.\"%w\" SET ", table->name);
    append_columns(text, table, update->columns, ", ");
    sqlite3_str_appendall(text, " WHERE ");
    append_columns(text, table, key_columns(table), " AND ");
    return prepare(replica, text, &update->statement);
}

/* The UPDATE of these columns; replaces another one when there are too many. */
static struct update *find_update(struct table *table, uint32_t columns) {
    for (int i = 0; i < UPDATES_MAX; i++) {
        if (table->updates[i].statement && table->updates[i].columns == columns)
            return &table->updates[i];
    }
    struct update *update = &table->updates[table->next_update];
    table->next_update = (table->next_update + 1) % UPDATES_MAX;
    sqlite3_finalize(update->statement);
    *update = (struct update){.columns = columns};
    return update;
}

/* --- Changes --- */

/* Steps a statement that must change one row. Returns SQLite's code. */
static int change_one(struct replica *replica, sqlite3_stmt *statement) {
    int code = replica_finish(statement);
    sqlite3_clear_bindings(statement); /* their values may be large */
    if (code == SQLITE_OK && sqlite3_changes(replica->database) != 1)
        return SQLITE_MISMATCH;
    return code;
}

/* Binds the old values of the primary key. */
static int bind_key(const struct table *table, sqlite3_changeset_iter *change,
                    sqlite3_stmt *statement) {
    int code = SQLITE_OK;
    for (int i = 0; code == SQLITE_OK && i < table->columns; i++) {
        sqlite3_value *value = NULL;
        if (table->key[i])
            code = sqlite3changeset_old(change, i, &value);
        if (code == SQLITE_OK && table->key[i])
            code = value ? sqlite3_bind_value(statement, i + 1, value) : SQLITE_MISMATCH;
    }
    return code;
}

static int insert(struct replica *replica, struct table *table, sqlite3_changeset_iter *change) {
    int code = table->insert ? SQLITE_OK : prepare_insert(replica, table);
    for (int i = 0; code == SQLITE_OK && i < table->columns; i++) {
        sqlite3_value *value = NULL;
        code = sqlite3changeset_new(change, i, &value);
        if (code == SQLITE_OK)
            code = value ? sqlite3_bind_value(table->insert, i + 1, value) : SQLITE_MISMATCH;
    }
    return code == SQLITE_OK ? change_one(replica, table->insert) : code;
}

static int remove_row(struct replica *replica, struct table *table,
                      sqlite3_changeset_iter *change) {
    int code = table->remove ? SQLITE_OK : prepare_remove(replica, table);
    if (code == SQLITE_OK)
        code = bind_key(table, change, table->remove);
    return code == SQLITE_OK ? change_one(replica, table->remove) : code;
}

static int update_row(struct replica *replica, struct table *table,
                      sqlite3_changeset_iter *change) {
    sqlite3_value *values[COLUMNS_MAX] = {0};
    uint32_t columns = 0;
    int code = SQLITE_OK;
    for (int i = 0; code == SQLITE_OK && i < table->columns; i++) {
        if (!table->key[i])
            code = sqlite3changeset_new(change, i, &values[i]);
        columns |= (uint32_t)(values[i] != NULL) << i;
    }
    if (code != SQLITE_OK || columns == 0)
        return code == SQLITE_OK ? SQLITE_MISMATCH : code;
    struct update *update = find_update(table, columns);
    if (!update->statement)
        code = prepare_update(replica, table, update);
    for (int i = 0; code == SQLITE_OK && i < table->columns; i++) {
        if (values[i])
            code = sqlite3_bind_value(update->statement, i + 1, values[i]);
    }
    if (code == SQLITE_OK)
        code = bind_key(table, change, update->statement);
    return code == SQLITE_OK ? change_one(replica, update->statement) : code;
}

static int replay_one(struct replica *replica, sqlite3_changeset_iter *change) {
    const char *name;
    unsigned char *key;
    int columns;
    int operation;
    if (sqlite3changeset_op(change, &name, &columns, &operation, NULL) != SQLITE_OK ||
        sqlite3changeset_pk(change, &key, NULL) != SQLITE_OK)
        return SQLITE_MISMATCH;
    struct table *table = fitting_table(replica, name, columns, key);
    if (!table)
        return SQLITE_MISMATCH;
    return operation == SQLITE_INSERT   ? insert(replica, table, change)
           : operation == SQLITE_DELETE ? remove_row(replica, table, change)
                                        : update_row(replica, table, change);
}

int replica_replay(struct replica *replica, const struct batch_record *record) {
    sqlite3_changeset_iter *change = NULL;
    int code = SQLITE_OK;
    if (sqlite3changeset_start(&change, (int)record->size, (void *)record->changes) != SQLITE_OK)
        return SQLITE_NOMEM;
    while (code == SQLITE_OK && sqlite3changeset_next(change) == SQLITE_ROW)
        code = replay_one(replica, change);
    int end = sqlite3changeset_finalize(change); /* the error of next(), if any */
    if (code != SQLITE_OK || end == SQLITE_OK)
        return code;
    return end == SQLITE_NOMEM ? SQLITE_NOMEM : SQLITE_MISMATCH;
}
