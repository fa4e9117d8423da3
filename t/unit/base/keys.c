/* The keys file: what a line may be, who may read the file, and which key counts when. */

#include "fcgi/base/keys.c"

#include "base/key_text.h"
#include "tap.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char path[] = "/tmp/hm-keys-XXXXXX";
static char why[600];

static void give_up(const char *what) {
    perror(what);
    exit(1);
}

static void write_text(const char *text, size_t length) {
    FILE *out = fopen(path, "w");
    if (!out || fwrite(text, 1, length, out) != length || fclose(out) != 0)
        give_up("the file");
}

/* How many keys a file with this text has; -1 when it is refused. */
static int count_of(const char *text) {
    write_text(text, strlen(text));
    struct keys *keys = keys_read(path, why, sizeof why);
    int count = keys ? keys_count(keys) : -1;
    keys_free(keys);
    return count;
}

static void good_lines(void) {
    is_int(count_of(""), 0, "an empty file has no key");
    is_int(count_of("# nothing\n\n  \t\n  # more\r\n"), 0,
           "nor has one of remarks and blank lines");
    is_int(count_of("worker alice " HASH_A), 1, "a line without its end");
    is_int(count_of(" worker\talice  " HASH_A " until=2027-01-31 \r\nclient b.c-D_9 " HASH_B "\n"),
           2, "blanks, and an end as of Windows");
    is_int(count_of("worker alice " HASH_A "\nworker alice " HASH_B "\n"), 2, "one name, two keys");
    is_int(count_of("operator o " HASH_A "\nviewer v " HASH_B "\n"), 2, "all roles");
    is_int(count_of("client c " HASH_A " items=5 weight=2 until=2027-01-31\n"
                    "operator c " HASH_B " weight=2\titems=5\n"),
           2, "one name, two keys with the same quotas in another order");
    is_int(count_of("client c " HASH_A "\nclient c " HASH_B " weight=1\n"), 2,
           "the default and the same, said");
    is_int(count_of("client c " HASH_A " items=5\nclient d " HASH_B " items=6\n"), 2,
           "two names, each its quotas");
    is_int(count_of("client c " HASH_A " items=5\nworker c " HASH_B "\n"), 2,
           "a worker of that name has none");
}

