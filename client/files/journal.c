#include "files/journal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/say.h"
#include "files/journal_parts.h"
#include "files/sync.h"
#include "fnv.h"
#include "hex.h"
#include "memory.h"

bool job_is_named(const char *job) {
    size_t length = strlen(job);
    if (length == 0 || length > JOB_LENGTH_MAX || job[0] == '.')
        return false;
    for (const char *at = job; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("._-", *at))
            return false;
    }
    return true;
}

/* Makes the directories of a path, which are the user's own, and has the disk know them. */
static void make_directories(char *path) {
    for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        if (mkdir(path, 0700) == 0)
            sync_parent(path); /* else the journal may go with it */
        else if (errno != EEXIST)
            say("cannot make the directory %s: %m", path);
        *at = '/';
    }
}

/* Writes the path of a job's journal. False with a message when nothing says where it may be. */
static bool find_path(struct journal *journal, const char *job) {
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    size_t size = sizeof journal->path;
    int length = -1;
    if (state && state[0] == '/')
        length = snprintf(journal->path, size, "%s/hashmill/%s", state, job);
    else if (home && home[0] == '/')
        length = snprintf(journal->path, size, "%s/.local/state/hashmill/%s", home, job);
    if (length > 0 && (size_t)length < size)
        return true;
    if (length > 0)
        say("the name of the journal is too long: set XDG_STATE_HOME to a shorter path");
    else
        say("there is no place for the journal: set XDG_STATE_HOME or HOME to an absolute path");
    return false;
}

/* Whether the open file can be a journal. False with a message. */
static bool is_own_file(const struct journal *journal) {
    struct stat file;
    if (fstat(journal->fd, &file) != 0)
        say("cannot look at the journal %s: %m", journal->path);
    else if (!S_ISREG(file.st_mode))
        say("%s must be a file: move away what is there, or give --job another name",
            journal->path);
    else if (file.st_uid != geteuid())
        say("the journal %s belongs to another user (%u): work as that user, or give --job another "
            "name",
            journal->path, (unsigned)file.st_uid);
    else
        return true;
    return false;
}

