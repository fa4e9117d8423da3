/* The log of batches: what was appended is read back, whole and in order, or not at all. */
#define LOG_FILE_BYTES 20000
#include "fcgi/queue/batch_log.c"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "batch_history.h"

enum { SIZE = 452, BYTES = BATCH_HEAD_SIZE + SIZE, IN_FILE = LOG_FILE_BYTES / BYTES };

static int said[2]; /* a pipe: what goes to standard error */

/* How many lines went to the log since the last look, if all of them have this text; else -1. */
static int lines_with(const char *text) {
    static char bytes[10000];
    int lines = 0;
    ssize_t length = read(said[0], bytes, sizeof bytes - 1);
    bytes[length < 0 ? 0 : length] = '\0';
    char *rest = bytes;
    for (char *line; (line = strsep(&rest, "\n")) && line[0] != '\0'; lines++) {
        if (!strstr(line, text))
            return -1;
    }
    return lines;
}

static void test_order(void) {
    fresh_log();
    struct batch_log *log = open_at(0);
    struct batch_reader *reader = batch_reader_open(database);
    is_int(count(reader, 1, 2), 0, "a log that is not there has no record");
    append(log, 1, 0, 0);
    append(log, 2, 1, 0);
    append(log, 3, 6000, 0);
    append_all(log, 4, 10, SIZE);
    is_int(count(reader, 1, 10), 10, "records are read in order, small, large and without changes");
    append(log, 11, SIZE, 0);
    is_int(count(reader, 11, 11), 1, "the reader follows");
    int backward = 0;
    for (int number = 11; number > 0; number--)
        backward += count(reader, number, number);
    is_int(backward, 11, "it reads backward, too");
    is_int(count_fresh(7, 11), 5, "another one begins in the middle");
    is_int(count_fresh(12, 12) + count_fresh(0, 0), 0, "what is not there is not found");
    struct stat info;
    ok(stat(current, &info) == 0 && (info.st_mode & 07777) == 0600, "its user alone may read it");
    batch_log_append(log, &(struct batch_record){.number = 13, .changes = "", .size = 0});
    is_int(count(reader, 11, 12), 0, "a number that is left out drops all");
    is_int(size_of(current), BATCH_HEAD_SIZE, "and the log begins with it");
    batch_reader_close(reader);
    batch_log_close(log);
}

static void test_record(void) {
    char bytes[BATCH_HEAD_SIZE + 3];
    struct batch_record read;
    struct batch_record record = make(1, 3, 0);
    batch_head_write(bytes, &record);
    memcpy(bytes + BATCH_HEAD_SIZE, record.changes, 3);
    ok(memcmp(bytes, "HMB1\3\0\0\0\1\0\0\0\0\0\0\0", 16) == 0, "a head is little-endian");
    is_int((long long)batch_record_read(bytes, sizeof bytes, &read), sizeof bytes,
           "a record is read");
    ok(read.changes == bytes + BATCH_HEAD_SIZE && read.size == 3, "and its changes point into it");
    is_int((long long)batch_record_read(bytes, sizeof bytes - 1, &read), 0,
           "one that is cut is not");
    is_int((long long)batch_record_read(bytes, BATCH_HEAD_SIZE - 1, &read), 0, "nor half a head");
    record.number = 0;
    batch_head_write(bytes, &record);
    is_int((long long)batch_record_read(bytes, sizeof bytes, &read), 0, "nor one without a number");
    record = (struct batch_record){.number = 1, .size = BATCH_CHANGES_MAX + 1};
    batch_head_write(bytes, &record);
    ok(!batch_head_read(bytes, &read), "nor one that is too large");
    memcpy(bytes, "HMB2", 4);
    is_int((long long)batch_record_read(bytes, sizeof bytes, &read), 0, "nor another kind");
    /* { head -c 32 /dev/zero; printf '\0\0\0\0\0\0\0\1abc'; } | sha256sum */
    uint8_t check[BATCH_CHECK_SIZE] = {0};
    record = (struct batch_record){.number = 1, .changes = "abc", .size = 3};
    ok(batch_check(hash, check, &record) && memcmp(check, "\x32\x89\x76\xac", 4) == 0,
       "the check of a batch");
}

