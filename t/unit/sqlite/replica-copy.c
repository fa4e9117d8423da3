/* Copies that take the place of a replica, also when they are interrupted; files that fail. */
#include "replica_fixture.h"

#include <sys/syscall.h>

static bool sync_fails;

/* In place of the C library's, also for SQLite. */
int fdatasync(int fd) {
    errno = EIO;
    return sync_fails ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* --- Copies --- */

static void test_parts(void) {
    int64_t bytes;
    fresh();
    primary_batch(&one, INSERT(10, "NULL"), NULL);
    char *file = primary_file(&one, &bytes);
    struct replica_part part = part_of(file, bytes, 1);
    is_int(replica_copy(replica, &one.source, &part), REPLICA_GAP, "no copy begins with part 1");
    part = part_of(file, bytes, 0);
    is_int(replica_copy(replica, &one.source, &part), REPLICA_OK, "part 0");
    is_int(replica_copy(replica, &one.source, &part), REPLICA_OK, "part 0 again");
    part = part_of(file, bytes, 2);
    is_int(replica_copy(replica, &one.source, &part), REPLICA_GAP, "part 1 is missing");
    part = part_of(file, bytes, 1);
    part.copy.bytes[0]++;
    is_int(replica_copy(replica, &one.source, &part), REPLICA_GAP, "a part of another copy");
    part.copy.bytes[0]--;
    is_int(replica_copy(replica, &one.source, &part), REPLICA_OK, "part 1");
    is_int(replica_copy(replica, &one.source, &part), REPLICA_OK, "part 1 again");
    part = part_of(file, bytes, 2);
    part.length--;
    is_int(replica_copy(replica, &one.source, &part), REPLICA_BAD, "half a page");
    is_int(now()->batch, one.batch - 1, "the old replica is there all the time");
    is_int(send_file(&one.source, file, bytes), REPLICA_OK, "a copy over a replica");
    is_int(now()->batch, one.batch, "takes its place");
    ok(equal(&one) && !exists("-new") && !exists("-new-wal"), "and is all that there is");
    ok(run_batch(&one, INSERT(11, "NULL")) == REPLICA_OK && equal(&one), "batches fit to it");
    free(file);
}

static void test_wrong_copies(void) {
    int64_t bytes;
    fresh();
    char *file = primary_file(&one, &bytes);
    struct replica_source source = one.source;
    source.schema++;
    is_int(send_file(&source, file, bytes), REPLICA_OTHER, "a copy of another schema than said");
    source = one.source;
    source.identity.epoch++;
    is_int(send_file(&source, file, bytes), REPLICA_OTHER, "of another epoch");
    source = one.source;
    source.identity.epoch--;
    ok(replica_is_newer(replica, &source), "an older epoch is told");
    is_int(send_file(&source, file, bytes), REPLICA_OTHER, "it is not taken");
    source = one.source;
    source.identity.database.bytes[0] ^= 1;
    ok(replica_is_newer(replica, &source), "as another database of the same epoch is");
    source.identity.epoch++;
    ok(!replica_is_newer(replica, &source), "but not one of a higher epoch");
    source = one.source;
    ok(!replica_is_newer(replica, &source), "nor the same one");
    is_int(send_file(&one.source, file, bytes - PAGE_BYTES), REPLICA_BAD, "a page is missing");
    memset(file, 0, 100);
    is_int(send_file(&one.source, file, bytes), REPLICA_BAD, "no database");
    ok(now()->there && equal(&one) && !exists("-new"), "the replica is as it was");
    free(file);
}

/* The number of batches of the replica that was kept. */
static int64_t kept_batch(void) {
    char path[PRIMARY_PATH_SIZE];
    sqlite3 *kept;
    sqlite3_stmt *row = NULL;
    int64_t batch = -1;
    primary_name(path, "-replica-bad");
    if (sqlite3_open(path, &kept) == SQLITE_OK &&
        sqlite3_prepare_v2(kept, "SELECT batch FROM tally", -1, &row, NULL) == SQLITE_OK &&
        sqlite3_step(row) == SQLITE_ROW)
        batch = sqlite3_column_int64(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(kept);
    return batch;
}

/* A copy of another database, or of one that was set back, keeps the replica that it replaces. */
static void test_another(void) {
    fresh();
    run_batch(&one, INSERT(10, "NULL"));
    int64_t batch = one.batch;
    is_int(copy(&one), REPLICA_OK, "a copy of the same database");
    ok(!exists("-bad"), "keeps nothing besides");
    primary_exec(one.database, "UPDATE identity SET epoch = epoch + 1; UPDATE tally SET batch = 1");
    one.source.identity.epoch++;
    one.batch = 1;
    is_int(copy(&one), REPLICA_OK, "one of a higher epoch, with fewer batches");
    is_int(kept_batch(), batch, "the replica of before is kept");
    primary_exec(one.database, "UPDATE identity SET id = randomblob(16), epoch = epoch + 1");
    one.source.identity.epoch++;
    sqlite3_stmt *row = NULL;
    sqlite3_prepare_v2(one.database, "SELECT id FROM identity", -1, &row, NULL);
    if (sqlite3_step(row) == SQLITE_ROW)
        memcpy(one.source.identity.database.bytes, sqlite3_column_blob(row, 0), ID_SIZE);
    sqlite3_finalize(row);
    is_int(copy(&one), REPLICA_OK, "one of another database");
    is_int(kept_batch(), 1, "the replica of before is kept in its place");
}

/* In a process of its own: takes records, which stay in the WAL, then a copy, and dies before one
 * of its steps. Returns whether it came to its end. */
static bool copy_killed_at(int steps, const struct buffer *records) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        replica = replica_open(&conf);
        if (send(&one, records) != REPLICA_OK)
            _exit(8);
        steps_left = steps;
        _exit(copy(&one) == REPLICA_OK ? 0 : 7);
    }
    waitpid(child, &status, 0);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 9))
        abort();
    return WEXITSTATUS(status) == 0;
}

