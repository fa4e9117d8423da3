#include "store/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/child.h"
#include "base/files.h"
#include "log.h"
#include "queue/pages.h"
#include "sqlite/store_schema.h"

enum { PATH_SIZE = SETTING_TEXT_SIZE + 40, IDENTITY_SCHEMA = 6, KEPT_MAX = 1000 };

struct offline {
    const struct conf *conf;
    struct files files;
    int lock_fd;
    int fetch_fd;                 /* of the file being fetched; -1: none */
    char path[SETTING_TEXT_SIZE]; /* the database's file, symbolic links resolved */
    char new_path[PATH_SIZE];     /* the file that is not whole yet */
};

/* --- SQLite --- */

static sqlite3 *open_database(const char *path) {
    sqlite3 *database = NULL;
    int persist = 1;
    int code = sqlite3_open_v2(path, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK) {
        log_error("cannot open %s: %s", path, database ? sqlite3_errmsg(database) : "no memory");
        sqlite3_close(database);
        return NULL;
    }
    sqlite3_busy_timeout(database, 5000);
    sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    store_distrust(database);
    sqlite3_file_control(database, NULL, SQLITE_FCNTL_PERSIST_WAL, &persist);
    return database;
}

/* Runs a script. False after logging why. */
static bool run_script(sqlite3 *database, enum sql sql) {
    if (sqlite3_exec(database, sql_text[sql], NULL, NULL, NULL) == SQLITE_OK)
        return true;
    log_error("%s: %s", sql_name[sql], sqlite3_errmsg(database));
    return false;
}

/* Runs a statement with integer parameters. False after logging why. */
static bool run_with(sqlite3 *database, enum sql sql, const int64_t *numbers, int count) {
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database, sql_text[sql], -1, &statement, NULL);
    for (int i = 0; i < count && code == SQLITE_OK; i++)
        code = sqlite3_bind_int64(statement, i + 1, numbers[i]);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    if (code == SQLITE_DONE)
        return true;
    log_error("%s: %s", sql_name[sql], sqlite3_errmsg(database));
    return false;
}

