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
#include "memory.h"

struct pull_file {
    const char *path;
    struct buffer state, next; /* the names of FILE.pull and of what takes its place */
    int fd;
};

/* Reads one line "NAME TEXT" of FILE.pull. */
static bool read_text(FILE *in, const char *name, char *text, size_t size) {
    char line[PULL_TEXT_SIZE + 20];
    size_t length = strlen(name);
    if (!fgets(line, sizeof line, in) || strncmp(line, name, length) != 0 || line[length] != ' ')
        return false;
    char *end = strchr(line, '\n');
    if (!end || (size_t)(end - line) - length > size)
        return false;
    *end = '\0';
    memcpy(text, line + length + 1, (size_t)(end - line) - length);
    return true;
}

static bool read_number(FILE *in, const char *name, int64_t *number) {
    char text[24];
    char *end;
    if (!read_text(in, name, text, sizeof text))
        return false;
    errno = 0;
    *number = strtoll(text, &end, 10);
    return errno == 0 && end > text && *end == '\0' && *number >= 0;
}

/* Reads FILE.pull if it is there. */
static bool read_state(struct pull_file *file, struct pull_state *state, bool *found) {
    FILE *in = fopen(file->state.data, "re");
    char version[4];
    *found = in != NULL;
    if (!in && errno == ENOENT)
        return true;
    bool good = in && read_text(in, "hashmill-pull", version, sizeof version) &&
                strcmp(version, "1") == 0 && read_text(in, "key", state->key, sizeof state->key) &&
                read_text(in, "node", state->url, sizeof state->url) &&
                read_text(in, "client", state->client, sizeof state->client) &&
                read_text(in, "form", state->form, sizeof state->form) &&
                read_number(in, "top", &state->top) && read_number(in, "length", &state->length);
    if (in)
        fclose(in);
    if (!good)
        say("%s is not what a pull leaves: move it away; values of its last batch can then be "
            "missing in %s, hashmill get ID still shows them",
            file->state.data, file->path);
    return good;
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
                  "hashmill-pull 1\nkey %s\nnode %s\nclient %s\nform %s\ntop %lld\nlength %lld\n",
                  state->key, state->url, state->client, state->form, (long long)state->top,
                  (long long)state->length);
    int fd = open(file->next.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write_all(fd, text.data, text.length) && fsync(fd) == 0;
    if (fd >= 0)
        good &= close(fd) == 0;
    good = good && rename(file->next.data, file->state.data) == 0;
    if (!good)
        say("cannot write %s: %m; nothing was pulled", file->state.data);
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
