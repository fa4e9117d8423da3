#include "files/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/say.h"
#include "base/stop.h"
#include "memory.h"

enum { DEPTH_MAX = 64 };

/* A directory that is walked through: its names, sorted. */
struct level {
    struct dirent **entries;
    int count, next;
    size_t name_length; /* of walk.name, for the directory itself */
};

struct walk {
    const struct command *command;
    int argument;       /* the next one */
    FILE *list;         /* of --from-file, or NULL */
    bool has_nul;       /* its present line has one */
    const char *broken; /* why the list cannot be read on; NULL: it can */
    bool broken_said;
    char *line;
    size_t line_size;
    struct buffer name; /* the present one */
    struct level levels[DEPTH_MAX];
    int depth;
};

struct walk *walk_open(const struct command *command) {
    struct walk *walk = memory_or_end(calloc(1, sizeof *walk), "the files");
    const char *list = command->from_file;
    walk->command = command;
    if (list)
        walk->list = strcmp(list, "-") == 0 ? stdin : fopen(list, "re");
    if (!list || walk->list)
        return walk;
    if (!stop_asked())
        say("cannot open the list %s: %m", list);
    free(walk);
    return NULL;
}

/* Leaves the innermost directory. */
static void leave(struct walk *walk) {
    struct level *level = &walk->levels[--walk->depth];
    while (level->next < level->count)
        free(level->entries[level->next++]);
    free(level->entries);
}

void walk_close(struct walk *walk) {
    while (walk->depth > 0)
        leave(walk);
    if (walk->list && walk->list != stdin)
        fclose(walk->list);
    free(walk->line);
    buffer_free(&walk->name);
    free(walk);
}

static void set_name(struct walk *walk, const char *name) {
    buffer_clear(&walk->name);
    buffer_append(&walk->name, name, strlen(name) + 1);
}

/* By bytes, whatever the locale says, so that the order is the same everywhere. */
static int by_name(const struct dirent **left, const struct dirent **right) {
    return strcmp((*left)->d_name, (*right)->d_name);
}