/* The integer that a one-row statement gives, or -1. */
static int64_t number_of(sqlite3 *database, const char *text) {
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;
    if (sqlite3_prepare_v2(database, text, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

static bool blob_of(sqlite3_stmt *statement, int column, void *to, int size) {
    const void *blob = sqlite3_column_blob(statement, column);
    if (!blob || sqlite3_column_bytes(statement, column) != size)
        return false;
    memcpy(to, blob, (size_t)size);
    return true;
}

static bool read_identity(sqlite3 *database, struct offline_state *state) {
    sqlite3_stmt *row = NULL;
    bool good = sqlite3_prepare_v2(database, sql_text[SQL_IDENTITY], -1, &row, NULL) == SQLITE_OK &&
                sqlite3_step(row) == SQLITE_ROW &&
                blob_of(row, 0, state->identity.database.bytes, ID_SIZE);
    if (good) {
        state->node = sqlite3_column_int(row, 1);
        state->identity.epoch = sqlite3_column_int64(row, 2);
        state->backup = sqlite3_column_int(row, 3) != 0;
    }
    sqlite3_finalize(row);
    return good;
}

static bool read_tally(sqlite3 *database, struct offline_state *state) {
    enum { BATCH, CHECK, WALL };
    sqlite3_stmt *row = NULL;
    bool good =
        sqlite3_prepare_v2(database, sql_text[SQL_TALLY_BATCH], -1, &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW && blob_of(row, CHECK, state->check, BATCH_CHECK_SIZE);
    if (good) {
        state->batch = sqlite3_column_int64(row, BATCH);
        state->wall_ms = sqlite3_column_int64(row, WALL);
    }
    sqlite3_finalize(row);
    return good;
}

/* Reads a database's state. False when it cannot be read. */
static bool read_state(sqlite3 *database, struct offline_state *state) {
    state->schema = number_of(database, "PRAGMA user_version");
    if (state->schema < 0)
        return false;
    if (state->schema < IDENTITY_SCHEMA || state->schema > STORE_SCHEMA_VERSION)
        return true;
    state->known = read_identity(database, state) && read_tally(database, state);
    return state->known;
}

/* Copies the WAL into the database's file, closes it, and removes the empty files beside it; with
 * good false it only closes. False if good was, if somebody else has it open, or a write failed. */
static bool close_whole(sqlite3 *database, const char *path, bool good) {
    char beside[PATH_SIZE + 8];
    if (good && number_of(database, sql_text[SQL_EMPTY_WAL]) != 0) {
        log_error("%s cannot be brought into one file: %s; end what else has it open, and see the "
                  "room on its disk",
                  path, sqlite3_errmsg(database));
        good = false;
    }
    good = sqlite3_close(database) == SQLITE_OK && good;
    static const char *const ends[] = {"-wal", "-shm"};
    for (size_t i = 0; good && i < sizeof ends / sizeof *ends; i++) {
        snprintf(beside, sizeof beside, "%s%s", path, ends[i]);
        good = unlink(beside) == 0 || errno == ENOENT;
    }
    return good;
}

/* --- Files --- */

static bool is_empty(const char *path) {
    struct stat info;
    return stat(path, &info) != 0 ? errno == ENOENT : info.st_size == 0;
}

/* Removes the unfinished file and SQLite's files beside it. */
static void remove_new(const struct offline *offline) {
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char path[PATH_SIZE + 16];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(path, sizeof path, "%s%s", offline->new_path, ends[i]);
        if (unlink(path) != 0 && errno != ENOENT)
            log_warn("cannot remove %s: %m", path);
    }
}

static int make_new(const struct offline *offline) {
    remove_new(offline);
    int fd = open(offline->new_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (fd < 0)
        log_error("cannot make %s: %m", offline->new_path);
    else
        files_give(fd, offline->path);
    return fd;
}

/* Gives the new file the database's name, durably. Only an empty file, or one that keep() has named
 * as well, may have that name. */
static bool put_in_place(const struct offline *offline) {
    unsigned flags = access(offline->path, F_OK) == 0 ? 0 : RENAME_NOREPLACE;
    int fd = open(offline->new_path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    if (!good || renameat2(AT_FDCWD, offline->new_path, AT_FDCWD, offline->path, flags) != 0) {
        log_error("cannot put %s in its place: %m", offline->path);
        return false;
    }
    return files_sync_directory(offline->path);
}

static bool is_same_file(const char *one, const char *other) {
    struct stat a;
    struct stat b;
    return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Gives the present database a second name, under which it stays. Never takes a name that another
 * kept database has. */
static bool keep(const struct offline *offline, int64_t epoch) {
    char kept[PATH_SIZE];
    int code = EEXIST;
    for (int count = 1; count <= KEPT_MAX && code == EEXIST; count++) {
        int length = snprintf(kept, sizeof kept, "%s-old.%lld", offline->path, (long long)epoch);
        if (count > 1)
            snprintf(kept + length, sizeof kept - (size_t)length, ".%d", count);
        code = link(offline->path, kept) == 0 ? 0 : errno;
        if (code == EEXIST && is_same_file(offline->path, kept))
            code = 0; /* a killed run has linked it */
    }
    if (code == 0)
        log_info("what was here is kept as %s", kept);
    else
        log_error("cannot keep what is here as %s: %s", kept, strerror(code));
    return code == 0;
}

/* The target of a symbolic link that leads to no file. False when the target is another link, or
 * its name too long. */
static bool read_link(const char *link, char target[SETTING_TEXT_SIZE]) {
    const char *slash = strrchr(link, '/');
    struct stat info;
    char text[SETTING_TEXT_SIZE];
    ssize_t length = readlink(link, text, sizeof text);
    if (length <= 0 || length == sizeof text)
        return false;
    bool relative = text[0] != '/' && slash;
    length = snprintf(target, SETTING_TEXT_SIZE, "%.*s%.*s", relative ? (int)(slash - link + 1) : 0,
                      link, (int)length, text);
    return length < SETTING_TEXT_SIZE && lstat(target, &info) != 0;
}

/* Finds the file that DATABASE names, with symbolic links resolved. */
static bool find_path(struct offline *offline) {
    const char *database = offline->conf->database;
    struct stat info;
    char *real = realpath(database, NULL);
    bool link = !real && lstat(database, &info) == 0;
    if (link ? !read_link(database, offline->path) : real && strlen(real) >= SETTING_TEXT_SIZE) {
        log_error("the file that the symbolic link %s leads to cannot be found", database);
        free(real);
        return false;
    }
    if (!link)
        snprintf(offline->path, SETTING_TEXT_SIZE, "%s", real ? real : database);
    snprintf(offline->new_path, PATH_SIZE, "%s-new", offline->path);
    free(real);
    return true;
}

struct offline *offline_open(const struct conf *conf, int *exit_code) {
    sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    struct offline *offline = calloc(1, sizeof *offline);
    *exit_code = EXIT_TEMPORARY;
    if (!offline) {
        log_error("out of memory for the database");
        return NULL;
    }
    offline->conf = conf;
    offline->fetch_fd = -1;
    offline->lock_fd = -1;
    files_name(&offline->files, conf->database);
    if (!find_path(offline) || !files_usable(&offline->files))
        *exit_code = EXIT_CONFIG;
    else
        offline->lock_fd = files_lock(conf->database);
    if (offline->lock_fd >= 0 && files_good_filesystem(conf->database)) {
        remove_new(offline);
        return offline;
    }
    if (offline->lock_fd >= 0)
        *exit_code = EXIT_CONFIG;
    offline_close(offline);
    return NULL;
}

void offline_close(struct offline *offline) {
    if (offline->fetch_fd >= 0) {
        close(offline->fetch_fd);
        remove_new(offline);
    }
    if (offline->lock_fd >= 0)
        close(offline->lock_fd);
    free(offline);
}

/* --- The present database --- */

/* Whether this program and this node may use the database. */
static bool is_ours(const struct offline *offline, const struct offline_state *state) {
    const struct conf *conf = offline->conf;
    if (state->schema > STORE_SCHEMA_VERSION)
        log_error("%s has schema version %lld, this program knows up to %d; use a newer hashmill",
                  conf->database, (long long)state->schema, STORE_SCHEMA_VERSION);
    else if (state->schema == 0)
        log_error(
            "%s is empty, or another program's: put the database there that belongs there, or "
            "remove it",
            conf->database);
    else if (state->known && state->node != -1 && state->node != conf->node)
        log_error("%s is the database of node %d, and this is node %lld: see NODE and DATABASE",
                  conf->database, state->node, (long long)conf->node);
    else
        return true;
    return false;
}

/* Whether there is nothing in its schema but what is hashmill's, as far as this program can tell.
 * The exit code. */
static int check_schema(sqlite3 *database, const char *path, int64_t schema) {
    int code = schema > 0 && schema <= STORE_SCHEMA_VERSION ? store_schema_look(database, schema)
                                                            : SQLITE_OK;
    if (code == SQLITE_OK)
        return EXIT_OK;
    if (code == SQLITE_MISMATCH)
        log_error("%s has in its schema what no database of hashmill's has, such as a trigger, a "
                  "view or a table more: it is not taken (sqlite3 -safe -readonly FILE .schema "
                  "shows it)",
                  path);
    else
        log_error("the schema of %s cannot be read: %s", path, sqlite3_errstr(code));
    return code == SQLITE_MISMATCH ? EXIT_CONFIG : EXIT_TEMPORARY;
}

bool offline_look(struct offline *offline, struct offline_state *state, int *exit_code) {
    *state = (struct offline_state){.node = -1, .there = !is_empty(offline->path)};
    *exit_code = EXIT_OK;
    if (!state->there)
        return true;
    sqlite3 *database = open_database(offline->path);
    *exit_code = EXIT_TEMPORARY;
    if (!database)
        return false;
    bool good = read_state(database, state);
    int code = sqlite3_errcode(database) & 0xff;
    *exit_code = good ? check_schema(database, offline->path, state->schema) : EXIT_OK;
    if (!good)
        log_error("%s cannot be read: %s; if it is damaged, see --recover, or put a backup in its "
                  "place",
                  offline->path, sqlite3_errmsg(database));
    sqlite3_close(database);
    if (!good) {
        bool later = code == SQLITE_BUSY || code == SQLITE_NOMEM;
        *exit_code = later ? EXIT_TEMPORARY : EXIT_UNSAFE;
        return false;
    }
    if (*exit_code == EXIT_OK && !is_ours(offline, state))
        *exit_code = EXIT_CONFIG;
    return *exit_code == EXIT_OK;
}

/* --- Creating and accepting --- */

/* Makes the tables and the identity in a new file. */
static bool fill(sqlite3 *database, const struct conf *conf, int64_t epoch) {
    int64_t identity[] = {conf->node, epoch};
    return run_script(database, SQL_OPEN) && run_script(database, SQL_BEGIN) &&
           store_migrate(database, 0) && run_script(database, SQL_VIEWS) &&
           run_with(database, SQL_IDENTITY_NEW, identity, 2) && run_script(database, SQL_COMMIT);
}

bool offline_create(struct offline *offline, int64_t epoch) {
    if (!is_empty(offline->path)) {
        log_error("%s is there already, and stays", offline->path);
        return false;
    }
    int fd = make_new(offline);
    if (fd < 0)
        return false;
    close(fd);
    sqlite3 *database = open_database(offline->new_path);
    bool good = database &&
                close_whole(database, offline->new_path, fill(database, offline->conf, epoch)) &&
                put_in_place(offline);
    if (!good)
        remove_new(offline);
    return good;
}

bool store_create(const struct conf *conf, int64_t epoch) {
    int exit_code;
    struct offline *offline = offline_open(conf, &exit_code);
    if (!offline)
        return false;
    bool good = offline_create(offline, epoch);
    offline_close(offline);
    return good;
}

bool offline_accept(struct offline *offline, int64_t epoch) {
    sqlite3 *database = open_database(offline->path);
    if (!database)
        return false;
    bool good =
        run_script(database, SQL_OPEN) && run_with(database, SQL_IDENTITY_ACCEPT, &epoch, 1);
    good = close_whole(database, offline->path, good);
    return good && files_sync_directory(offline->path);
}

/* --- Fetching --- */

bool offline_fetch_begin(struct offline *offline, int64_t bytes) {
    offline->fetch_fd = make_new(offline);
    if (offline->fetch_fd < 0)
        return false;
    int code = fallocate(offline->fetch_fd, 0, 0, bytes);
    if (code != 0 && errno == EOPNOTSUPP)
        code = ftruncate(offline->fetch_fd, bytes);
    if (code != 0)
        log_error("there is no room for %lld bytes beside %s: %m; make room", (long long)bytes,
                  offline->path);
    return code == 0;
}

bool offline_fetch_write(struct offline *offline, int64_t at, const void *from, size_t size) {
    const char *bytes = from;
    while (size > 0) {
        ssize_t written = pwrite(offline->fetch_fd, bytes, size, at);
        if (written <= 0) {
            log_error("cannot write %s: %m", offline->new_path);
            return false;
        }
        bytes += written;
        at += written;
        size -= (size_t)written;
    }
    return true;
}

/* Checks every page of the fetched file. If that fails, *damaged says whether the file is damaged;
 * otherwise another try may succeed: no room, no memory. */
static bool is_whole(sqlite3 *database, bool *damaged) {
    sqlite3_stmt *check = NULL;
    const char *said = NULL;
    if (run_script(database, SQL_OPEN) &&
        sqlite3_prepare_v2(database, sql_text[SQL_WHOLE], -1, &check, NULL) == SQLITE_OK &&
        sqlite3_step(check) == SQLITE_ROW)
        said = (const char *)sqlite3_column_text(check, 0);
    bool good = said && strcmp(said, "ok") == 0;
    int code = sqlite3_errcode(database);
    *damaged = !good && (said || code == SQLITE_CORRUPT || code == SQLITE_NOTADB);
    if (*damaged)
        log_error("what was fetched is damaged: %s", said ? said : sqlite3_errmsg(database));
    else if (!good)
        log_error("what was fetched cannot be checked: %s", sqlite3_errmsg(database));
    sqlite3_finalize(check);
    return good;
}

/* Whether the fetched database is the wanted one. */
static bool is_wanted(sqlite3 *database, const struct offline_state *wanted) {
    struct offline_state got = {0};
    bool good = read_state(database, &got) && got.known && got.node == wanted->node &&
                memcmp(&got.identity, &wanted->identity, sizeof got.identity) == 0 &&
                got.batch == wanted->batch;
    if (!good)
        log_error("what was fetched is not what was asked for: schema version %lld, node %d, "
                  "epoch %lld, batch %lld",
                  (long long)got.schema, got.node, (long long)got.identity.epoch,
                  (long long)got.batch);
    return good;
}

/* Checks the fetched file and makes it a database of this node. */
static bool finish_fetched(struct offline *offline, const struct offline_state *wanted,
                           bool *damaged) {
    sqlite3 *database = open_database(offline->new_path);
    bool good = database && is_whole(database, damaged);
    good = good && is_wanted(database, wanted) &&
           check_schema(database, offline->new_path, wanted->schema) == EXIT_OK &&
           run_with(database, SQL_IDENTITY_FETCHED, NULL, 0);
    return database && close_whole(database, offline->new_path, good);
}

/* Copies the old database's WAL into its file, and keeps that file under another name. The old WAL
 * must not be found beside the new database, not even after a power cut. */
static bool set_aside(struct offline *offline) {
    struct offline_state state = {0};
    sqlite3 *database = open_database(offline->path);
    return database && close_whole(database, offline->path, read_state(database, &state)) &&
           keep(offline, state.identity.epoch) && files_sync_directory(offline->path);
}

bool offline_fetch_end(struct offline *offline, const struct offline_state *wanted, bool *damaged) {
    bool empty = is_empty(offline->path);
    bool good = close(offline->fetch_fd) == 0;
    offline->fetch_fd = -1;
    *damaged = false;
    good = good && finish_fetched(offline, wanted, damaged) && (empty || set_aside(offline)) &&
           put_in_place(offline);
    if (!good)
        remove_new(offline);
    return good;
}