/* Lines that are refused, what each is, and what is said of it. */
static const struct {
    const char *line;
    const char *what;
    const char *says;
} wrong_lines[] = {
    {"worker alice", "without a hash", "ROLE NAME SHA256HEX"},
    {"worker", "with a role only", "ROLE NAME SHA256HEX"},
    {"admin alice " HASH_A, "another role", "must be worker"},
    {"Worker alice " HASH_A, "a role in capitals", "must be worker"},
    {"worker shared " HASH_A, "the name shared", "neither \"shared\""},
    {"worker -alice " HASH_A, "a name that begins with a dash", "name of 1 to 64"},
    {"worker al/ice " HASH_A, "a name with a slash", "name of 1 to 64"},
    {"worker aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa " HASH_A,
     "a name of 65 characters", "name of 1 to 64"},
    {"worker mill-0-0123456789ab " HASH_A, "the name of a machine", "name of a machine"},
    {"worker alice a" HASH_A, "65 digits", "SHA-256"},
    {"worker alice AAAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "capital digits", "SHA-256"},
    {"worker alice " HASH_A " speed=9", "an attribute that is none", "\"speed=9\" is not known"},
    {"client alice " HASH_A " item=9", "the beginning of one", "\"item=9\" is not known"},
    {"client alice " HASH_A " items", "one without a value", "\"items\" is not known"},
    {"client alice " HASH_A " =9", "one without a name", "\"=9\" is not known"},
    {"client alice " HASH_A " weight=0", "no share", "weight= must be a whole number from 1"},
    {"client alice " HASH_A " weight=1001", "too large a share", "weight= must be"},
    {"client alice " HASH_A " weight=", "an empty share", "weight= must be"},
    {"client alice " HASH_A " weight=0x3", "a hexadecimal share", "weight= must be"},
    {"client alice " HASH_A " Weight=3", "a share in capitals", "\"Weight=3\" is not known"},
    {"client alice " HASH_A " items=0", "no items", "items= must be"},
    {"client alice " HASH_A " items=-1", "items below none", "items= must be"},
    {"client alice " HASH_A " items=+1", "a sign", "items= must be"},
    {"client alice " HASH_A " items=1k", "a unit", "items= must be"},
    {"client alice " HASH_A " items=1e3", "an exponent", "items= must be"},
    {"client alice " HASH_A " work=0", "no work", "work= must be"},
    {"client alice " HASH_A " iterations_max=0", "no iterations", "iterations_max= must be"},
    {"client alice " HASH_A " rate=5/0", "no burst", "rate= must be"},
    {"client alice " HASH_A " rate=5/-5", "a burst below none", "rate= must be"},
    {"client alice " HASH_A " items=9007199254740992", "2^53 items", "items= must be"},
    {"client alice " HASH_A " work=18446744073709551617", "2^64 + 1", "work= must be"},
    {"client alice " HASH_A " iterations_max=1.5", "a fraction", "iterations_max= must be"},
    {"client alice " HASH_A " rate=5", "a rate without a burst", "rate= must be items a second"},
    {"client alice " HASH_A " rate=5/", "an empty burst", "rate= must be"},
    {"client alice " HASH_A " rate=/5", "a burst alone", "rate= must be"},
    {"client alice " HASH_A " rate=0/5", "no rate", "rate= must be"},
    {"client alice " HASH_A " rate=1000001/5", "too large a rate", "rate= must be"},
    {"client alice " HASH_A " rate=5/1000001", "too large a burst", "rate= must be"},
    {"client alice " HASH_A " rate=5/5/5", "three numbers", "rate= must be"},
    {"client alice " HASH_A " items=5 work=7 items=5", "one twice", "items= stands twice"},
    {"worker alice " HASH_A " weight=2", "a share of a worker", "other roles have no items"},
    {"viewer alice " HASH_A " items=2", "items of a viewer", "other roles have no items"},
    {"client alice " HASH_A " items=5\nworker alice " HASH_C "\noperator alice " HASH_B " items=6",
     "two quotas of a name", "lines of alice that differ"},
    {"worker alice " HASH_A " until=", "no day", "last day"},
    {"worker alice " HASH_A " until=2027-02-29", "a day that does not come", "last day"},
    {"worker alice " HASH_A " until=2027-2-28", "a short day", "last day"},
    {"worker alice " HASH_A " until=2027-01-31 until=2028-01-31", "two days", "twice"},
    {"worker alice " HASH_A "\nclient bob " HASH_A, "one key twice", "one key twice"},
};

static void bad_lines(void) {
    char text[600];
    for (size_t i = 0; i < sizeof wrong_lines / sizeof *wrong_lines; i++) {
        snprintf(text, sizeof text, "# first\n%s\n", wrong_lines[i].line);
        is_int(count_of(text), -1, wrong_lines[i].what);
        ok(strstr(why, wrong_lines[i].says), "it says \"%s\": %s", wrong_lines[i].says, why);
    }
    ok(count_of("# a\nworker x\n") == -1 && strstr(why, "line 2"), "the line is named");
    static const char nul[] = "worker alice " HASH_A " \0until=2000-01-01\n";
    write_text(nul, sizeof nul - 1);
    ok(!keys_read(path, why, sizeof why) && strstr(why, "NUL"), "a NUL byte hides nothing");
}

/* Keys of one name whose attributes differ in one thing. */
static void lines_that_differ(void) {
    static const char *const cases[][2] = {
        {"weight=2", ""},         {"work=3", "work=4"},     {"rate=1/2", "rate=2/2"},
        {"rate=1/2", "rate=1/3"}, {"", "iterations_max=1"},
    };
    char text[600];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text,
                 "client c " HASH_A " %s\nclient d " HASH_C " weight=9\noperator c " HASH_B " %s\n",
                 cases[i][0], cases[i][1]);
        ok(count_of(text) == -1, "\"%s\" and \"%s\"", cases[i][0], cases[i][1]);
        ok(strstr(why, "lines of c that differ"), "it says whose: %s", why);
    }
    is_int(count_of("client c " HASH_A " until=2027-01-31\nclient c " HASH_B "\n"), 2,
           "each has its own last day");
}

