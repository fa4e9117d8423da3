#ifndef HASHMILL_ENGINE_H
#define HASHMILL_ENGINE_H

/*
 * An engine: all that is below store.h and reader.h, for one kind of database. Each function here
 * is that of the same name there, and keeps what is said there. Only store.c and reader.c call it.
 */

#include "queue/reader.h"
#include "store.h"

struct store_engine {
    const char *name;
    const char *(*version)(void); /* of the library alone: "3.40.1" */

    /* It sets the engine of what it gives. */
    struct store *(*open)(const struct conf *conf, int *exit_code);
    bool (*close)(struct store *store);
    enum store_state (*state)(const struct store *store);

    bool (*begin)(struct store *store);
    bool (*commit)(struct store *store);
    void (*rollback)(struct store *store);
    int64_t (*last_batch)(const struct store *store);

    /* Operations of clients. */
    enum queue_result (*enqueue)(struct store *store, const struct queue_enqueue *item,
                                 struct uuid *id);
    int32_t (*retry_seconds)(const struct store *store);
    void (*left)(struct store *store, const char *name, const struct queue_quota *quota,
                 struct queue_left *left);
    enum queue_result (*pull)(struct store *store, const struct queue_pull *pull,
                              struct queue_batch *batch);
    enum queue_result (*look)(struct store *store, struct uuid id, const struct queue_whose *whose,
                              struct queue_item *item);
    enum queue_result (*cancel)(struct store *store, const struct queue_cancel *cancel);
    enum queue_result (*cancel_many)(struct store *store, const struct queue_cancel_many *cancel,
                                     struct queue_cancelled *cancelled);
    enum queue_result (*tally)(struct store *store, const struct queue_whose *whose,
                               struct queue_tally *tally);
    enum queue_result (*has_done)(struct store *store, const char *client);
    const char *(*newly_done)(const struct store *store, int *next, int64_t *items);

    /* Operations of workers, the scaler and operators. */
    enum queue_result (*lease)(struct store *store, const struct queue_lease *request,
                               struct queue_grant *grant);
    enum queue_result (*return_lease)(struct store *store, struct queue_return grant);
    enum queue_result (*report)(struct store *store, const struct queue_report *report,
                                struct queue_verdict *verdict);
    enum queue_result (*retire)(struct store *store, const struct queue_worker *worker);
    enum queue_result (*quarantine)(struct store *store, const struct queue_quarantine *quarantine);
    enum queue_result (*pause)(struct store *store, const struct queue_pause *pause,
                               int64_t *paused);
    enum queue_result (*update_machine)(struct store *store,
                                        const struct queue_machine_update *update);
    int64_t (*leasable)(const struct store *store);

    /* What a batch does besides, and when it is due. */
    void (*lapse)(struct store *store);
    int64_t (*next_lapse)(const struct store *store);
    void (*remove_old)(struct store *store);
    int64_t (*next_removal)(const struct store *store);
    void (*keep_history)(struct store *store);
    int64_t (*next_history)(const struct store *store);
    void (*end_history)(struct store *store);

    /* Each of those below may be NULL. An operation is answered FAULT then, nothing is ever due,
     * and clients are answered at once. */

    /* Of an engine that does not write to its files by itself. */
    bool (*checkpoint)(struct store *store);
    int64_t (*checkpoint_due_ms)(const struct store *store);

    /* Online backup. */
    enum queue_result (*backup_begin)(struct store *store);
    enum queue_result (*backup_copy)(struct store *store);
    bool (*backup_take)(struct store *store, struct pages *pages);
    void (*backup_end)(struct store *store);
    enum queue_result (*note_backup)(struct store *store);

    /* Two nodes: pulls over both, loans, the replica. */
    enum queue_result (*close_pull)(struct store *store, const struct queue_close *close);
    void (*give_up_pulls)(struct store *store);
    int64_t (*next_given_up)(const struct store *store);
    enum queue_result (*reserve_items)(struct store *store, const struct queue_reserve *reserve,
                                       struct queue_batch *batch);
    enum queue_result (*settle)(struct store *store, const struct queue_settle *settle);
    enum queue_result (*hello)(struct store *store, const struct queue_hello *hello,
                               struct queue_hello_answer *answer);
    enum queue_result (*heard)(struct store *store, const struct queue_heard *heard);
    enum queue_result (*raise)(struct store *store, const struct queue_raise *raise);
    enum queue_result (*loan)(struct store *store, const struct queue_loan_step *step);
    enum queue_result (*acknowledge)(struct store *store,
                                     const struct queue_acknowledged *acknowledged);
    bool (*may_answer)(const struct store *store, int64_t batch);
    bool (*note_incomplete)(struct store *store);
    bool (*is_superseded)(const struct store *store);
};

/* The head of a store: the first member of the engine's own struct. */
struct store {
    const struct store_engine *engine;
};

/* What processes read by themselves, which goes round the store. */
struct reader_engine {
    /* It sets the engine of what it gives. */
    struct reader *(*new)(const struct conf *conf);
    void (*free)(struct reader *reader);

    enum queue_result (*look)(struct reader *reader, struct uuid id,
                              const struct queue_whose *whose, struct queue_item *item);
    enum queue_result (*pulled)(struct reader *reader, const struct queue_pull *pull);
    enum queue_result (*list)(struct reader *reader, const struct queue_list *list,
                              struct queue_page *page);
    enum queue_result (*fleet)(struct reader *reader, const struct queue_fleet_since *since,
                               struct queue_fleet *fleet);
    enum queue_result (*clients)(struct reader *reader, struct queue_clients *clients);
    enum queue_result (*history)(struct reader *reader, struct queue_history *history);
    const struct queue_load *(*load)(struct reader *reader);
    enum queue_result (*progress)(struct reader *reader, struct uuid id,
                                  const struct queue_whose *whose, struct queue_progress *progress);
    enum queue_result (*running)(struct reader *reader, const struct queue_whose *whose, int limit,
                                 struct queue_running *running);
    enum queue_result (*peers)(struct reader *reader, struct queue_peers *peers);

    /* Two nodes. Each may be NULL, and is answered FAULT then. */
    enum queue_result (*hash_items)(struct reader *reader, int64_t items,
                                    struct queue_range *range);
    enum queue_result (*pull_fate)(struct reader *reader, const uint8_t tag[PULL_TAG_SIZE],
                                   struct queue_fate *fate);
    enum queue_result (*met)(struct reader *reader, struct queue_identity *met);
    enum queue_result (*look_then)(struct reader *reader, struct uuid id,
                                   const struct queue_whose *whose, struct queue_item *item,
                                   int64_t *wall_ms);
    enum queue_result (*list_then)(struct reader *reader, const struct queue_list *list,
                                   struct queue_page *page);
};

/* The head of a reader: the first member of the engine's own struct. */
struct reader {
    const struct reader_engine *engine;
};

/* The engine that these settings ask for. */
const struct store_engine *store_engine_of(const struct conf *conf);
const struct reader_engine *reader_engine_of(const struct conf *conf);

#endif
