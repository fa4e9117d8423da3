/* The replica of another node's database: its batches, what does not fit, and giving it back. */
#include "replica_fixture.h"

/* --- Batches --- */

static void test_equal(void) {
    static const char *const batches[] = {
        INSERT(3, "'k3'") INSERT(4, "'k4'"),
        LEASE(1) LEASE(3),
        "UPDATE item SET chain = randomblob(64), remaining = 500, deadline = 199 WHERE seq = 1;",
        "UPDATE item SET state = 0, since = deadline, deadline = NULL, strikes = strikes + 1"
        " WHERE seq = 1;",
        "UPDATE item SET state = 0, deadline = NULL WHERE seq = 3;",
        LEASE(
            1) "UPDATE item SET state = 2, chain = randomblob(64), remaining = 0, deadline = NULL,"
               " done_at = 7, done_wall = 7 WHERE seq = 1;",
        "UPDATE item SET state = 4, closed = 9 WHERE seq = 2;",
        "UPDATE item SET state = 3, pull = randomblob(19), closed = 8 WHERE seq = 1;",
        "DELETE FROM item WHERE seq = 4;",
        INSERT(4, "'k4'"), /* seq and key used again */
        "DELETE FROM item WHERE seq = 3;" INSERT(5, "'k3'"),
        "UPDATE item SET key = NULL WHERE seq = 4; UPDATE item SET key = 'k4' WHERE seq = 5;",
        /* the one that takes the key over was changed first */
        "UPDATE item SET strikes = 9 WHERE seq = 4; UPDATE item SET key = NULL WHERE seq = 5;"
        "UPDATE item SET key = 'k4' WHERE seq = 4;",
        "INSERT INTO worker (identity, machine, address, first_seen, name, kernel, cores, rate,"
        " first_seen_wall, last_seen_wall, last_seen)"
        " VALUES ('shared', '', '', 1, 'w', 'k', 2, 0, 1, 1, 1);",
        "UPDATE tally SET waiting = 17;",
    };
    fresh();
    ok(equal(&one), "a copy is equal");
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
        ok(run_batch(&one, batches[i]) == REPLICA_OK && equal(&one), "equal behind batch %zu", i);
    is_int(now()->batch, one.batch, "its batch is known");
    is_int(now()->wall_ms, one.batch * 1000, "and of when that is");
    is_int(now()->bytes % PAGE_BYTES, 0, "its size is one of pages");
    ok(memcmp(state.check, one.check, sizeof state.check) == 0, "and the check");
    reopen();
    ok(now()->there && state.batch == one.batch && state.node == 1 &&
           state.schema == STORE_SCHEMA_VERSION &&
           memcmp(&state.identity, &one.source.identity, sizeof state.identity) == 0,
       "all that is known when it is opened again");
    ok(run_batch(&one, INSERT(9, "NULL")) == REPLICA_OK && equal(&one), "and it goes on");
}

static void test_many(void) {
    char sql[800];
    fresh();
    for (int i = 0; i < 100; i++) {
        struct buffer records = {0};
        for (int batch = 0; batch < 4; batch++) {
            snprintf(sql, sizeof sql,
                     INSERT(NULL, "NULL") "UPDATE item SET remaining = remaining %% 8 + 1,"
                                          " strikes = %d WHERE seq %% 3 = %d;",
                     i, batch % 3);
            primary_batch(&one, sql, &records);
        }
        if (send(&one, &records) != REPLICA_OK)
            ok(false, "batches of turn %d", i);
        buffer_free(&records);
    }
    ok(equal(&one), "equal behind 400 batches, four in a message");
    struct stat info;
    char path[PRIMARY_PATH_SIZE];
    primary_name(path, "-replica-wal");
    int64_t most = (CHECKPOINT_PAGES + 200) * (PAGE_BYTES + 24);
    ok(stat(path, &info) == 0 && info.st_size < most, "the WAL stays small");
}

/* More kinds of changes than are kept prepared. */
static void test_kinds(void) {
    static const char *const columns[] = {"strikes", "since",  "rank",
                                          "granted", "worker", "enqueued_wall"};
    fresh();
    for (int kind = 1; kind < 64; kind++) {
        struct buffer sql = {0};
        buffer_printf(&sql, "UPDATE item SET key = 'k1'");
        for (int i = 0; i < 6; i++) {
            if (kind >> i & 1)
                buffer_printf(&sql, ", %s = %d", columns[i], (kind + 1) * 10);
        }
        buffer_printf(&sql, " WHERE seq = 1;%c", '\0');
        if (run_batch(&one, sql.data) != REPLICA_OK)
            ok(false, "a batch of kind %d", kind);
        buffer_free(&sql);
    }
    ok(equal(&one), "equal behind changes of 63 kinds");
}