static void test_kills(void) {
    struct buffer records = {0};
    int kills = 0;
    bool good = true;
    bool over = false;
    fresh();
    replica_close(replica);
    for (int steps = 0; !over; steps++, kills += !over) {
        primary_batch(&one, INSERT(NULL, "NULL"), &records);
        int64_t old = one.batch;
        size_t sent = records.length;
        primary_batch(&one, INSERT(NULL, "NULL"), &records);
        struct buffer first = {.data = records.data, .length = sent};
        over = copy_killed_at(steps, &first);
        replica = replica_open(&conf);
        bool is_new = now()->there && state.batch == one.batch;
        good = good && !exists("-new") && (is_new || (!over && state.batch == old));
        good = good && send(&one, &records) == REPLICA_OK && equal(&one);
        replica_close(replica);
    }
    replica = replica_open(&conf);
    ok(good, "killed before each of %d steps of a copy: one of the two is there, whole", kills);
    ok(kills > 8, "there are more than eight");
    buffer_free(&records);
}

/* Somebody who looks at an old state needs the WAL. */
static void test_reader(void) {
    char path[PRIMARY_PATH_SIZE];
    int64_t bytes;
    sqlite3 *reader;
    fresh();
    primary_name(path, "-replica");
    if (sqlite3_open(path, &reader) != SQLITE_OK)
        abort();
    primary_exec(reader, "BEGIN; SELECT * FROM tally;");
    run_batch(&one, INSERT(10, "NULL"));
    char *file = primary_file(&one, &bytes);
    is_int(send_file(&one.source, file, bytes), REPLICA_FULL, "a copy waits for a reader");
    ok(equal(&one), "the replica is there");
    primary_exec(reader, "COMMIT");
    sqlite3_close(reader);
    struct replica_part part = {.number = replica->upload.next - 1, .file_bytes = bytes};
    part.copy = replica->upload.copy;
    part.last = true;
    is_int(replica_copy(replica, &one.source, &part), REPLICA_OK, "it goes, the last part ends it");
    ok(equal(&one), "with the copy");
    free(file);
}

/* --- A file that fails --- */

/* Writes over bytes of the replica's closed file. */
static void scratch(int64_t at, int64_t bytes) {
    char path[PRIMARY_PATH_SIZE];
    replica_close(replica);
    primary_name(path, "-replica");
    int fd = open(path, O_RDWR);
    for (int64_t i = 0; i < bytes; i++) {
        if (pwrite(fd, "\xa5", 1, at + i) != 1)
            abort();
    }
    close(fd);
    replica = replica_open(&conf);
}

