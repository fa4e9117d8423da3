#ifndef HASHMILL_READER_PARTS_H
#define HASHMILL_READER_PARTS_H

/* Shared by the files of the reader: reader.c, clients.c, fleet.c, history.c, lists.c, load.c,
 * peers.c, progress.c, reader_engine.c. A function of the engine, which is called from outside, has
 * the prefix sqlite_reader_; the others have reader_. */

#include <sqlite3.h>
#include <sys/types.h>

#include "base/conf.h"
#include "base/files.h"
#include "queue/pull_tag.h"
#include "reader_engine.h"
#include "sql.h"

struct sqlite_reader {
    struct reader base;
    const struct conf *conf;
    char path[SETTING_TEXT_SIZE + 16];
    struct files files;                  /* as they were at the opening */
    bool told_rights;                    /* the log says that this process may not read them */
    sqlite3 *database;                   /* NULL while it is not open */
    sqlite3_stmt *statements[SQL_COUNT]; /* prepared when first used */
    struct queue_load *load;             /* as read last; NULL: never */
    int64_t load_until_ms;               /* steady time until which most of it is good enough */
    pid_t owner; /* the process that opened it; a connection must never cross a fork */
};

/* The struct of a reader that was made here. */
static inline struct sqlite_reader *sqlite_reader_of(const struct reader *base) {
    return (struct sqlite_reader *)base;
}

/* A statement, which the caller resets before the request ends; NULL (DOWN) when the file cannot be
 * read now. */
sqlite3_stmt *reader_statement(struct sqlite_reader *reader, enum sql sql);

/* Closes the file after a step that gave this unexpected code, and logs damage. DOWN; FAULT: the
 * file is damaged. */
enum queue_result reader_failed(struct sqlite_reader *reader, int code);

/* Reads the counts and the queue clock of this moment. OK, DOWN, FAULT. */
enum queue_result reader_counts(struct sqlite_reader *reader, struct queue_load *load);

/* The median of the last boot times; -1 without one. *code gets SQLite's code. */
int64_t reader_boot_ms(struct sqlite_reader *reader, int *code);

/* Reads the wall time of the last batch. OK, DOWN, FAULT. */
enum queue_result reader_wall(struct sqlite_reader *reader, int64_t *wall_ms);

/* Whether a new copy has taken the place of the file since it was opened: two reads may be of
 * different ones then. Closes the file if so. */
bool reader_moved(struct sqlite_reader *reader);

#endif
