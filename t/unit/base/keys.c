/* The keys file: what a line may be, who may read the file, and which key counts when. */

#include "fcgi/base/keys.c"

#include "base/key_text.h"
#include "tap.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
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
}

static void bad_lines(void) {
    static const struct {
        const char *line;
        const char *what;
        const char *says;
    } cases[] = {
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
        {"worker alice " HASH_A " rate=9", "an attribute that is none", "\"rate=9\" is not known"},
        {"worker alice " HASH_A " until=", "no day", "last day"},
        {"worker alice " HASH_A " until=2027-02-29", "a day that does not come", "last day"},
        {"worker alice " HASH_A " until=2027-2-28", "a short day", "last day"},
        {"worker alice " HASH_A " until=2027-01-31 until=2028-01-31", "two days", "twice"},
        {"worker alice " HASH_A "\nclient bob " HASH_A, "one key twice", "one key twice"},
    };
    char text[400];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "# first\n%s\n", cases[i].line);
        is_int(count_of(text), -1, cases[i].what);
        ok(strstr(why, cases[i].says), "it says \"%s\": %s", cases[i].says, why);
    }
    ok(count_of("# a\nworker x\n") == -1 && strstr(why, "line 2"), "the line is named");
    static const char nul[] = "worker alice " HASH_A " \0until=2000-01-01\n";
    write_text(nul, sizeof nul - 1);
    ok(!keys_read(path, why, sizeof why) && strstr(why, "NUL"), "a NUL byte hides nothing");
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

int main(void) {
    int fd = mkstemp(path);
    if (fd < 0)
        give_up("mkstemp");
    close(fd);
    good_lines();
    bad_lines();
    rights();
    found();
    unlink(path);
    return done_testing();
}