static void rights(void) {
    static const struct {
        mode_t mode;
        bool good;
    } cases[] = {{0600, true},  {0400, true},  {0640, false}, {0604, false},
                 {0602, false}, {0700, false}, {0660, false}, {0644, false}};
    write_text("", 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool good = cases[i].good || (geteuid() == 0 && cases[i].mode == 0640);
        if (chmod(path, cases[i].mode) != 0)
            give_up("chmod");
        struct keys *keys = keys_read(path, why, sizeof why);
        ok((keys != NULL) == good, "mode %04o", (unsigned)cases[i].mode);
        keys_free(keys);
    }
    chmod(path, 0600);
    ok(!keys_read("/proc/self/nothing", why, sizeof why) && strstr(why, "cannot read"), "no file");
    ok(!keys_read("/tmp", why, sizeof why) && strstr(why, "not a file"), "a directory");
}

static void found(void) {
    char key[KEY_TEXT_SIZE];
    char hash[2 * KEY_HASH_SIZE + 1] = "";
    uint8_t bytes[KEY_HASH_SIZE];
    char text[400];
    enum key_role role;
    key_text_make(key, KEY_VIEWER);
    ok(key_text_parse(key, &role) && role == KEY_VIEWER, "a key tells its role: %s", key);
    EVP_Digest(key, strlen(key), bytes, NULL, EVP_sha256(), NULL);
    hex_encode(hash, bytes, sizeof bytes);
    snprintf(text, sizeof text, "worker a " HASH_A "\nviewer eve %s until=2027-01-31\n", hash);
    write_text(text, strlen(text));
    struct keys *keys = keys_read(path, why, sizeof why);
    if (!keys)
        give_up(why);
    const struct key *it = keys_find(keys, key);
    ok(it && it->role == KEY_VIEWER && strcmp(it->name, "eve") == 0, "it is found");
    is_int(it ? it->until_seconds : 0, 1801440000, "to the end of its last day");
    key[20] ^= 1;
    ok(!keys_find(keys, key), "another key is not");
    ok(!key_text_parse(key, &role), "and its checksum is wrong");
    ok(!keys_find(keys, ""), "nor is none");
    keys_free(keys);
}

/* The key of the only line, a client's with these attributes. */
static struct key read_client(const char *attributes) {
    char text[400];
    struct key key;
    snprintf(text, sizeof text, "client c " HASH_A " %s\n", attributes);
    write_text(text, strlen(text));
    struct keys *keys = keys_read(path, why, sizeof why);
    if (!keys)
        give_up(why);
    key = keys->list[0];
    keys_free(keys);
    return key;
}

static void quotas(void) {
    struct key key = read_client("");
    is_int(key.weight, 1, "without attributes the share is 1");
    ok(!key.items && !key.work && !key.iterations_max && !key.rate && !key.burst, "and no quota");
    key = read_client("weight=1000 items=9007199254740991 work=2 rate=3/1000000 iterations_max=4 "
                      "until=2027-01-31");
    is_int(key.weight, 1000, "a share");
    is_int(key.items, 9007199254740991, "items");
    is_int(key.work, 2, "work");
    is_int(key.rate, 3, "a rate");
    is_int(key.burst, 1000000, "its burst");
    is_int(key.iterations_max, 4, "the largest item");
    is_int(key.until_seconds, 1801440000, "and a last day");
}

/* Quotas go over exec with the keys. */
static void kept(void) {
    write_text("client c " HASH_A " items=7\n", strlen("client c " HASH_A " items=7\n"));
    struct keys *keys = keys_read(path, why, sizeof why);
    if (!keys)
        give_up(why);
    keys_keep(keys);
    keys_free(keys);
    keys = keys_kept();
    is_int(keys ? keys->list[0].items : -1, 7, "kept keys have their quotas");
    keys_free(keys);
}

int main(void) {
    int fd = mkstemp(path);
    if (fd < 0)
        give_up("mkstemp");
    close(fd);
    good_lines();
    bad_lines();
    lines_that_differ();
    rights();
    found();
    quotas();
    kept();
    unlink(path);
    return done_testing();
}
