#ifndef HASHMILL_FILES_H
#define HASHMILL_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "conf.h"

/*
 * The files of a database, seen from outside SQLite: whether this process may use them, and whether
 * those that it has open are still the ones under their names. Uses stat only: a process that opens
 * and closes a database file beside SQLite loses SQLite's locks.
 */
enum { FILE_DATABASE, FILE_WAL, FILE_SHM, FILE_LOCK, FILE_COUNT };

/* A file as first seen; bytes and written as last noted. */
struct file_seen {
    dev_t device;
    ino_t inode; /* 0: not seen yet */
    int64_t bytes;
    struct timespec written;
};

/* A directory of these files. Its ctime changes with each name in it that comes, goes or changes.
 */
struct directory_seen {
    char path[SETTING_TEXT_SIZE + 8];
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

enum { FILES_DIRECTORIES = 2 }; /* of DATABASE's name and of the file that it links to */

struct files {
    char path[FILE_COUNT][SETTING_TEXT_SIZE + 8];
    struct file_seen seen[FILE_COUNT];
    struct directory_seen directory[FILES_DIRECTORIES];
    int64_t looked_ms; /* CLOCK_MONOTONIC: each file was last looked at; 0: never */
};

/* Sets the paths of a database's files; none was seen yet. */
void files_name(struct files *files, const char *database);

/* Whether this process may read and write the files, and make the missing ones. If not, logs which
 * one, its owner and what to do. Refuses a WAL without a database, too. Opens and closes the files,
 * so only before SQLite has them open. */
bool files_usable(const struct files *files);

/* Logs what errno means for this file, with its owner and what to do. */
void files_explain(const char *path);

/* The first file that is no longer the one first seen, or NULL: removed, replaced, or hidden under
 * another directory or filesystem. Notes a file that is new as first seen. Leaves sizes and times
 * unchanged. While the directories do not change, each file is looked at only ten times a second,
 * for what hides a file without a trace in its directory (a mount over it). */
const char *files_moved(struct files *files);

/* Notes the present size and time of last write of a file. */
void files_note(struct files *files, int file);

/* Whether a file was written or cut since files_note. */
bool files_written(const struct files *files, int file);

/* Takes the lock of a database; waits some seconds for another process that has it. Returns the
 * descriptor that keeps the lock; -1 after logging why. */
int files_lock(const char *database);

/* Whether this process is root and a directory or link on the way to the file another user's, who
 * could have root write through a link to anywhere. The log then says what to do. */
bool files_not_for_root(const char *database);

/* While root follows a path into a directory that is another user's, it has that user's rights
 * only: takes them on, and its own again. Nothing happens to other users. False after logging why.
 */
bool files_act_as_owner(const char *directory);
bool files_act_as_self(void);

/* Gives a file that root has just made to the owner of its directory: the server runs as that user.
 */
void files_give(int fd, const char *path);

/* Whether SQLite's WAL works where the lock file is: it needs memory shared by all processes, which
 * network filesystems lack. If not, the log says so. */
bool files_good_filesystem(const char *database);

/* Makes the name of this file survive a power cut. False, logged, when the sync fails. */
bool files_sync_directory(const char *path);

#endif
