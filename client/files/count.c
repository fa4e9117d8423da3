#include "files/count.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/stop.h"

enum { DEPTH_MAX = 64, TELL_EVERY = 1000 };

struct counter {
    bool recursive;
    int64_t count;
    void (*counted)(void *context, int64_t count);
    void *context;
};

static void add_file(struct counter *counter) {
    if (++counter->count % TELL_EVERY == 0)
        counter->counted(counter->context, counter->count);
}

/* What an entry of a directory is: DT_DIR, DT_REG, or another. */
static int type_of(int directory, const struct dirent *entry) {
    struct stat file;
    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type;
    if (fstatat(directory, entry->d_name, &file, AT_SYMLINK_NOFOLLOW) != 0)
        return DT_UNKNOWN;
    if (S_ISDIR(file.st_mode))
        return DT_DIR;
    return S_ISREG(file.st_mode) ? DT_REG : DT_UNKNOWN;
}

/* Opens a directory inside the last one of `levels`; a first one as the user names it. */
static DIR *open_level(DIR *const *levels, int depth, const char *name) {
    int inside = depth > 0 ? dirfd(levels[depth - 1]) : AT_FDCWD;
    int fd =
        openat(inside, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (depth > 0 ? O_NOFOLLOW : 0));
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (!directory && fd >= 0)
        close(fd);
    return directory;
}

/* Counts the files below a directory. */
static void add_below(struct counter *counter, const char *name) {
    DIR *levels[DEPTH_MAX];
    int depth = 0;
    const char *enter = name;
    do {
        DIR *directory = enter && depth < DEPTH_MAX ? open_level(levels, depth, enter) : NULL;
        enter = NULL;
        if (directory)
            levels[depth++] = directory;
        const struct dirent *entry = depth > 0 && !stop_asked() ? readdir(levels[depth - 1]) : NULL;
        int type = entry ? type_of(dirfd(levels[depth - 1]), entry) : DT_UNKNOWN;
        if (!entry && depth > 0)
            closedir(levels[--depth]);
        else if (type == DT_REG)
            add_file(counter);
        else if (type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
                 strcmp(entry->d_name, "..") != 0)
            enter = entry->d_name;
    } while (depth > 0);
}

/* Counts what a name stands for. */
static void add_name(struct counter *counter, const char *name) {
    struct stat file;
    if (counter->recursive && stat(name, &file) == 0 && S_ISDIR(file.st_mode))
        add_below(counter, name);
    else
        add_file(counter);
}

/* Counts what a list names. False when it cannot be read twice. */
static bool add_list(struct counter *counter, const struct command *command) {
    struct stat file;
    char *line = NULL;
    size_t size = 0;
    int end = command->null_ends ? '\0' : '\n';
    ssize_t length;
    if (stat(command->from_file, &file) != 0 || !S_ISREG(file.st_mode))
        return false;
    FILE *list = fopen(command->from_file, "re");
    while (list && !stop_asked() && (length = getdelim(&line, &size, end, list)) >= 0) {
        if (length > 0 && line[length - 1] == end)
            line[--length] = '\0';
        if (length > 0)
            add_name(counter, line);
    }
    if (list)
        fclose(list);
    free(line);
    return list != NULL;
}

int64_t count_files(const struct command *command, void (*counted)(void *context, int64_t count),
                    void *context) {
    struct counter counter = {command->recursive, 0, counted, context};
    const char *list = command->from_file;
    if (list && (strcmp(list, "-") == 0 || !add_list(&counter, command)))
        return 0;
    for (int i = 0; i < command->count && !stop_asked(); i++)
        add_name(&counter, command->arguments[i]);
    return stop_asked() ? 0 : counter.count;
}