static void test_replaced(void) {
    fresh_log();
    struct batch_log *log = open_at(0);
    struct batch_reader *reader = batch_reader_open(database);
    append_all(log, 1, 9, SIZE);
    count(reader, 1, 8);
    append(log, 9, SIZE / 2, 1);
    is_int(count(reader, 9, 9), 1, "a record that was rolled back is replaced");
    is_int(size_of(current), 8 * BYTES + BATCH_HEAD_SIZE + SIZE / 2, "by a shorter one");
    append(log, 9, SIZE * 2, 2);
    append(log, 10, SIZE, 2);
    is_int(count_fresh(1, 10), 10, "by a longer one; others follow it");
    append(log, 5, SIZE, 3);
    is_int(count_fresh(1, 5), 5, "so is an earlier one");
    is_int(count_fresh(6, 10), 0, "and those behind it go");
    append(log, 6, SIZE, 3);
    is_int(count_fresh(1, 6), 6, "others follow that");
    batch_reader_close(reader);
    batch_log_close(log);
}

static void test_opened_again(void) {
    fresh_log();
    struct batch_log *log = open_at(0);
    append_all(log, 1, 9, SIZE);
    batch_log_close(log);
    log = open_at(9);
    append(log, 10, SIZE, 0);
    is_int(count_fresh(1, 10), 10, "a log that is opened again goes on");
    batch_log_close(log);
    log = open_at(6);
    is_int(size_of(current), 6 * BYTES, "what is behind the last batch is cut off");
    is_int(count_fresh(1, 10), 6, "and is not read any more");
    append(log, 7, SIZE, 1);
    is_int(count_fresh(1, 7), 7, "another batch takes its place");
    batch_log_close(log);

    struct batch_reader *reader = batch_reader_open(database);
    is_int(count(reader, 1, 6), 6, "(a reader has it open)");
    history[7].check[31] ^= 1;
    log = open_at(7);
    ok(size_of(current) < 0 && count(reader, 7, 7) + count(reader, 1, 6) == 0,
       "with another check all of it goes, for who has it open, too");
    append_all(log, 8, 9, SIZE);
    is_int(count(reader, 8, 9), 2, "and the reader finds what comes behind");
    batch_log_close(log);
    log = open_at(10);
    ok(size_of(current) < 0, "all of it goes when it lacks the last batch");
    append(log, 11, SIZE, 0);
    batch_log_close(log);
    batch_log_remove(database);
    ok(size_of(current) < 0 && count(reader, 11, 11) == 0, "a log is removed");
    batch_reader_close(reader);
}

static void test_torn(void) {
    static const char zeros[BYTES];
    fresh_log();
    struct batch_log *log = open_at(0);
    append_all(log, 1, 9, SIZE);
    batch_log_close(log);
    damage(current, 3 * BYTES + BATCH_HEAD_SIZE + 20, zeros, 40);
    is_int(count_fresh(4, 4), 0, "a record with torn changes is not read");
    is_int(count_fresh(1, 3) + count_fresh(5, 9), 8, "those before and behind it are");
    damage(current, 9 * BYTES, zeros, sizeof zeros);
    batch_log_close(open_at(9));
    is_int(size_of(current), 9 * BYTES, "zeros behind the last record are cut off");
    damage(current, 9 * BYTES, "HMB1\xff\xff\xff\0\12\0\0\0\0\0\0", 16);
    is_int(count_fresh(10, 10), 0, "half a head behind it is not read");
    ok(truncate(current, 9 * BYTES - 1) == 0 && count_fresh(9, 9) == 0,
       "a record that is cut is not read");
    batch_log_close(open_at(8));
    is_int(size_of(current), 8 * BYTES, "and is cut off, unless it is the last batch");
    damage(current, 8 * BYTES, "HMB1\1\0\0\0\12\0\0\0\0\0\0", 16);
    damage(current, 8 * BYTES + 16, zeros, 33);
    is_int(count_fresh(10, 10), 0, "a record whose number does not follow is not read");
    batch_log_close(open_at(10));
    ok(size_of(current) < 0, "nor taken for the last batch: all goes");

    log = open_at(0);
    append_all(log, 1, 9, SIZE);
    batch_log_close(log);
    ok(truncate(current, 9 * BYTES - 1) == 0, "(the last batch is cut)");
    batch_log_close(open_at(9));
    ok(size_of(current) < 0, "all of it goes when the last batch is cut");

    log = open_at(0);
    append_all(log, 1, 9, SIZE);
    batch_log_close(log);
    damage(current, 4 * BYTES, zeros, 4);
    is_int(count_fresh(5, 9), 0, "behind a torn head nothing is read");
    batch_log_close(open_at(9));
    ok(size_of(current) < 0, "and all of it goes");
}

