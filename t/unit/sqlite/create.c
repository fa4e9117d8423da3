/* A database while nobody serves it: made, looked at, accepted, fetched; and a process that is
 * killed in the middle of that. */
#include "fcgi/store/offline.h"

#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fcgi/base/child.h"
#include "scratch.h"
#include "tap.h"

static char directory[60];
static struct conf conf;

static bool wal_is_gone = true; /* durably, also for a power cut */
static bool wal_was_gone;       /* when the last file was renamed */

/* In place of the C library's, also for SQLite. */
int unlink(const char *path) {
    size_t length = strlen(path);
    if (length > 7 && strcmp(path + length - 7, "/db-wal") == 0)
        wal_is_gone = false;
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int fsync(int fd) {
    struct stat info;
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode))
        wal_is_gone = true;
    return (int)syscall(SYS_fsync, fd);
}

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags) {
    wal_was_gone = wal_is_gone;
    return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

static const char *beside(const char *end) {
    static char path[SETTING_TEXT_SIZE + 16];
    snprintf(path, sizeof path, "%s%s", conf.database, end);
    return path;
}

static bool is_there(const char *end) {
    return access(beside(end), F_OK) == 0;
}

static void remove_files(void) {
    static const char *const ends[] = {"",         "-wal", "-shm",     "-lock", "-new",
                                       "-new-wal", "-log", "-log.old", "-link", "-copy"};
    glob_t kept;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        unlink(beside(ends[i]));
    if (glob(beside("-old*"), 0, NULL, &kept) != 0)
        return;
    for (size_t i = 0; i < kept.gl_pathc; i++)
        unlink(kept.gl_pathv[i]);
    globfree(&kept);
}

/* The end of a database that was kept. */
static const char *kept_end(int64_t epoch, const char *more) {
    static char end[48];
    snprintf(end, sizeof end, "-old.%lld%s", (long long)epoch, more);
    return end;
}

static void remove_directory(void) {
    remove_files();
    rmdir(directory);
}

static void set_up(void) {
    scratch_template(directory, "create");
    if (!mkdtemp(directory))
        abort();
    atexit(remove_directory);
    snprintf(conf.database, sizeof conf.database, "%s/db", directory);
    conf.node = 3;
    umask(0027);
}

/* Runs SQL on the database's file, or on the one with that end. */
static void change(const char *end, const char *sql) {
    sqlite3 *database;
    if (sqlite3_open(beside(end), &database) != SQLITE_OK ||
        sqlite3_exec(database, sql, NULL, NULL, NULL) != SQLITE_OK) {
        printf("Bail out! %s: %s\n", sql, sqlite3_errmsg(database));
        exit(1);
    }
    sqlite3_close(database);
}

static int64_t number(const char *end, const char *sql) {
    sqlite3 *database;
    sqlite3_stmt *row = NULL;
    int64_t result = -1;
    if (sqlite3_open(beside(end), &database) == SQLITE_OK &&
        sqlite3_prepare_v2(database, sql, -1, &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW)
        result = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(database);
    return result;
}

static struct offline *open_offline(void) {
    int code;
    struct offline *offline = offline_open(&conf, &code);
    if (!offline)
        abort();
    return offline;
}

/* Looks at what is there; the exit code. */
static int look(struct offline_state *state) {
    int code;
    struct offline *offline = open_offline();
    offline_look(offline, state, &code);
    offline_close(offline);
    return code;
}

static void test_create(void) {
    struct offline_state state;
    struct stat info;
    int64_t now = clock_wall_ms() / 1000;
    is_int(look(&state), 0, "a database that is not there can be looked for");
    ok(!state.there, "and is not there");
    ok(store_create(&conf, 0), "it is made");
    is_int(look(&state), 0, "and looked at");
    ok(state.there && state.known && !state.backup, "it is there, with an identity, no backup");
    is_int(state.node, 3, "of its node");
    ok(state.identity.epoch >= now && state.identity.epoch <= now + 60, "its epoch is the time");
    is_int(state.batch, 0, "it has no batch");
    ok(stat(conf.database, &info) == 0 && (info.st_mode & 0777) == 0640, "its mode is 0640");
    ok(!is_there("-new") && !is_there("-new-wal") && !is_there("-new-shm"), "nothing is left");
    is_int(number("", "SELECT restored IS NULL FROM identity"), 1, "it was taken from no copy");
    ok(!store_create(&conf, 0), "it is not made once more");
    struct queue_identity first = state.identity;
    look(&state);
    ok(memcmp(&first, &state.identity, sizeof first) == 0, "and stays what it is");
    remove_files();
    ok(store_create(&conf, now + 1000), "it is made with a later epoch");
    look(&state);
    is_int(state.identity.epoch, now + 1000, "which counts");
    ok(memcmp(&first.database, &state.identity.database, ID_SIZE) != 0, "under another id");
    remove_files();
}

static void test_in_the_way(void) {
    struct offline_state state;
    int code;
    close(open(conf.database, O_CREAT | O_WRONLY, 0640));
    is_int(look(&state), 0, "an empty file can be looked at");
    ok(!state.there, "and counts as none");
    ok(store_create(&conf, 0), "a database takes its place");
    struct offline *offline = open_offline();
    ok(!store_create(&conf, 0), "while another has the lock none is made");
    offline_close(offline);
    unlink(conf.database);
    int fd = open(beside("-wal"), O_CREAT | O_WRONLY, 0640);
    ok(write(fd, "rest", 4) == 4, "a WAL is left");
    close(fd);
    ok(!offline_open(&conf, &code), "beside which nothing is begun");
    is_int(code, EXIT_CONFIG, "by itself");
    unlink(beside("-wal"));
    ok(symlink("db-link", conf.database) == 0, "a link names a file that is not there");
    ok(store_create(&conf, 0), "it is made there");
    ok(is_there("-link") && !is_there("-new"), "and there only");
    is_int(look(&state), 0, "and looked at");
    ok(state.there && state.known, "behind the link");
    unlink(conf.database);
    ok(symlink("nowhere/else", conf.database) == 0, "a link leads to no directory");
    ok(!store_create(&conf, 0), "where nothing is made");
    remove_files();
}

static void test_refused(void) {
    struct offline_state state;
    ok(store_create(&conf, 0), "a database is made");
    conf.node = 4;
    is_int(look(&state), EXIT_CONFIG, "another node's is refused");
    conf.node = 3;
    change("", "PRAGMA user_version = 99");
    is_int(look(&state), EXIT_CONFIG, "one of a later schema, too");
    change("", "PRAGMA user_version = 5");
    is_int(look(&state), 0, "one of an earlier is not");
    ok(state.there && !state.known, "it has no identity yet");
    change("", "PRAGMA user_version = 0");
    is_int(look(&state), EXIT_CONFIG, "one without a schema is not ours");
    int fd = open(conf.database, O_WRONLY | O_TRUNC);
    ok(write(fd, "this is no database, but long enough to be taken for one", 50) == 50, "rubbish");
    close(fd);
    is_int(look(&state), EXIT_UNSAFE, "what is no database is refused");
    remove_files();
}

static void test_backup(void) {
    struct offline_state state;
    int code;
    ok(store_create(&conf, 0), "a database is made");
    change("", "PRAGMA journal_mode = DELETE; UPDATE identity SET backup = 1;"
               "UPDATE tally SET clock = 777, batch = 12");
    is_int(look(&state), 0, "a backup can be looked at");
    ok(state.backup, "and is one");
    is_int(state.batch, 12, "with its batch");
    struct queue_identity before = state.identity;
    struct offline *offline = open_offline();
    ok(offline_accept(offline, before.epoch + 5), "it is accepted");
    ok(offline_look(offline, &state, &code), "and looked at again");
    offline_close(offline);
    ok(!state.backup, "it is no backup any more");
    is_int(state.identity.epoch, before.epoch + 5, "its epoch is the new one");
    ok(memcmp(&state.identity.database, &before.database, ID_SIZE) == 0, "its id the old one");
    is_int(number("", "SELECT restored FROM identity"), 777, "it knows when that was");
    remove_files();
}

/* Fetches a copy of the file with this end, without the last `without` bytes. */
static void fetch(struct offline *offline, const char *end, int64_t without) {
    static char bytes[1 << 20];
    int fd = open(beside(end), O_RDONLY);
    ssize_t length = read(fd, bytes, sizeof bytes);
    close(fd);
    ok(offline_fetch_begin(offline, length), "a file is begun");
    ok(offline_fetch_write(offline, 0, bytes, 4096), "a page of it comes");
    ok(offline_fetch_write(offline, 4096, bytes + 4096, (size_t)(length - 4096 - without)),
       "and the others");
}

static bool damaged; /* what was fetched */

static void test_fetch(void) {
    struct offline_state wanted;
    struct offline_state state;
    int code;
    ok(store_create(&conf, 0), "a database is made");
    change("", "PRAGMA wal_autocheckpoint = 0; UPDATE tally SET clock = 55, batch = 9;"
               "PRAGMA wal_checkpoint(TRUNCATE)");
    look(&wanted);
    rename(conf.database, beside("-copy"));
    struct offline *offline = open_offline();
    fetch(offline, "-copy", 0);
    ok(!is_there(""), "before its end there is no database");
    ok(offline_fetch_end(offline, &wanted, &damaged), "what is wanted takes its place");
    ok(offline_look(offline, &state, &code), "and can be looked at");
    is_int(state.batch, 9, "it has the batch");
    is_int(number("", "SELECT restored FROM identity"), 55, "and knows when it was fetched");
    ok(!is_there(kept_end(wanted.identity.epoch, "")) && !is_there("-new") && !is_there("-wal"),
       "nothing else is there");
    wanted.batch = 10;
    fetch(offline, "-copy", 0);
    ok(!offline_fetch_end(offline, &wanted, &damaged), "what is of another batch does not");
    wanted.batch = 9;
    wanted.identity.epoch++;
    fetch(offline, "-copy", 0);
    ok(!offline_fetch_end(offline, &wanted, &damaged), "nor what is of another epoch");
    ok(!damaged, "which is not damaged");
    wanted.identity.epoch--;
    fetch(offline, "-copy", 8192);
    ok(!offline_fetch_end(offline, &wanted, &damaged), "nor what is damaged");
    ok(damaged, "which is said");
    ok(offline_look(offline, &state, &code) && state.batch == 9, "the database stays");
    offline_close(offline);
    change("", "UPDATE tally SET batch = 3");
    offline = open_offline();
    fetch(offline, "-copy", 0);
    ok(offline_fetch_end(offline, &wanted, &damaged), "what is wanted takes the place of another");
    offline_close(offline);
    is_int(number("", "SELECT batch FROM tally"), 9, "and counts");
    int64_t epoch = wanted.identity.epoch;
    is_int(number(kept_end(epoch, ""), "SELECT batch FROM tally"), 3,
           "the other is kept beside it");
    change("", "UPDATE tally SET batch = 4");
    offline = open_offline();
    fetch(offline, "-copy", 0);
    ok(link(conf.database, beside(kept_end(epoch, ".2"))) == 0, "an end is killed half-way");
    ok(offline_fetch_end(offline, &wanted, &damaged), "what is wanted takes the place of a third");
    offline_close(offline);
    is_int(number(kept_end(epoch, ""), "SELECT batch FROM tally"), 3, "the other is still there");
    is_int(number(kept_end(epoch, ".2"), "SELECT batch FROM tally"), 4, "and the third, too");
    ok(!is_there(kept_end(epoch, ".3")), "once");
    remove_files();
}

/* Changes the database as a writer that is killed: all is in its WAL. */
static void leave_wal(const char *sql) {
    pid_t writer = fork();
    if (writer == 0) {
        sqlite3 *database;
        if (sqlite3_open(conf.database, &database) == SQLITE_OK)
            sqlite3_exec(database, sql, NULL, NULL, NULL);
        raise(SIGKILL);
    }
    waitpid(writer, NULL, 0);
}

static void test_old_wal(void) {
    struct offline_state wanted;
    ok(store_create(&conf, 0), "a database is made");
    change("", "UPDATE tally SET batch = 9");
    look(&wanted);
    ok(rename(conf.database, beside("-copy")) == 0, "it is elsewhere");
    unlink(beside("-wal"));
    unlink(beside("-shm"));
    ok(store_create(&conf, 0), "another is made");
    leave_wal("UPDATE tally SET batch = 4");
    ok(is_there("-wal"), "and has a WAL");
    int64_t epoch = number("", "SELECT epoch FROM identity");
    struct offline *offline = open_offline();
    fetch(offline, "-copy", 0);
    ok(offline_fetch_end(offline, &wanted, &damaged), "what is wanted takes its place");
    offline_close(offline);
    ok(wal_was_gone, "when the WAL of the other is gone for good");
    is_int(number("", "SELECT batch FROM tally"), 9, "and has nothing of that WAL");
    is_int(number(kept_end(epoch, ""), "SELECT batch FROM tally"), 4, "the other has it all");
    remove_files();
}

static void test_killed(void) {
    pid_t fetcher = fork();
    if (fetcher == 0) {
        struct offline *offline = open_offline();
        if (offline_fetch_begin(offline, 8192) && offline_fetch_write(offline, 0, directory, 8))
            raise(SIGKILL);
        _exit(1);
    }
    int status;
    waitpid(fetcher, &status, 0);
    ok(WIFSIGNALED(status), "a process is killed while it fetches");
    ok(is_there("-new") && !is_there(""), "what it had is no database");
    offline_close(open_offline());
    ok(!is_there("-new"), "and is removed by the next");
}

int main(void) {
    set_up();
    test_create();
    test_in_the_way();
    test_refused();
    test_backup();
    test_fetch();
    test_old_wal();
    test_killed();
    return done_testing();
}
