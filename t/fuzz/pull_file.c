/* FILE.pull, as a crash, a disk or another program may have left it. With "#check" before it an
 * input gets its right last line, so that what comes behind the check is tried, too. What is taken
 * is written again in the same way. */
#include "files/pull_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "client_files.h"
#include "fnv.h"
#include "scratch.h"

static char path[80];
static char state_path[90];

static void make_place(void) {
    static char directory[60];
    scratch_template(directory, "fuzz-pull");
    if (!mkdtemp(directory))
        abort();
    snprintf(path, sizeof path, "%s/out", directory);
    snprintf(state_path, sizeof state_path, "%s.pull", path);
}

static void write_input(const uint8_t *bytes, size_t size) {
    FILE *out = fopen(state_path, "w");
    bool checked = size > 7 && memcmp(bytes, "#check\n", 7) == 0;
    bytes += checked ? 7 : 0;
    size -= checked ? 7 : 0;
    if (!out || fwrite(bytes, 1, size, out) != size)
        abort();
    if (checked)
        fprintf(out, "check %08x\n", (unsigned)fnv_add(FNV_START, bytes, size));
    if (fclose(out) != 0)
        abort();
}

/* What is in FILE.pull. */
static size_t read_back(char *text, size_t size) {
    FILE *in = fopen(state_path, "r");
    if (!in)
        abort();
    size_t got = fread(text, 1, size, in);
    fclose(in);
    return got;
}

static struct pull_file *open_again(struct pull_state *state, bool *found) {
    int code = 0;
    *found = false;
    struct pull_file *file = pull_file_open(path, state, found, &code);
    must((file != NULL) == (code == 0) && (file || code == 1));
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char before[8192];
    char after[8192];
    struct pull_state state = {0};
    bool found;
    if (path[0] == '\0')
        make_place();
    say_through(&nobody);
    write_input(data, size);
    struct pull_file *file = open_again(&state, &found);
    if (!file)
        return 0;
    must(found && strlen(state.key) == PULL_KEY_SIZE - 1 && strchr(state.url, '\n') == NULL);
    must(state.top >= 1 && state.top <= PULL_TOP_MAX && state.length >= 0);
    int64_t length = state.length;
    size_t had = read_back(before, sizeof before);
    must(pull_file_begin(file, &state) && state.length == 0);
    pull_file_close(file);
    size_t has = read_back(after, sizeof after);
    must(length != 0 || strncmp(strstr(before, "length "), "length 0\n", 9) != 0 ||
         (had == has && memcmp(before, after, has) == 0) || strstr(before, "top 0") != NULL);
    file = open_again(&state, &found);
    must(file && found && state.length == 0);
    pull_file_end(file);
    pull_file_close(file);
    return 0;
}