static void test_changed(void) {
    fresh_log();
    struct batch_log *log = open_at(0);
    append_all(log, 1, 9, SIZE);
    ok(truncate(current, 4 * BYTES) == 0, "somebody cuts the log while it is written");
    append_all(log, 10, 12, SIZE);
    is_int(count_fresh(10, 12), 3, "it begins again");
    ok(unlink(current) == 0, "somebody removes it");
    append_all(log, 13, 15, SIZE);
    is_int(count_fresh(13, 15), 3, "it begins again");
    ok(rename(current, old) == 0, "somebody moves it away");
    append_all(log, 31, 33, SIZE);
    is_int(count_fresh(31, 33), 3, "it begins again");
    damage(current, 3 * BYTES, "more", 4);
    append_all(log, 34, 36, SIZE);
    is_int(count_fresh(34, 36), 3, "and when somebody adds to it");
    is_int(lines_with("was changed or moved"), 4, "which is said each time");
    batch_log_close(log);
}

static void test_switch(void) {
    fresh_log();
    struct batch_log *log = open_at(0);
    struct batch_reader *reader = batch_reader_open(database);
    struct batch_reader *slow = batch_reader_open(database);
    append_all(log, 1, IN_FILE, SIZE);
    is_int(count(reader, 1, 5) + count(slow, 1, 5), 10, "two readers are behind");
    append_all(log, IN_FILE + 1, IN_FILE + 5, SIZE);
    ok(size_of(old) == IN_FILE * BYTES && size_of(current) == 5 * BYTES, "a full file makes way");
    is_int(count(reader, 6, IN_FILE + 5), IN_FILE, "the reader goes on from one into the other");
    is_int(count_fresh(20, IN_FILE + 5), IN_FILE - 14, "so does one that was just opened");
    append_all(log, IN_FILE + 6, 2 * IN_FILE + 3, SIZE);
    is_int(count_fresh(IN_FILE + 1, 2 * IN_FILE + 3), IN_FILE + 3, "a second switch");
    is_int(count_fresh(1, IN_FILE), 0, "the first file's records are gone");
    is_int(count(slow, 6, 6), 0, "also for who has that file open");
    is_int(count(slow, IN_FILE + 6, 2 * IN_FILE + 3), IN_FILE - 2, "who goes on with later ones");
    int last = 3 * IN_FILE;
    append_all(log, 2 * IN_FILE + 4, last + 1, SIZE);
    is_int(size_of(current), BYTES, "(a switch, and the batch is rolled back)");
    append(log, last + 1, SIZE, 1);
    is_int(count(reader, 2 * IN_FILE + 1, last + 1), IN_FILE + 1,
           "the first of a file is replaced");
    batch_log_close(log);
    log = open_at(last);
    is_int(size_of(current), IN_FILE * BYTES, "the last batch is in the old file: it is taken up");
    append(log, last + 1, SIZE, 2);
    is_int(count(reader, 2 * IN_FILE + 1, last + 1), IN_FILE + 1, "and the log goes on");
    history[last + 1].check[0] ^= 1;
    batch_log_close(log);
    batch_log_close(open_at(last + 1));
    ok(size_of(current) < 0 && size_of(old) < 0, "with another check both files go");
    batch_reader_close(slow);
    batch_reader_close(reader);
}

