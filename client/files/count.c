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

/* Counts the files below a directory, whose descriptor is closed. */
static void add_below(struct counter *counter, int fd, int depth) {
    DIR *directory = fd >= 0 && depth < DEPTH_MAX ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    if (!directory && fd >= 0)
        close(fd);
    while (directory && !stop_asked() && (entry = readdir(directory))) {
        const char *name = entry->d_name;
        int type = type_of(fd, entry);
        if (type == DT_REG)
            add_file(counter);
        else if (type == DT_DIR && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            add_below(counter, openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                      depth + 1);
    }
    if (directory)
        closedir(directory);
}

/* Counts what a name stands for. */
static void add_name(struct counter *counter, const char *name) {
    struct stat file;
    if (counter->recursive && stat(name, &file) == 0 && S_ISDIR(file.st_mode))
        add_below(counter, open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
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