static void test_order(void) {
    struct buffer first = {0};
    struct buffer second = {0};
    struct buffer both = {0};
    fresh();
    int64_t before = one.batch;
    primary_batch(&one, INSERT(10, "NULL"), &first);
    primary_batch(&one, INSERT(11, "NULL"), &second);
    is_int(send(&one, &second), REPLICA_GAP, "a batch that is missing is a gap");
    is_int(now()->batch, before, "nothing of it is applied");
    is_int(send(&one, &first), REPLICA_OK, "it comes");
    is_int(send(&one, &first), REPLICA_OK, "it comes again");
    buffer_append(&both, first.data, first.length);
    buffer_append(&both, second.data, second.length);
    is_int(send(&one, &both), REPLICA_OK, "what is there is passed over");
    ok(equal(&one), "equal behind that");
    is_int(send(&one, &both), REPLICA_OK, "all of it is there");
    is_int(now()->batch, before + 2, "the batch stays");
    primary_batch(&one, INSERT(12, "NULL"), &both);
    primary_batch(&one, INSERT(13, "NULL"), &both);
    both.length -= 7;
    is_int(send(&one, &both), REPLICA_GAP, "a record that is cut off is one that is missing");
    is_int(now()->batch, before + 3, "what is before it is there");
    both.length += 7;
    is_int(send(&one, &both), REPLICA_OK, "then it comes whole");
    ok(equal(&one), "equal behind a cut");
    is_int(replica_apply(replica, &one.source, "HMB2", 4), REPLICA_GAP, "no record at all");
    is_int(replica_apply(replica, &one.source, NULL, 0), REPLICA_OK, "none");
    buffer_free(&first);
    buffer_free(&second);
    buffer_free(&both);
}

/* --- What does not fit --- */

static void test_check(void) {
    struct buffer records = {0};
    fresh();
    int64_t before = one.batch;
    primary_batch(&one, INSERT(10, "NULL"), &records);
    size_t first = records.length;
    primary_batch(&one, INSERT(11, "NULL"), &records);
    records.data[records.length - 1] ^= 1;
    is_int(send(&one, &records), REPLICA_BAD, "a changed byte");
    is_int(now()->batch, before + 1, "what is before it is applied");
    ok(state.bad && !state.complete, "and it is bad");
    records.data[records.length - 1] ^= 1;
    is_int(send(&one, &records), REPLICA_BAD, "nothing fits any more");
    is_int(copy(&one), REPLICA_OK, "until it is copied");
    ok(!now()->bad && equal(&one), "which it then is");
    records.data[first + 20] ^= 1;
    is_int(send(&one, &records), REPLICA_BAD, "another check of the last batch that is there");
    buffer_free(&records);
}