static void test_damage(void) {
    fresh();
    scratch(0, 100);
    ok(!now()->there && exists("-bad") && !exists(""), "no database: put aside");
    is_int(run_batch(&one, INSERT(20, "NULL")), REPLICA_NONE, "there is none");
    is_int(copy(&one), REPLICA_OK, "it is copied");
    ok(equal(&one) && exists("-bad"), "and the other one is kept");
    is_int(copy(&one), REPLICA_OK, "it is copied once more");
    ok(equal(&one) && exists("-bad"), "which takes nothing away");
    scratch(PAGE_BYTES, now()->bytes - PAGE_BYTES);
    ok(!now()->there && exists("-bad"), "damaged pages of the schema's tables");
    is_int(copy(&one), REPLICA_OK, "it is copied");
    spoil("PRAGMA wal_checkpoint(TRUNCATE);");
    scratch(primary_root(&one, "item") * PAGE_BYTES - PAGE_BYTES, PAGE_BYTES);
    ok(now()->there, "damage is not seen as long as nobody looks");
    is_int(run_batch(&one, INSERT(21, "NULL")), REPLICA_FAILED, "a batch meets it");
    ok(!now()->there && exists("-bad") && !exists("") && !exists("-wal"), "put aside");
    is_int(copy(&one), REPLICA_OK, "it is copied");
    ok(equal(&one), "and equal");
    char path[PRIMARY_PATH_SIZE];
    char target[PRIMARY_PATH_SIZE];
    replica_close(replica);
    primary_name(path, "-replica");
    primary_name(target, "-elsewhere");
    if (rename(path, target) != 0 || symlink(target, path) != 0)
        abort();
    replica = replica_open(&conf);
    ok(!now()->there, "a symbolic link is no replica");
    is_int(copy(&one), REPLICA_OK, "a copy takes its place");
    ok(equal(&one), "and not that of what it leads to");
    unlink(target);
}

/* What was written before a failed sync may be gone, whatever the next one says. */
static void test_sync(void) {
    fresh();
    sync_fails = true;
    is_int(run_batch(&one, INSERT(20, "NULL")), REPLICA_FAILED, "a commit that is not synced");
    ok(!now()->there && exists("-bad") && !exists(""), "puts the replica aside");
    is_int(copy(&one), REPLICA_FAILED, "a copy that is not synced");
    ok(!now()->there && !exists("-new") && !exists(""), "is given up");
    sync_fails = false;
    is_int(copy(&one), REPLICA_OK, "the next one is");
    ok(equal(&one), "taken");
}

/* A WAL whose file is gone must not be read into another file. */
static void test_stray_wal(void) {
    char path[PRIMARY_PATH_SIZE];
    char wal[PRIMARY_PATH_SIZE];
    char kept[PRIMARY_PATH_SIZE];
    fresh();
    run_batch(&one, INSERT(20, "NULL"));
    primary_name(path, "-replica");
    primary_name(wal, "-replica-wal");
    primary_name(kept, "-elsewhere");
    if (link(wal, kept) != 0)
        abort();
    replica_close(replica);
    unlink(path);
    unlink(wal);
    if (link(kept, wal) != 0)
        abort();
    unlink(kept);
    replica = replica_open(&conf);
    ok(!now()->there, "no file, no replica");
    primary_batch(&one, "DELETE FROM item WHERE seq = 20;", NULL);
    is_int(copy(&one), REPLICA_OK, "a copy");
    ok(equal(&one), "is not changed by another's WAL");
    reopen();
    ok(equal(&one), "nor at another start");
}

static void test_lock(void) {
    int status;
    fresh();
    pid_t child = fork();
    if (child == 0) {
        clock_offsets[1] += LOCK_WAIT_MS * 2;
        _exit(replica_open(&conf) ? 1 : 0);
    }
    /* The child's own clock stands still but for what is added while it waits. */
    for (int i = 0; i < 100 && waitpid(child, &status, WNOHANG) == 0; i++) {
        clock_offsets[1] += LOCK_WAIT_MS;
        poll(NULL, 0, 20);
    }
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "another process does not get it");
}

int main(void) {
    set_up();
    test_parts();
    test_wrong_copies();
    test_another();
    test_kills();
    test_reader();
    test_damage();
    test_sync();
    test_stray_wal();
    test_lock();
    tear_down();
    return done_testing();
}