/* At the start of a file the reader has the check of its last record, and needs no search. */
static void test_reader_knows(void) {
    char away[130];
    fresh_log();
    struct batch_log *log = open_at(0);
    struct batch_reader *reader = batch_reader_open(database);
    append_all(log, 1, IN_FILE, SIZE);
    snprintf(away, sizeof away, "%s-away", current);
    ok(count(reader, 1, 5) == 5 && rename(current, away) == 0, "(the file has another name)");
    is_int(count(reader, 6, IN_FILE), IN_FILE - 5, "reading in order looks for no file");
    ok(rename(away, current) == 0, "(and its own again)");
    append_all(log, IN_FILE + 1, IN_FILE + 2, SIZE);
    damage(current, BATCH_HEAD_SIZE + 20, "torn", 4);
    is_int(count(reader, IN_FILE + 1, IN_FILE + 1), 0, "a torn record that begins a file");
    is_int(count(reader, IN_FILE + 2, IN_FILE + 2), 1, "and the one behind it");
    batch_reader_close(reader);
    batch_log_close(log);
}

static void test_large(void) {
    fresh_log();
    struct batch_log *log = open_at(0);
    append_all(log, 1, 3, SIZE);
    append(log, 4, 2 * LOG_FILE_BYTES, 0);
    is_int(size_of(old), 3 * BYTES, "a record that is larger than a file");
    append(log, 4, 2 * LOG_FILE_BYTES, 1);
    is_int(size_of(old), 3 * BYTES, "also when it replaces one,");
    append(log, 5, SIZE, 0);
    is_int(size_of(current), BYTES, "has a file of its own");
    is_int(count_fresh(4, 5), 2, "and is read");
    batch_log_append(log, &(struct batch_record){.number = 6, .changes = changes, .size = LARGEST});
    ok(size_of(current) < 0 && size_of(old) < 0, "one that nobody would believe drops all");
    is_int(lines_with("warn: cannot write to "), 1, "that is said");
    append(log, 7, SIZE, 0);
    is_int(count_fresh(6, 7), 1, "and the log begins behind it");
    is_int(lines_with("is written again"), 1, "that is said, too");
    batch_log_close(log);
}