static int is_inside(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Enters the directory of the present name. */
static bool enter(struct walk *walk) {
    struct level *level = &walk->levels[walk->depth];
    if (walk->depth == DEPTH_MAX) {
        say("%s: more than %d directories deep", walk->name.data, DEPTH_MAX);
        return false;
    }
    level->next = 0;
    level->name_length = walk->name.length - 1;
    while (level->name_length > 1 && walk->name.data[level->name_length - 1] == '/')
        level->name_length--;
    level->count = scandir(walk->name.data, &level->entries, is_inside, by_name);
    if (level->count < 0) {
        say("%s: %m", walk->name.data);
        return false;
    }
    walk->depth++;
    return true;
}

/* The next line of the list, or what ends with a NUL. False at its end. */
static bool next_line(struct walk *walk) {
    if (walk->broken || feof(walk->list))
        return false;
    int end = walk->command->null_ends ? '\0' : '\n';
    ssize_t length;
    while ((length = getdelim(&walk->line, &walk->line_size, end, walk->list)) >= 0) {
        if (length > 0 && walk->line[length - 1] == end)
            walk->line[--length] = '\0';
        if (length == 0)
            continue;
        walk->has_nul = strlen(walk->line) != (size_t)length;
        set_name(walk, walk->line);
        return true;
    }
    if (ferror(walk->list))
        walk->broken = strerror(errno);
    return false;
}

/* Sets the next name that the user has given. False when there is none. */
static bool next_given(struct walk *walk) {
    if (walk->argument < walk->command->count) {
        set_name(walk, walk->command->arguments[walk->argument++]);
        return true;
    }
    return walk->list && next_line(walk);
}

/* Sets the next name inside the innermost directory; leaves that at its end. */
static bool next_inside(struct walk *walk) {
    struct level *level = &walk->levels[walk->depth - 1];
    if (level->next == level->count) {
        leave(walk);
        return false;
    }
    struct dirent *entry = level->entries[level->next++];
    walk->name.length = level->name_length;
    if (level->name_length > 1 || walk->name.data[0] != '/')
        buffer_puts(&walk->name, "/");
    buffer_append(&walk->name, entry->d_name, strlen(entry->d_name) + 1);
    free(entry);
    return true;
}

/* Says what errno means for a file, unless it only means that the user wants to stop. */
static void say_unless_stopped(const char *name) {
    if (!stop_asked())
        say("%s: %m", name);
}

/* Reads the open file into the body, whose size is checked. */
static bool read_body(const char *name, int fd, struct buffer *body) {
    buffer_clear(body);
    buffer_reserve(body, BODY_BYTES_MAX + 1);
    while (body->length <= BODY_BYTES_MAX) {
        ssize_t got = read(fd, body->data + body->length, BODY_BYTES_MAX + 1 - body->length);
        if (got < 0 && errno == EINTR && !stop_asked())
            continue;
        if (got < 0) {
            say_unless_stopped(name);
            return false;
        }
        if (got == 0)
            break;
        body->length += (size_t)got;
    }
    if (body->length == 0)
        say("%s: is empty; a body has 1 to %d bytes", name, BODY_BYTES_MAX);
    else if (body->length > BODY_BYTES_MAX)
        say("%s: has more than %d bytes, the most that a body may have", name, BODY_BYTES_MAX);
    return body->length > 0 && body->length <= BODY_BYTES_MAX;
}

/* Deals with the present name. Inside a directory what is neither file nor directory is skipped,
 * and *skipped set. */
static enum walk_step take(struct walk *walk, bool inside, bool *skipped, struct buffer *body) {
    const char *name = walk->name.data;
    struct stat file;
    if (!inside && strcmp(name, "-") == 0)
        return read_body(name, STDIN_FILENO, body) ? WALK_FILE : WALK_BAD;
    if ((inside ? lstat(name, &file) : stat(name, &file)) != 0) {
        say("%s: %m", name);
        return WALK_BAD;
    }
    *skipped = S_ISDIR(file.st_mode) ? walk->command->recursive : inside && !S_ISREG(file.st_mode);
    if (S_ISDIR(file.st_mode) && walk->command->recursive)
        return enter(walk) ? WALK_FILE : WALK_BAD;
    if (S_ISDIR(file.st_mode)) {
        say("%s: is a directory; -r takes the files below it", name);
        return WALK_BAD;
    }
    if (*skipped)
        return WALK_FILE;
    int fd = open(name, O_RDONLY | O_CLOEXEC | (inside ? O_NOFOLLOW : 0));
    if (fd < 0) {
        say_unless_stopped(name);
        return WALK_BAD;
    }
    bool good = read_body(name, fd, body);
    close(fd);
    return good ? WALK_FILE : WALK_BAD;
}

enum walk_step walk_next(struct walk *walk, const char **name, struct buffer *body) {
    while (!stop_asked()) {
        bool inside = walk->depth > 0;
        bool skipped = false;
        if (inside && !next_inside(walk))
            continue;
        if (!inside && !next_given(walk))
            break;
        if (walk->has_nul) {
            walk->has_nul = false;
            say("the list %s has a NUL: names that end with one need -0", walk->command->from_file);
            return WALK_BAD;
        }
        enum walk_step step = take(walk, inside, &skipped, body);
        *name = walk->name.data;
        if (step == WALK_BAD || !skipped)
            return step;
    }
    if (!walk->broken || walk->broken_said || stop_asked())
        return WALK_END;
    say("cannot read the list %s to its end: %s", walk->command->from_file, walk->broken);
    walk->broken_said = true;
    return WALK_BAD;
}

void walk_absolute(struct buffer *path, const char *name) {
    size_t begin = path->length;
    char *directory = NULL;
    if (strcmp(name, "-") == 0) {
        buffer_append(path, "-", 2);
        return;
    }
    if (name[0] != '/') {
        directory = getcwd(NULL, 0);
        buffer_puts(path, directory ? directory : "");
        if (path->length == begin + 1)
            path->length = begin; /* the root */
    }
    free(directory);
    while (*name != '\0') {
        size_t length = strcspn(name, "/");
        if (length > 0 && !(length == 1 && name[0] == '.')) {
            buffer_puts(path, "/");
            buffer_append(path, name, length);
        }
        name += length + (name[length] == '/');
    }
    buffer_append(path, "", 1);
}
