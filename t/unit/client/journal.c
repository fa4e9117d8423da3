/* The journal of a job: what it says after it was closed, cut or spoilt; and the key of an item. */
#include "files/journal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/say.h"
#include "files/item_key.h"
#include "files/journal_parts.h"
#include "hex.h"
#include "scratch.h"
#include "tap.h"

enum { MANY = 20000 };

static const char first_url[] = "http://127.0.0.1:1";
static const char second_url[] = "http://127.0.0.1:2";
static char directory[60];
static char path[100];

static struct journal *open_journal(bool change) {
    int code;
    struct journal *journal = journal_open("job", change, true, &code);
    if (!journal)
        printf("# exit code %d\n", code);
    return journal;
}

/* A key for each number. */
static void make_key(uint8_t key[ITEM_KEY_BYTES], int number) {
    uint8_t digest[DIGEST_BYTES] = {0};
    item_key(key, "job", "/path", digest, number + 1);
}

static int find(const struct journal *journal, int number) {
    uint8_t key[ITEM_KEY_BYTES];
    make_key(key, number);
    return journal_find(journal, key);
}

/* Writes an item that is sent, and with an id placed. */
static void write_item(struct journal *journal, int number, const char *url, const char *name,
                       bool place) {
    uint8_t key[ITEM_KEY_BYTES];
    uint8_t id[ITEM_ID_BYTES];
    make_key(key, number);
    memset(id, number + 1, sizeof id);
    int item = journal_enter(journal, key, name);
    if (!journal_send(journal, item, url, name))
        abort();
    if (place)
        journal_place(journal, item, id);
}

static long long file_size(void) {
    struct stat info;
    return stat(path, &info) == 0 ? (long long)info.st_size : -1;
}

/* Three items, closed, and read again. */
static void check_kept(void) {
    struct journal *journal = open_journal(true);
    write_item(journal, 0, first_url, "/a\nb\\c\rd", true);
    write_item(journal, 1, first_url, "/sent", false);
    write_item(journal, 1, second_url, "/sent", false);
    write_item(journal, 2, second_url, "/last", true);
    ok(journal_write(journal, true), "a journal is written");
    journal_close(journal);
    journal = open_journal(true);
    is_int(journal_count(journal), 3, "it has its items again");
    is_int(find(journal, 0), 0, "the first");
    is_text(journal_path(journal, 0), "/a\nb\\c\rd", "with its path, whatever that has in it");
    uint8_t id[ITEM_ID_BYTES];
    memset(id, 1, sizeof id);
    ok(memcmp(journal_id(journal, 0), id, sizeof id) == 0, "and its id");
    ok(!journal_id(journal, 1), "one without an id");
    is_text(journal_node(journal, 1), second_url, "is where it was sent last");
    is_int(find(journal, 9), JOURNAL_NONE, "an item that was never sent is not there");
    journal_close(journal);
}

/* Items that their node does not have. */
static void check_withdrawn(void) {
    struct journal *journal = open_journal(true);
    for (int i = 3; i < 6; i++)
        write_item(journal, i, first_url, "/withdrawn", false);
    journal_withdraw(journal, 3, false);
    journal_withdraw(journal, 4, true);
    journal_withdraw(journal, 5, true);
    write_item(journal, 5, second_url, "/withdrawn", false);
    ok(journal_write(journal, true), "items are withdrawn");
    journal_close(journal);
    journal = open_journal(true);
    ok(!journal_node(journal, 3) && !journal_is_refused(journal, 3), "no node has the first");
    ok(!journal_node(journal, 4) && journal_is_refused(journal, 4), "the second was refused");
    is_text(journal_node(journal, 5), second_url, "the third was sent again");
    ok(!journal_is_refused(journal, 5), "and is not refused by that");
    journal_close(journal);
}

/* A last line that a crash has cut, at each length. */
static void check_cut(void) {
    long long whole = file_size();
    long long line = JOURNAL_SUM_LENGTH + 2 + 2 * ITEM_KEY_BYTES + 1 + ITEM_ID_SIZE; /* an id's */
    int good = 0;
    for (long long cut = whole - 1; cut >= whole - line; cut--) {
        if (truncate(path, cut) != 0)
            abort();
        struct journal *journal = open_journal(true);
        good += journal && journal_count(journal) == 3 && !journal_id(journal, 2);
        if (journal)
            journal_close(journal);
        good += file_size() == whole - line;
    }
    is_int(good, 2 * line, "a line that was cut does not count, and is cut off");
}