/* Appends records while no file may have more bytes than this, as on a full disk. */
static void append_limited(struct batch_log *log, int first, int last, rlim_t bytes) {
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
    append_all(log, first, last, SIZE);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void test_full(void) {
    fresh_log();
    struct batch_log *log = open_at(0);
    struct batch_reader *reader = batch_reader_open(database);
    append_all(log, 1, IN_FILE + 3, SIZE);
    is_int(count(reader, 1, IN_FILE + 3), IN_FILE + 3, "(a reader has all)");
    append_limited(log, IN_FILE + 4, IN_FILE + 4, 4 * BYTES + 100);
    is_int(count(reader, IN_FILE + 4, IN_FILE + 4), 1, "(one more fits)");
    is_int(lines_with(""), 0, "(and nothing was said)");
    append_limited(log, IN_FILE + 5, IN_FILE + 5, 4 * BYTES + 100);
    ok(size_of(current) < 0 && size_of(old) < 0, "a full disk drops all");
    is_int(count(reader, 1, IN_FILE + 5), 0, "and nothing is read, whole or half");
    is_int(lines_with("warn: cannot write to "), 1, "that is said");
    append_limited(log, IN_FILE + 6, IN_FILE + 8, 100);
    is_int(lines_with(""), 0, "once");
    ok(size_of(current) < 0, "and no half record is left");
    append_all(log, IN_FILE + 9, IN_FILE + 10, SIZE);
    is_int(count(reader, IN_FILE + 9, IN_FILE + 10), 2, "with room the log begins again");
    is_int(lines_with("is written again"), 1, "that is said, too");
    batch_log_close(log);
    log = open_at(IN_FILE + 10);
    is_int(count_fresh(IN_FILE + 9, IN_FILE + 10), 2, "and it is opened again");
    batch_reader_close(reader);
    batch_log_close(log);
}

/* What others put in the place of the log is neither read nor written. */
static void test_hostile(void) {
    char victim[120];
    struct batch_log *log = NULL;
    fresh_log();
    snprintf(victim, sizeof victim, "%s-victim", database);
    log = open_at(0);
    append_all(log, 1, 4, SIZE);
    batch_log_close(log);
    ok(rename(current, victim) == 0 && symlink(victim, current) == 0, "a symbolic link");
    is_int(count_fresh(1, 4), 0, "is not read");
    batch_log_close(open_at(2));
    is_int(size_of(victim), 4 * BYTES, "nor is what it names written");
    ok(link(victim, current) == 0, "another name of a file");
    is_int(count_fresh(1, 4), 0, "is not read");
    log = open_at(2);
    append(log, 3, SIZE, 1);
    is_int(size_of(victim), 4 * BYTES, "nor written");
    is_int(count_fresh(3, 3), 1, "the log works all the same");
    batch_log_close(log);
    ok(unlink(current) == 0 && mkfifo(current, 0600) == 0, "a pipe");
    is_int(count_fresh(3, 3), 0, "holds nobody up");
    batch_log_close(open_at(3));
    ok(mkdir(current, 0700) == 0, "a directory");
    log = open_at(3);
    append_all(log, 4, 6, SIZE);
    is_int(lines_with("warn: cannot write to "), 1, "is complained of");
    rmdir(current);
    append_all(log, 7, 8, SIZE);
    is_int(count_fresh(4, 8), 2, "and the log works when it is gone");
    is_int(lines_with("is written again"), 1, "and says so");
    batch_log_close(log);
}

static size_t size_for(int number) {
    return (size_t)(number * 7919 % 3000);
}

/* Appends batches, each of them rolled back at first; stays a file ahead of the reader at most. */
static void write_many(volatile int *committed, const volatile int *seen) {
    struct batch_log *log = open_at(0);
    for (int number = 1; number < HISTORY; number++) {
        while (*seen < number - 5)
            usleep(10);
        append(log, number, size_for(number + 1), 1);
        append(log, number, size_for(number), 0);
        *committed = number;
    }
    batch_log_close(log);
    _exit(0);
}

/* Reads what is committed, and tries what is just being written. */
static void test_side_by_side(void) {
    fresh_log();
    volatile int *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t writer = fork();
    if (writer == 0)
        write_many(&shared[0], &shared[1]);
    struct batch_reader *reader = batch_reader_open(database);
    struct batch_reader *early = batch_reader_open(database);
    struct buffer bytes = {0};
    struct batch_record record;
    int whole = 0;
    int torn = 0;
    for (int number = 1; number < HISTORY; number++) {
        make(number, size_for(number), 0);
        while (shared[0] < number) {
            buffer_clear(&bytes);
            if (batch_reader_get(early, number, &bytes))
                torn += batch_record_read(bytes.data, bytes.length, &record) == 0 ||
                        (record.size != size_for(number) && record.size != size_for(number + 1));
        }
        whole += count(reader, number, number);
        shared[1] = number;
    }
    int status = 1;
    waitpid(writer, &status, 0);
    is_int(status, 0, "a writer beside a reader");
    is_int(whole, HISTORY - 1, "every committed batch is read, through all switches");
    is_int(torn, 0, "none that is just being written is read torn");
    buffer_free(&bytes);
    batch_reader_close(early);
    batch_reader_close(reader);
}

int main(void) {
    if (pipe2(said, O_NONBLOCK) != 0 || dup2(said[1], STDERR_FILENO) < 0)
        abort();
    log_open("test", "writer");
    hash = batch_hash();
    test_record();
    test_order();
    test_replaced();
    test_opened_again();
    test_torn();
    test_changed();
    test_switch();
    test_reader_knows();
    test_large();
    test_full();
    test_hostile();
    test_side_by_side();
    EVP_MD_CTX_free(hash);
    return done_testing();
}
