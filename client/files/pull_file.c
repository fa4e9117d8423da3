#include "files/pull_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/say.h"
#include "files/sync.h"
#include "fnv.h"
#include "hex.h"
#include "memory.h"

enum { STATE_SIZE = 4096, CHECK_LENGTH = 15 /* of the last line of FILE.pull */ };

struct pull_file {
    const char *path;
    struct buffer state, next; /* the names of FILE.pull and of what takes its place */
    int fd;
};

/* Reads one line "NAME TEXT" of FILE.pull, and moves *at behind it. */
static bool read_text(const char **at, const char *name, char *text, size_t size) {
    size_t length = strlen(name);
    const char *end = strchr(*at, '\n');
    if (!end || strncmp(*at, name, length) != 0 || (*at)[length] != ' ')
        return false;
    const char *from = *at + length + 1;
    if ((size_t)(end - from) >= size)
        return false;
    memcpy(text, from, (size_t)(end - from));
    text[end - from] = '\0';
    *at = end + 1;
    return true;
}

static bool read_number(const char **at, const char *name, int64_t least, int64_t most,
                        int64_t *number) {
    char text[24];
    char *end;
    if (!read_text(at, name, text, sizeof text) || text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && *number >= least && *number <= most;
}

/* Appends the line that lets a changed file be noticed: FNV-1a of all before it. */
static void put_check(struct buffer *text) {
    buffer_printf(text, "check %08x\n", (unsigned)fnv_add(FNV_START, text->data, text->length));
}

/* Whether a text ends with the line of put_check. */
static bool is_checked(const char *text, size_t length) {
    struct buffer again = {0};
    bool good = length > CHECK_LENGTH && strlen(text) == length;
    if (good) {
        buffer_append(&again, text, length - CHECK_LENGTH);
        put_check(&again);
        good = memcmp(again.data, text, length) == 0;
    }
    buffer_free(&again);
    return good;
}

/* Takes what FILE.pull says. */
static bool parse_state(const char *text, size_t length, struct pull_state *state) {
    char version[4];
    uint8_t key[(PULL_KEY_SIZE - 1) / 2];
    const char *at = text;
    return is_checked(text, length) && read_text(&at, "hashmill-pull", version, sizeof version) &&
           strcmp(version, "2") == 0 && read_text(&at, "key", state->key, sizeof state->key) &&
           hex_decode(key, sizeof key, state->key, strlen(state->key)) &&
           read_text(&at, "node", state->url, sizeof state->url) &&
           read_text(&at, "client", state->client, sizeof state->client) &&
           read_text(&at, "form", state->form, sizeof state->form) &&
           read_number(&at, "top", 1, PULL_TOP_MAX, &state->top) &&
           read_number(&at, "length", 0, INT64_MAX, &state->length) &&
           at == text + length - CHECK_LENGTH;
}

/* Reads FILE.pull if it is there. */
static bool read_state(struct pull_file *file, struct pull_state *state, bool *found) {
    char text[STATE_SIZE];
    struct stat info;
    int fd = open(file->state.data, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    *found = fd >= 0;
    if (fd < 0 && errno == ENOENT)
        return true;
    bool own =
        fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid();
    ssize_t got = own ? read(fd, text, sizeof text - 1) : -1;
    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0)
        close(fd);
    if (got > 0 && parse_state(text, (size_t)got, state))
        return true;
    say("%s is not what a pull of this version and user leaves, or was changed: move it away; "
        "values of "
        "its last batch can then be missing in %s: hashmill ls --state pulled has their ids, "
        "hashmill get ID shows each",
        file->state.data, file->path);
    return false;
}

/* Opens and locks the file itself. */
static int open_file(struct pull_file *file) {
    struct stat info;
    bool made = access(file->path, F_OK) != 0;
    file->fd = open(file->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (file->fd < 0 || fstat(file->fd, &info) != 0) {
        say("cannot open %s: %m", file->path);
        return CLIENT_FAILED;
    }
    if (!S_ISREG(info.st_mode)) {
        say("--out %s must be a file; without --out values go to standard output", file->path);
        return CLIENT_USAGE;
    }
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) {
        say("another hashmill pulls into %s", file->path);
        return CLIENT_LATER;
    }
    return !made || sync_parent(file->path) ? CLIENT_DONE : CLIENT_FAILED;
}

static void put_path(struct buffer *name, const char *path, const char *end) {
    buffer_puts(name, path);
    buffer_append(name, end, strlen(end) + 1);
}

struct pull_file *pull_file_open(const char *path, struct pull_state *state, bool *found,
                                 int *code) {
    struct pull_file *file = memory_or_end(calloc(1, sizeof *file), "a file");
    file->path = path;
    put_path(&file->state, path, ".pull");
    put_path(&file->next, path, ".pull.new");
    *code = open_file(file);
    if (*code == CLIENT_DONE && !read_state(file, state, found))
        *code = CLIENT_FAILED;
    if (*code == CLIENT_DONE)
        return file;
    pull_file_close(file);
    return NULL;
}

/* The length of the file; -1 with a message. */
static int64_t length_of(const struct pull_file *file) {
    struct stat info;
    if (fstat(file->fd, &info) == 0)
        return info.st_size;
    say("cannot look at %s: %m", file->path);
    return -1;
}

bool pull_file_begin(struct pull_file *file, struct pull_state *state) {
    struct buffer text = {0};
    state->length = length_of(file);
    if (state->length < 0)
        return false;
    buffer_printf(&text,
                  "hashmill-pull 2\nkey %s\nnode %s\nclient %s\nform %s\ntop %lld\nlength %lld\n",
                  state->key, state->url, state->client, state->form, (long long)state->top,
                  (long long)state->length);
    put_check(&text);
    unlink(file->next.data); /* whatever a killed pull or somebody else has left there */
    int fd = open(file->next.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write_all(fd, text.data, text.length) && fsync(fd) == 0;
    if (fd >= 0)
        good &= close(fd) == 0;
    good = good && rename(file->next.data, file->state.data) == 0;
    if (!good)
        say("cannot write %s: %m; nothing was pulled", fd < 0 ? file->next.data : file->state.data);
    buffer_free(&text);
    return good && sync_parent(file->state.data);
}

/* Reads what the file has behind the length before the batch, at most `most` bytes. -1 with errno.
 */
static ssize_t read_tail(const struct pull_file *file, int64_t at, char *tail, size_t most) {
    size_t have = 0;
    while (have < most) {
        ssize_t got = pread(file->fd, tail + have, most - have, at + (int64_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

/* How many bytes of a batch the file has already; what is there must be the begin of the batch, or
 * whole lines of others, which somebody else has appended. -1 with a message. */
static int64_t count_present(struct pull_file *file, const struct pull_state *state,
                             const struct buffer *lines) {
    int64_t length = length_of(file);
    struct buffer tail = {0};
    int64_t present = -1;
    if (length < state->length) {
        say("%s has become shorter since a pull into it was broken off: put it back, or remove "
            "%s; values of one batch can then be missing, hashmill get ID still shows them",
            file->path, file->state.data);
        return -1;
    }
    buffer_reserve(&tail, lines->length + 1);
    ssize_t got = read_tail(file, state->length, tail.data, lines->length + 1);
    size_t first = got > 0 ? strcspn(lines->data, "\n") + 1 : 0; /* the first line */
    if (got < 0)
        say("cannot read %s: %m", file->path);
    else if ((size_t)got <= lines->length && memcmp(tail.data, lines->data, (size_t)got) == 0)
        present = got;
    else if ((size_t)got < first || memcmp(tail.data, lines->data, first) == 0)
        say("%s was changed by another program since a pull into it was broken off: put it back "
            "to the %lld bytes that it had, and run this again",
            file->path, (long long)state->length);
    else
        present = 0; /* the batch of this key was forgotten by the node, and this is a new one */
    buffer_free(&tail);
    return present;
}

bool pull_file_append(struct pull_file *file, const struct pull_state *state,
                      const struct buffer *lines) {
    int64_t present = lines->length > 0 ? count_present(file, state, lines) : 0;
    if (present < 0)
        return false;
    if (lseek(file->fd, 0, SEEK_END) >= 0 &&
        write_all(file->fd, lines->data + present, lines->length - (size_t)present) &&
        fsync(file->fd) == 0)
        return true;
    say("cannot write %s: %m; make room and run this again, nothing is lost", file->path);
    return false;
}

void pull_file_end(struct pull_file *file) {
    if (unlink(file->state.data) == 0)
        sync_parent(file->state.data);
}

void pull_file_close(struct pull_file *file) {
    if (file->fd >= 0)
        close(file->fd);
    buffer_free(&file->state);
    buffer_free(&file->next);
    free(file);
}
