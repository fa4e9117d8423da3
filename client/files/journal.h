#ifndef HASHMILL_CLIENT_JOURNAL_H
#define HASHMILL_CLIENT_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/item_id.h"
#include "files/item_key.h"

/*
 * What a job has put: $XDG_STATE_HOME/hashmill/JOB, or the same below ~/.local/state. An item is
 * written and synced before it is sent, and its id when that is known; so whoever goes on knows
 * where each item may be. A file of lines:
 *
 *     hashmill journal 2
 *     SUM n NUMBER URL         a node
 *     SUM > KEY NUMBER PATH    an item is sent to that node; the last such line of a key counts
 *     SUM < KEY ID             its id
 *     SUM - KEY                that node does not have it
 *     SUM x KEY                nor will it: it was refused for good
 *
 * SUM is the FNV-1a of all that is right of the sums so far, newlines left out, as 8 hex digits: a
 * line that was changed, moved or left out is noticed. A last line without an end was cut by a
 * crash and does not count.
 */

struct journal;

enum { JOURNAL_NONE = -1, JOB_LENGTH_MAX = 64, JOURNAL_URL_SIZE = 1024 };

/* Whether a text can be the name of a job: letters, digits, ".", "_" and "-", at most
 * JOB_LENGTH_MAX of them, the first no ".". */
bool job_is_named(const char *job);

/* Opens the journal of a job and reads it. With `change` it is made if there is none, and locked.
 * With `names` the paths are kept in memory. NULL with a message, and the exit code in *code. */
struct journal *journal_open(const char *job, bool change, bool names, int *code);
void journal_close(struct journal *journal);

/* The number of items; they are counted from 0 in the order in which they were first sent. */
int journal_count(const struct journal *journal);

/* The item of a key, or JOURNAL_NONE. */
int journal_find(const struct journal *journal, const uint8_t key[ITEM_KEY_BYTES]);

/* Its id, or NULL as long as that is unknown; its path, "" unless paths are kept; the URL of the
 * node to which it was sent last, NULL if none can have it. They live until the next change. */
const uint8_t *journal_id(const struct journal *journal, int item);
const char *journal_path(const struct journal *journal, int item);
const char *journal_node(const struct journal *journal, int item);

/* The item of a key, which is made, in memory only, if the key is new. JOURNAL_NONE, with a
 * message, when there are too many. */
int journal_enter(struct journal *journal, const uint8_t key[ITEM_KEY_BYTES], const char *path);

/* Notes that an item is about to be sent to a node. Written by journal_write. False, with a
 * message, when there are too many nodes. */
bool journal_send(struct journal *journal, int item, const char *url, const char *path);

/* Notes an item's id. Written by journal_write. */
void journal_place(struct journal *journal, int item, const uint8_t id[ITEM_ID_BYTES]);

/* Notes that the node to which an item was sent does not have it: any may be asked for it. Refused:
 * it is no item of the job unless it is sent again. Written by journal_write. */
void journal_withdraw(struct journal *journal, int item, bool refused);
bool journal_is_refused(const struct journal *journal, int item);

/* Writes what is noted; with `sync` it is on the disk. False with a message, and then always. */
bool journal_write(struct journal *journal, bool sync);

#endif
