#ifndef HASHMILL_FILES_H
#define HASHMILL_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "conf.h"

/*
 * The files of a database, looked at from outside SQLite: whether this process may use them, and
 * whether those that it has opened are still the ones that everybody else finds by their names. By
 * stat alone: a process that opens and closes a database's file beside SQLite loses SQLite's locks.
 */
enum { FILE_DATABASE, FILE_WAL, FILE_SHM, FILE_LOCK, FILE_COUNT };

/* A file as it was seen last. */
struct file_seen {
    dev_t device;
    ino_t inode; /* 0: it was not there */
    int64_t bytes;
    struct timespec written;
};

/* A directory of theirs: its time changes with each name in it that comes, goes or changes. */
struct directory_seen {
    char path[SETTING_TEXT_SIZE + 8];
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

enum { FILES_DIRECTORIES = 2 }; /* of DATABASE's name and, behind a symbolic link, of its file */

struct files {
    char path[FILE_COUNT][SETTING_TEXT_SIZE + 8];
    struct file_seen seen[FILE_COUNT];
    struct directory_seen directory[FILES_DIRECTORIES];
    int64_t looked_ms; /* steady time at which each was last looked at; 0: never */
};

/* Gives the files of this database their paths; none was seen yet. */
void files_name(struct files *files, const char *database);

/* Whether this process may read and write them and make those that are missing. If not, the log
 * says which, whose it is, and what to do. Opens and closes them, so only before SQLite has them
 * open. */
bool files_usable(const struct files *files);

/* Says in the log what errno means for this file, with its owner and what to do. */
void files_explain(const char *path);

/* The first of the files that is not the one that was seen first, or NULL: removed, replaced,
 * hidden under another directory or filesystem. What was never there is seen now. Sizes and times
 * are left as they were. As long as the directories are as they were, each file is looked at ten
 * times a second only: what hides one without a trace there (a mount over it) is noticed then. */
const char *files_moved(struct files *files);

/* Takes the size and the time of the last write of a file as they are now. */
void files_note(struct files *files, int file);

/* Whether somebody has written to a file, or cut it, since files_note. */
bool files_written(const struct files *files, int file);

/* Takes the lock file of a database, for which it waits some seconds. Its descriptor, which keeps
 * it; -1, after saying why in the log, when another process has it. */
int files_lock(const char *database);

/* Gives a file that root has just made to the owner of its directory: the server runs as that. */
void files_give(int fd, const char *path);

/* Whether SQLite's WAL works where the lock file is: it needs memory shared by all processes, which
 * no network filesystem has. If not, the log says so. */
bool files_good_filesystem(const char *database);

/* Makes the name of this file survive a power cut. False, which is said in the log, when that
 * fails. */
bool files_sync_directory(const char *path);

#endif