/* Changes with the right check that are no patchset. */
static void test_hostile(void) {
    static const struct {
        const char *changes;
        size_t size;
        const char *what;
    } cases[] = {
        {"P\x01\x01tally", 8, "a name without an end"},
        {"P\x01\x01", 3, "no name"},
        {"P\x05\x01", 3, "fewer columns than it says"},
        {"P\x81\x81\x81\x81\x81\x01", 7, "more columns than there can be"},
        {"P\x00item", 7, "no columns"},
        {"\x12\x00\x05", 3, "a row of no table"},
        {"P\x01\x01tally\x00\x12\x00\x03\xff\xff\xff\xff\x7f", 17,
         "a text that is longer than all"},
        {"P\x01\x01tally\x00\x12\x00\x01\x00", 13, "an integer that ends early"},
        {"P\x01\x01tally\x00\x12\x00\x06", 12, "a value of no type"},
        {"P\x01\x01tally\x00\x17\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01", 20,
         "an update of nothing"},
        {"P\x01\x01tally\x00\x07", 10, "an operation that is none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer records = {0};
        fresh();
        struct batch_record record = {
            .number = one.batch + 1, .changes = cases[i].changes, .size = cases[i].size};
        EVP_MD_CTX *hash = batch_hash();
        memcpy(record.check, one.check, sizeof record.check);
        if (!hash || !batch_check(hash, record.check, &record))
            abort();
        EVP_MD_CTX_free(hash);
        primary_put_record(&records, &record);
        is_int(send(&one, &records), REPLICA_BAD, cases[i].what);
        buffer_free(&records);
    }
}

static void test_conflicts(void) {
    static const struct {
        const char *spoilt;
        const char *batch;
        const char *what;
    } cases[] = {
        {"DELETE FROM item WHERE seq = 1;", "UPDATE item SET strikes = 1 WHERE seq = 1;",
         "a row to be changed is not there"},
        {"DELETE FROM item WHERE seq = 1;", "DELETE FROM item WHERE seq = 1;",
         "a row to be removed is not there"},
        {INSERT(10, "NULL"), INSERT(10, "NULL"), "a row to be added is there"},
        {INSERT(12, "'x'"), INSERT(10, "'x'"), "its key is there"},
        {NULL, INSERT(10, "NULL"), "the batch has another number than it says"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer records = {0};
        fresh();
        int64_t before = one.batch;
        bool numbered = !cases[i].spoilt;
        if (numbered)
            primary_exec(one.database, "UPDATE tally SET batch = batch + 5");
        else
            spoil(cases[i].spoilt);
        if (!numbered)
            primary_batch(&one, "UPDATE tally SET waiting = 5;", &records);
        primary_batch(&one, cases[i].batch, &records);
        is_int(send(&one, &records), REPLICA_BAD, cases[i].what);
        is_int(now()->batch, before + !numbered, "the batch before it is kept, and nothing of it");
        reopen();
        is_int(now()->batch, before + !numbered, "also on disk");
        buffer_free(&records);
    }
}

static void test_trigger(void) {
    fresh();
    spoil("CREATE TRIGGER t AFTER UPDATE OF batch ON tally BEGIN"
          " UPDATE tally SET batch = batch + 5; END;");
    is_int(run_batch(&one, INSERT(10, "NULL")), REPLICA_OK, "a batch where a trigger is");
    is_int(now()->batch, one.batch, "no trigger runs");
}

static void test_other(void) {
    struct buffer records = {0};
    fresh();
    primary_batch(&one, INSERT(10, "NULL"), &records);
    struct primary other = one;
    other.source.identity.epoch++;
    is_int(send(&other, &records), REPLICA_OTHER, "another epoch");
    other = one;
    other.source.identity.database.bytes[3] ^= 1;
    is_int(send(&other, &records), REPLICA_OTHER, "another database");
    other = one;
    other.source.schema++;
    is_int(send(&other, &records), REPLICA_OTHER, "another schema");
    other = one;
    other.source.node++;
    is_int(send(&other, &records), REPLICA_OTHER, "another node");
    is_int(send(&one, &records), REPLICA_OK, "the right one");
    buffer_clear(&records);
    primary_change(one.path, "ALTER TABLE item ADD COLUMN more INTEGER;");
    int64_t before = one.batch;
    primary_batch(&one, INSERT(11, "NULL"), &records);
    is_int(send(&one, &records), REPLICA_OTHER, "a column more under the same version");
    is_int(now()->batch, before, "nothing of that is applied");
    buffer_free(&records);
    forget();
    is_int(run_batch(&one, INSERT(12, "NULL")), REPLICA_NONE, "no replica");
}

static void test_complete(void) {
    fresh();
    ok(!now()->complete, "not complete until it is said");
    one.source.complete = 1;
    ok(run_batch(&one, INSERT(10, "NULL")) == REPLICA_OK && now()->complete, "complete");
    reopen();
    ok(!now()->complete, "nothing is known of that at a start");
    replica_apply(replica, &one.source, NULL, 0);
    ok(now()->complete, "said without a batch");
    free_bytes = KEPT_BYTES;
    int64_t before = one.batch;
    struct buffer records = {0};
    primary_batch(&one, INSERT(11, "NULL"), &records);
    is_int(send(&one, &records), REPLICA_FULL, "a full disk");
    ok(now()->batch == before && !state.complete, "nothing is written, so it is not complete");
    is_int(copy(&one), REPLICA_FULL, "no room for a copy, either");
    ok(!exists("-new"), "which is not begun");
    free_bytes = INT64_C(1) << 40;
    is_int(send(&one, &records), REPLICA_OK, "room again");
    ok(equal(&one), "and it goes on");
    buffer_free(&records);
}

/* Puts a file in the place of the replica's. */
static void replace(const char *file, int64_t bytes) {
    char path[PRIMARY_PATH_SIZE];
    primary_name(path, "-replica");
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || write(fd, file, (size_t)bytes) != bytes)
        abort();
    close(fd);
}

static void remove_file(const char *end) {
    char path[PRIMARY_PATH_SIZE];
    primary_name(path, end);
    ok(unlink(path) == 0, "%s is removed", end);
}

static void test_moved(void) {
    struct queue_range range = {.first = 1, .last = 5};
    int64_t bytes;
    fresh();
    remove_file("-replica");
    is_int(run_batch(&one, INSERT(10, "NULL")), REPLICA_NONE, "the next batch is not taken");
    ok(!now()->there && !exists("-wal"), "there is no replica");
    ok(copy(&one) == REPLICA_OK && equal(&one), "until it is copied");
    is_int(run_batch(&one, INSERT(11, "NULL")), REPLICA_OK, "a batch comes");
    remove_file("-replica-wal");
    is_int(replica_apply(replica, &one.source, NULL, 0), REPLICA_NONE, "and nothing");
    ok(!exists("") && exists("-bad"), "what may lack a part is put aside");
    ok(copy(&one) == REPLICA_OK && equal(&one), "it is copied again");
    char *file = primary_file(&one, &bytes);
    is_int(run_batch(&one, INSERT(12, "NULL")), REPLICA_OK, "a batch comes");
    replace(file, bytes);
    free(file);
    range.batch = one.batch;
    is_int(replica_compare(replica, &one.source, &range), REPLICA_NONE,
           "an older file is not read together with the WAL of another");
    ok(!exists("") && !exists("-wal"), "it is put aside, too");
}

/* --- Giving it back --- */

static bool reads_back(void) {
    char path[PRIMARY_PATH_SIZE];
    char chunk[1000];
    int64_t at = 0;
    int64_t got;
    primary_name(path, "-taken");
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    while ((got = replica_read(replica, at, chunk, sizeof chunk)) > 0) {
        if (write(fd, chunk, (size_t)got) != got)
            abort();
        at += got;
    }
    close(fd);
    bool good = got == 0 && at == now()->bytes && primary_equals_but_epoch(&one, path);
    unlink(path);
    return good;
}

static void test_take(void) {
    char byte;
    struct buffer records = {0};
    fresh();
    run_batch(&one, INSERT(10, "NULL"));
    struct queue_identity identity = one.source.identity;
    is_int(replica_read(replica, 0, &byte, 1), -1, "nothing is read before it is taken");
    is_int(replica_take(replica, &identity), REPLICA_OTHER, "the epoch must be higher");
    identity.epoch++;
    identity.database.bytes[1] ^= 1;
    is_int(replica_take(replica, &identity), REPLICA_OTHER, "and the database this one");
    identity.database.bytes[1] ^= 1;
    is_int(replica_take(replica, &identity), REPLICA_OK, "it is taken");
    is_int(now()->identity.epoch, identity.epoch, "its epoch is raised");
    ok(reads_back(), "what is read is the database");
    primary_batch(&one, INSERT(11, "NULL"), &records);
    is_int(send(&one, &records), REPLICA_OTHER, "no batch of the old one fits");
    is_int(copy(&one), REPLICA_OTHER, "and no copy");
    reopen();
    is_int(send(&one, &records), REPLICA_OTHER, "nor behind another start");
    is_int(replica_read(replica, 0, &byte, 1), -1, "which wants it to be taken again");
    one.source.identity.epoch = identity.epoch;
    is_int(send(&one, &records), REPLICA_OK, "one of the new one does");
    is_int(replica_take(replica, &identity), REPLICA_OTHER, "the same epoch again");
    identity.epoch++;
    is_int(replica_take(replica, &identity), REPLICA_OK, "a higher one");
    ok(reads_back(), "is read again");
    one.source.identity.epoch = identity.epoch;
    ok(run_batch(&one, INSERT(12, "NULL")) == REPLICA_OK, "a batch comes");
    is_int(replica_read(replica, 0, &byte, 1), -1, "and what is read is not the same any more");
    forget();
    is_int(replica_take(replica, &identity), REPLICA_NONE, "no replica");
    buffer_free(&records);
}

static void test_compare(void) {
    struct queue_range range = {.first = 1, .last = 5};
    fresh();
    run_batch(&one, INSERT(3, "'x'") INSERT(5, "NULL"));
    range.batch = one.batch;
    primary_hash(&one, range.first, range.last, range.hash);
    is_int(replica_compare(replica, &one.source, &range), REPLICA_OK, "the same rows");
    spoil("UPDATE item SET rank = rank + 1 WHERE seq = 5;");
    range.batch--;
    is_int(replica_compare(replica, &one.source, &range), REPLICA_OK,
           "another batch is not compared");
    range.batch += 2;
    is_int(replica_compare(replica, &one.source, &range), REPLICA_GAP, "one that it lacks is told");
    range.batch--;
    range.last = 4;
    primary_hash(&one, range.first, range.last, range.hash);
    is_int(replica_compare(replica, &one.source, &range), REPLICA_OK, "nor rows behind the range");
    range.last = 5;
    primary_hash(&one, range.first, range.last, range.hash);
    is_int(replica_compare(replica, &one.source, &range), REPLICA_BAD, "a number that differs");
    reopen();
    ok(now()->bad, "makes it bad, also for the next process");
    is_int(run_batch(&one, INSERT(6, "NULL")), REPLICA_BAD, "no batch fits");
}

int main(void) {
    set_up();
    test_equal();
    test_many();
    test_kinds();
    test_order();
    test_check();
    test_hostile();
    test_conflicts();
    test_trigger();
    test_other();
    test_complete();
    test_moved();
    test_take();
    test_compare();
    tear_down();
    return done_testing();
}