/* Opens the file, and locks it if it is to be changed. */
static int open_file(struct journal *journal, bool change) {
    if (change)
        make_directories(journal->path);
    journal->fd =
        open(journal->path,
             (change ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (journal->fd < 0 && errno == ENOENT && !change) {
        say("there is no such job: %s is not there", journal->path);
        return CLIENT_UNKNOWN_ID;
    }
    if (journal->fd < 0 && errno == ELOOP) {
        say("the journal %s is a symbolic link, which is not followed: put the file itself there, "
            "or give --job another name",
            journal->path);
        return CLIENT_FAILED;
    }
    if (journal->fd < 0) {
        say("cannot open the journal %s: %m", journal->path);
        return CLIENT_FAILED;
    }
    if (!is_own_file(journal))
        return CLIENT_FAILED;
    if (!change || flock(journal->fd, LOCK_EX | LOCK_NB) == 0)
        return CLIENT_DONE;
    if (errno == EWOULDBLOCK) {
        say("another hashmill puts items of this job; wait for it, or give --job another name (%s)",
            journal->path);
        return CLIENT_LATER;
    }
    say("cannot lock the journal %s: %m", journal->path);
    return CLIENT_FAILED;
}

/* Cuts off what a crash left of a last line, and begins a new file. One with lines is known to be
 * in its directory on the disk. */
static bool make_ready(struct journal *journal, long long whole) {
    if (ftruncate(journal->fd, whole) != 0 || lseek(journal->fd, whole, SEEK_SET) < 0) {
        say("cannot write the journal %s: %m", journal->path);
        return false;
    }
    if (whole > 0)
        return true;
    buffer_puts(&journal->noted, JOURNAL_HEAD JOURNAL_VERSION "\n");
    return sync_parent(journal->path) && journal_write(journal, true);
}

struct journal *journal_open(const char *job, bool change, bool names, int *code) {
    struct journal *journal = memory_or_end(calloc(1, sizeof *journal), "a journal");
    long long whole = 0;
    journal->fd = -1;
    journal->keeps_names = names;
    journal->sum = FNV_START;
    buffer_append(&journal->names, "", 1);
    *code = find_path(journal, job) ? open_file(journal, change) : CLIENT_FAILED;
    if (*code == CLIENT_DONE && !journal_read(journal, &whole))
        *code = CLIENT_FAILED;
    if (*code == CLIENT_DONE && change && !make_ready(journal, whole))
        *code = CLIENT_FAILED;
    if (*code == CLIENT_DONE)
        return journal;
    journal_close(journal);
    return NULL;
}

void journal_close(struct journal *journal) {
    if (journal->fd >= 0)
        close(journal->fd);
    for (int i = 0; i < journal->node_count; i++)
        free(journal->nodes[i]);
    free(journal->items);
    free(journal->table);
    buffer_free(&journal->names);
    buffer_free(&journal->noted);
    free(journal);
}

/* Begins a line to be written; returns where. */
static size_t begin_line(struct journal *journal) {
    char room[JOURNAL_SUM_LENGTH];
    size_t begin = journal->noted.length;
    memset(room, ' ', sizeof room);
    buffer_append(&journal->noted, room, sizeof room);
    return begin;
}

static void end_line(struct journal *journal, size_t begin) {
    size_t text = begin + JOURNAL_SUM_LENGTH;
    journal_sum(journal->noted.data + begin, &journal->sum, journal->noted.data + text,
                journal->noted.length - text);
    buffer_puts(&journal->noted, "\n");
}

/* The journal's number of a node; a new one is noted. -1, with a message, when there are too many.
 */
static int number_of(struct journal *journal, const char *url) {
    for (int i = 0; i < journal->node_count; i++) {
        if (strcmp(journal->nodes[i], url) == 0)
            return i;
    }
    if (journal->node_count == JOURNAL_NODES_MAX) {
        say("this job knows %d nodes, which is the most: give --job another name",
            JOURNAL_NODES_MAX);
        return -1;
    }
    journal->nodes[journal->node_count] = memory_or_end(strdup(url), "a journal");
    size_t begin = begin_line(journal);
    buffer_printf(&journal->noted, "n %d %s", journal->node_count, url);
    end_line(journal, begin);
    return journal->node_count++;
}

/* Notes "SIGN KEY". */
static void note_key(struct journal *journal, char sign, const uint8_t key[ITEM_KEY_BYTES]) {
    char text[2 * ITEM_KEY_BYTES];
    hex_encode(text, key, ITEM_KEY_BYTES);
    buffer_printf(&journal->noted, "%c %.*s", sign, (int)sizeof text, text);
}

bool journal_send(struct journal *journal, int item, const char *url, const char *path) {
    int node = number_of(journal, url);
    if (node < 0)
        return false;
    journal->items[item].node = (uint8_t)(node + 1);
    journal->items[item].refused = false;
    size_t begin = begin_line(journal);
    note_key(journal, '>', journal->items[item].key);
    buffer_printf(&journal->noted, " %d ", node);
    put_name(&journal->noted, path);
    end_line(journal, begin);
    return true;
}

void journal_place(struct journal *journal, int item, const uint8_t id[ITEM_ID_BYTES]) {
    char text[ITEM_ID_SIZE];
    memcpy(journal->items[item].id, id, ITEM_ID_BYTES);
    journal->items[item].placed = true;
    item_id_write(text, id);
    size_t begin = begin_line(journal);
    note_key(journal, '<', journal->items[item].key);
    buffer_printf(&journal->noted, " %s", text);
    end_line(journal, begin);
}

void journal_withdraw(struct journal *journal, int item, bool refused) {
    journal->items[item].node = 0;
    journal->items[item].refused = refused;
    size_t begin = begin_line(journal);
    note_key(journal, refused ? 'x' : '-', journal->items[item].key);
    end_line(journal, begin);
}

bool journal_write(struct journal *journal, bool sync) {
    if (journal->broken)
        return false;
    bool good = write_all(journal->fd, journal->noted.data, journal->noted.length);
    buffer_clear(&journal->noted);
    if (good && sync)
        good = fdatasync(journal->fd) == 0;
    journal->broken = !good;
    if (!good)
        say("cannot write the journal %s: %m; make room and run this again", journal->path);
    return good;
}
