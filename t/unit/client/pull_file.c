/* FILE.pull and the file beside it: what is taken for them, and what a full disk leaves. */
#include "files/pull_file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/say.h"
#include "scratch.h"
#include "tap.h"

static const char key[] = "000102030405060708090a0b0c0d0e0f";
static char directory[60];
static char path[80];
static char state_path[90];
static char next_path[100];

static struct pull_state some_state(void) {
    struct pull_state state = {.top = 7};
    memcpy(state.key, key, sizeof key);
    snprintf(state.url, sizeof state.url, "http://127.0.0.1:1");
    snprintf(state.client, sizeof state.client, "ann");
    snprintf(state.form, sizeof state.form, "plain");
    return state;
}

static struct pull_file *open_file(struct pull_state *state, bool *found, int *code) {
    *found = false;
    *code = CLIENT_DONE;
    return pull_file_open(path, state, found, code);
}

static size_t read_file(const char *name, char *bytes, size_t size) {
    FILE *in = fopen(name, "r");
    size_t length = in ? fread(bytes, 1, size - 1, in) : 0;
    if (in)
        fclose(in);
    bytes[length] = '\0';
    return length;
}

static void write_file(const char *name, const char *bytes, size_t length) {
    FILE *out = fopen(name, "w");
    if (!out || fwrite(bytes, 1, length, out) != length || fclose(out) != 0)
        abort();
}

/* Whether FILE.pull is refused, as it is. */
static bool is_refused(void) {
    struct pull_state state;
    bool found;
    int code;
    struct pull_file *file = open_file(&state, &found, &code);
    if (file)
        pull_file_close(file);
    return !file && code == CLIENT_FAILED;
}

static void check_kept(void) {
    struct pull_state state = some_state();
    struct pull_state again = {0};
    bool found;
    int code;
    write_file(path, "before\n", 7);
    struct pull_file *file = open_file(&again, &found, &code);
    ok(file && !found, "no pull is under way");
    ok(pull_file_begin(file, &state), "one begins");
    pull_file_close(file);
    file = open_file(&again, &found, &code);
    ok(file && found, "and was broken off");
    ok(strcmp(again.key, key) == 0 && strcmp(again.url, state.url) == 0 &&
           strcmp(again.client, "ann") == 0 && strcmp(again.form, "plain") == 0 && again.top == 7 &&
           again.length == 7,
       "it is known how it began");
    pull_file_close(file);
}

/* Thousands of messages are for nobody. */
static void drop(void *context, const char *line) {
    (void)context;
    (void)line;
}

static const struct drawing nobody = {.note = drop};

/* Every bit turned over, every length, and what is behind its end. */
static void check_changed(void) {
    char bytes[1000] = "";
    char changed[1100] = "";
    size_t length = read_file(state_path, bytes, sizeof bytes);
    int refused = 0;
    for (size_t bit = 0; bit < 8 * length; bit++) {
        memcpy(changed, bytes, length);
        changed[bit / 8] ^= (char)(1 << bit % 8);
        write_file(state_path, changed, length);
        refused += is_refused();
    }
    is_int(refused, 8 * (int)length, "with any bit turned over FILE.pull is refused");
    refused = 0;
    for (size_t cut = 0; cut < length; cut++) {
        write_file(state_path, bytes, cut);
        refused += is_refused();
    }
    is_int(refused, (int)length, "at any other length, too");
    memcpy(changed, bytes, length);
    memset(changed + length, 0, 10);
    write_file(state_path, changed, length + 10);
    ok(is_refused(), "with NULs behind it");
    write_file(state_path, bytes, length);
    ok(!is_refused(), "and as it was it is good");
}

/* Other things in the places of the files. */
static void check_places(void) {
    struct pull_state state = some_state();
    char bytes[100];
    bool found;
    int code;
    unlink(state_path);
    ok(mkfifo(state_path, 0600) == 0 && is_refused(), "a FIFO is refused, and not waited for");
    unlink(state_path);
    ok(mkdir(state_path, 0700) == 0 && is_refused(), "so is a directory");
    rmdir(state_path);
    ok(symlink(path, state_path) == 0 && is_refused(), "and a symbolic link");
    unlink(state_path);
    ok(symlink(path, next_path) == 0, "a link to a file stands where FILE.pull is written first");
    struct pull_file *file = open_file(&state, &found, &code);
    state = some_state();
    ok(file && pull_file_begin(file, &state), "it is replaced");
    is_int(read_file(path, bytes, sizeof bytes), 7, "and the file is as it was");
    pull_file_end(file);
    pull_file_close(file);
    ok(mkdir(next_path, 0700) == 0, "a directory stands there");
    file = open_file(&state, &found, &code);
    state = some_state();
    ok(file && !pull_file_begin(file, &state), "nothing begins");
    pull_file_close(file);
    rmdir(next_path);
}

/* No file may get longer than some bytes: as on a full disk a part is written. */
static void limit_files(rlim_t bytes) {
    struct rlimit limit = {bytes, RLIM_INFINITY};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        abort();
}

static void check_full(void) {
    struct pull_state state = {0};
    struct buffer lines = {0};
    char bytes[100];
    bool found;
    int code;
    buffer_puts(&lines, "one\ntwo\nthree\n");
    struct pull_file *file = open_file(&state, &found, &code);
    state = some_state();
    limit_files(5);
    bool begun = pull_file_begin(file, &state);
    limit_files(RLIM_INFINITY);
    ok(!begun, "no room for FILE.pull: nothing begins");
    ok(access(state_path, F_OK) != 0, "and there is none");
    ok(pull_file_begin(file, &state), "with room it begins");
    limit_files(13);
    bool written = pull_file_append(file, &state, &lines);
    limit_files(RLIM_INFINITY);
    ok(!written, "no room for the lines");
    pull_file_close(file);
    read_file(path, bytes, sizeof bytes);
    is_text(bytes, "before\none\ntw", "a part of them is written");
    file = open_file(&state, &found, &code);
    ok(file && found && pull_file_append(file, &state, &lines), "with room the batch goes on");
    pull_file_end(file);
    pull_file_close(file);
    read_file(path, bytes, sizeof bytes);
    is_text(bytes, "before\none\ntwo\nthree\n", "and each line is there once");
    buffer_free(&lines);
}

int main(void) {
    signal(SIGXFSZ, SIG_IGN);
    scratch_template(directory, "pull-file");
    if (!mkdtemp(directory))
        abort();
    snprintf(path, sizeof path, "%s/out", directory);
    snprintf(state_path, sizeof state_path, "%s.pull", path);
    snprintf(next_path, sizeof next_path, "%s.new", state_path);
    check_kept();
    say_through(&nobody);
    check_changed();
    say_through(NULL);
    check_places();
    check_full();
    unlink(path);
    rmdir(directory);
    return done_testing();
}