/* Who may open it at the same time. */
static void check_lock(void) {
    int code = 0;
    struct journal *journal = open_journal(true);
    ok(!journal_open("job", true, false, &code) && code == CLIENT_LATER, "one at a time puts");
    struct journal *reader = open_journal(false);
    ok(reader && journal_count(reader) == 3, "others may read meanwhile");
    journal_close(reader);
    journal_close(journal);
    ok(!journal_open("none", false, false, &code) && code == CLIENT_UNKNOWN_ID,
       "a job that is not there");
}

/* Whether the journal is refused, both for reading and for more. */
static bool is_refused_as_it_is(void) {
    int refused = 0;
    for (int change = 0; change <= 1; change++) {
        int code = 0;
        struct journal *journal = journal_open("job", change, false, &code);
        refused += !journal && code == CLIENT_FAILED;
        if (journal)
            journal_close(journal);
    }
    return refused == 2;
}

/* Appends a line, with its right sum before it, and says whether the journal is refused. */
static bool is_refused(const char *line) {
    char sum[JOURNAL_SUM_LENGTH];
    long long size = file_size();
    struct journal *journal = open_journal(false);
    journal_sum(sum, &journal->sum, line, strcspn(line, "\n"));
    journal_close(journal);
    FILE *out = fopen(path, "a");
    if (!out || fwrite(sum, 1, sizeof sum, out) != sizeof sum || fputs(line, out) < 0 ||
        fclose(out) != 0)
        abort();
    bool refused = is_refused_as_it_is();
    if (truncate(path, size) != 0)
        abort();
    return refused;
}

static void write_file(const char *bytes, size_t length) {
    FILE *out = fopen(path, "w");
    if (!out || fwrite(bytes, 1, length, out) != length || fclose(out) != 0)
        abort();
}

/* Thousands of messages are for nobody. */
static void drop(void *context, const char *line) {
    (void)context;
    (void)line;
}

static const struct drawing nobody = {.note = drop};

/* Every bit of it turned over, each line left out, given twice, or before the one before it. Only a
 * last line whose end is changed may count as one that a crash has cut. */
static void check_changed(void) {
    char bytes[2000] = "";
    char changed[4000] = "";
    FILE *in = fopen(path, "r");
    size_t length = in ? fread(bytes, 1, sizeof bytes - 1, in) : 0;
    int refused = 0;
    int lines = 0;
    if (in)
        fclose(in);
    bytes[length] = '\0';
    for (size_t bit = 0; bit < 8 * (length - 1); bit++) {
        memcpy(changed, bytes, length);
        changed[bit / 8] ^= (char)(1 << bit % 8);
        write_file(changed, length);
        refused += is_refused_as_it_is();
    }
    is_int(refused, 8 * ((int)length - 1), "with any bit turned over a journal is refused");
    refused = 0;
    for (char *line = bytes, *next; (next = strchr(line, '\n') + 1) < bytes + length; line = next) {
        size_t before = (size_t)(line - bytes);
        size_t size = (size_t)(next - line);
        size_t second = strcspn(next, "\n") + 1;
        memcpy(changed, bytes, before);
        memcpy(changed + before, next, length - before - size);
        write_file(changed, length - size);
        refused += is_refused_as_it_is();
        memcpy(changed, bytes, before + size);
        memcpy(changed + before + size, line, length - before);
        write_file(changed, length + size);
        refused += is_refused_as_it_is();
        memcpy(changed, bytes, length);
        memcpy(changed + before, next, second);
        memcpy(changed + before + second, line, size);
        write_file(changed, length);
        refused += is_refused_as_it_is();
        lines++;
    }
    is_int(refused, 3 * lines, "with any line left out, given twice or moved, too");
    write_file(bytes, length);
    ok(!is_refused_as_it_is(), "and as it was it is good");
}

static void check_spoilt(void) {
    ok(is_refused("x\n"), "a line of another kind is refused");
    ok(is_refused("> 0123 0 /path\n"), "so is a short key");
    ok(is_refused("> 000102030405060708090a0b0c0d0e0f 7 /path\n"), "a node that has no number");
    ok(is_refused("< 000102030405060708090a0b0c0d0e0f 01a20ad5-c32f-71c5-8024-c9d0da90077a\n"),
       "an id of what was not sent");
    ok(is_refused("- 000102030405060708090a0b0c0d0e0f\n"), "or that no node has it");
    ok(is_refused("x 0001\n"), "or half a key");
    ok(is_refused("n 5 http://127.0.0.1\n"), "nodes out of their order");
    struct journal *journal = open_journal(true);
    ok(journal && journal_count(journal) == 3, "and without them it is good");
    journal_close(journal);
}

/* What else may stand in its place. */
static void check_places(void) {
    char aside[120];
    snprintf(aside, sizeof aside, "%s-aside", path);
    if (rename(path, aside) != 0)
        abort();
    ok(mkfifo(path, 0600) == 0 && is_refused_as_it_is(), "a FIFO is refused, and not waited for");
    unlink(path);
    ok(mkdir(path, 0700) == 0 && is_refused_as_it_is(), "so is a directory");
    rmdir(path);
    ok(symlink(aside, path) == 0 && is_refused_as_it_is(), "and a symbolic link");
    unlink(path);
    write_file("my own notes", 12);
    ok(is_refused_as_it_is(), "a text of one line");
    is_int(file_size(), 12, "which is left as it is");
    write_file("\n\0\0", 3);
    ok(is_refused_as_it_is(), "an empty line");
    write_file("hashmill journal 1\n", 19);
    ok(is_refused_as_it_is(), "and a journal of another version");
    write_file("hashmill jour", 13);
    ok(!is_refused_as_it_is(), "a head that a crash has cut is good");
    if (geteuid() == 0) {
        ok(chown(path, 12345, 12345) == 0 && is_refused_as_it_is(), "one of another user is not");
    } else {
        ok(chmod(path, 0) == 0 && is_refused_as_it_is(), "one that may not be read is not");
    }
    if (rename(aside, path) != 0)
        abort();
}

/* A disk with room for a part of what is written. */
static void check_full(void) {
    struct rlimit limit = {(rlim_t)file_size() + 30, RLIM_INFINITY};
    long long whole = file_size();
    struct journal *journal = open_journal(true);
    write_item(journal, 5, first_url, "/full", false);
    setrlimit(RLIMIT_FSIZE, &limit);
    bool written = journal_write(journal, true);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    ok(!written, "a disk that is full is noticed");
    journal_close(journal);
    ok(file_size() > whole, "a part of a line is written");
    journal = open_journal(true);
    ok(journal && journal_count(journal) == 3, "which does not count");
    journal_close(journal);
    is_int(file_size(), whole, "and is cut off");
}

/* More items than fit into the first table, or into one piece that is read. */
static void check_many(void) {
    int found = 0;
    struct journal *journal = open_journal(true);
    for (int i = 0; i < MANY; i++)
        write_item(journal, i + 10, first_url, "/many", i % 2 == 0);
    journal_write(journal, false);
    journal_close(journal);
    journal = open_journal(false);
    for (int i = 0; i < MANY; i++) {
        int item = find(journal, i + 10);
        found += item != JOURNAL_NONE && (journal_id(journal, item) != NULL) == (i % 2 == 0);
    }
    is_int(found, MANY, "twenty thousand items are found again");
    journal_close(journal);
}

static void check_names(void) {
    ok(job_is_named("a") && job_is_named("nightly-2.b_C"), "names of jobs");
    ok(!job_is_named("") && !job_is_named(".hidden") && !job_is_named("a/b") &&
           !job_is_named("a b"),
       "what is none");
}

/* The key is as its comment says: an old journal must go on with a new program. */
static void check_key(void) {
    uint8_t digest[DIGEST_BYTES];
    uint8_t key[ITEM_KEY_BYTES];
    uint8_t other[ITEM_KEY_BYTES];
    char text[2 * ITEM_KEY_BYTES + 1] = "";
    body_digest(digest, "abc", 3);
    item_key(key, "default", "/tmp/abc", digest, 1000000);
    hex_encode(text, key, sizeof key);
    is_text(text, "25a663a75780a2d693715c3dd9f4ec68", "the key of an item");
    item_key(other, "default", "/tmp/abc", digest, 1000001);
    ok(memcmp(key, other, sizeof key) != 0, "differs with the iterations");
    item_key(other, "default/", "tmp/abc", digest, 1000000);
    ok(memcmp(key, other, sizeof key) != 0, "with job and path");
    digest[63] ^= 1;
    item_key(other, "default", "/tmp/abc", digest, 1000000);
    ok(memcmp(key, other, sizeof key) != 0, "and with the body");
}

int main(void) {
    signal(SIGXFSZ, SIG_IGN);
    scratch_template(directory, "journal");
    if (!mkdtemp(directory) || setenv("XDG_STATE_HOME", directory, 1) != 0)
        abort();
    snprintf(path, sizeof path, "%s/hashmill/job", directory);
    check_kept();
    check_cut();
    check_lock();
    say_through(&nobody);
    check_changed();
    say_through(NULL);
    check_spoilt();
    check_places();
    check_full();
    check_many();
    unlink(path);
    check_kept();
    check_withdrawn();
    check_names();
    check_key();
    unlink(path);
    path[strlen(path) - strlen("/job")] = '\0';
    rmdir(path);
    rmdir(directory);
    return done_testing();
}
