/*
 * The machines that this node launches, and loans: rights to run one machine more, while the lender
 * runs one fewer. The borrower counts a loan's time from when it sent the hello, the lender from
 * when it answers, so the loan expires at the borrower first. Only this file limits the number of
 * machines: giving a loan and launching a machine are operations of the one writer, and each sees
 * the other.
 */

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "random.h"
#include "store_sql.h"

struct loan {
    struct uuid id;
    int32_t node;
    int32_t side;  /* enum loan_side */
    int32_t state; /* enum loan_state */
    int64_t deadline_ms;
};

/* The counts by which machines are limited. */
struct loan_counts {
    int64_t machines; /* that are not gone */
    int64_t given;    /* loans to the peer that have not expired */
    int64_t held;     /* loans from the peer that have not expired */
    int64_t loans;    /* all, given and taken, in any state */
};

static bool count_loans(struct sqlite_store *store, struct loan_counts *counts) {
    sqlite3_stmt *statement = store_bind(store, SQL_LOAN_COUNTS, "ii", store_now_ms(store),
                                         (int64_t)(store->peer.heard_ms >= 0));
    if (!statement)
        return false;
    bool good = store_step(store, statement) == SQLITE_ROW;
    if (good)
        *counts = (struct loan_counts){.machines = sqlite3_column_int64(statement, 0),
                                       .given = sqlite3_column_int64(statement, 1),
                                       .held = sqlite3_column_int64(statement, 2),
                                       .loans = sqlite3_column_int64(statement, 3)};
    store_end(statement);
    return good;
}

/* Finds a loan. OK, NONE, FAULT. */
static enum queue_result find_loan(struct sqlite_store *store, const struct uuid *id,
                                   struct loan *loan) {
    sqlite3_stmt *statement = store_bind(store, SQL_LOAN_FIND, "u", id->bytes);
    if (!statement)
        return QUEUE_FAULT;
    int code = store_step(store, statement);
    if (code == SQLITE_ROW)
        *loan = (struct loan){.id = *id,
                              .node = sqlite3_column_int(statement, 0),
                              .side = sqlite3_column_int(statement, 1),
                              .state = sqlite3_column_int(statement, 2),
                              .deadline_ms = sqlite3_column_int64(statement, 3)};
    store_end(statement);
    return code == SQLITE_ROW ? QUEUE_OK : code == SQLITE_DONE ? QUEUE_NONE : QUEUE_FAULT;
}

static bool save_loan(struct sqlite_store *store, const struct loan *loan) {
    return store_run(store, SQL_LOAN_SAVE, "uiiii", loan->id.bytes, (int64_t)loan->node,
                     (int64_t)loan->side, (int64_t)loan->state, loan->deadline_ms);
}

static bool delete_loan(struct sqlite_store *store, const struct uuid *id) {
    return store_run(store, SQL_LOAN_DELETE, "u", id->bytes);
}

enum queue_result store_may_launch(struct sqlite_store *store, const char *name) {
    int64_t known = store_number(store, store_bind(store, SQL_MACHINE_KNOWN, "t", name), -1);
    struct loan_counts counts;
    if (known > 0)
        return QUEUE_OK;
    if (known < 0 || !count_loans(store, &counts))
        return QUEUE_FAULT;
    if (store_is_paused(store, PART_SCALING)) /* since the scaler looked */
        return QUEUE_CONFLICT;
    int64_t most = store->conf->workers_max - counts.given + counts.held;
    return counts.machines < most ? QUEUE_OK : QUEUE_CONFLICT;
}

/* --- The lender's side --- */

/* Logs and saves as a decision how many machines this node may have now. */
static bool tell(struct sqlite_store *store, const char *what, int32_t node) {
    struct loan_counts counts;
    char why[QUEUE_WHY_SIZE];
    if (!count_loans(store, &counts))
        return false;
    snprintf(why, sizeof why, "%s node %d: there may be %lld here now", what, (int)node,
             (long long)(store->conf->workers_max - counts.given));
    log_info("%s", why);
    return store_save_decision(store, why);
}

/* Whether this node can lend a machine: it has fewer than it may, and no item waits too long. */
static bool can_spare(struct sqlite_store *store) {
    const struct conf *conf = store->conf;
    struct loan_counts counts;
    struct queue_tally tally;
    if (!count_loans(store, &counts) ||
        sqlite_tally(&store->base, &queue_everybodys, &tally) != QUEUE_OK)
        return false;
    int64_t own = counts.machines > conf->workers_min ? counts.machines : conf->workers_min;
    return counts.loans < QUEUE_LOANS_MAX && own + counts.given < conf->workers_max &&
           tally.oldest_wait_ms <= conf->wait_launch_seconds * 1000;
}

/* Whether this database was taken from a copy less than LOAN_SECONDS ago: the copy may lack a loan
 * that is still valid. */
static bool is_just_restored(struct sqlite_store *store) {
    int64_t restored = store->restored_ms;
    return restored >= 0 && store_now_ms(store) - restored < store->conf->loan_seconds * 1000;
}

/* Whether a hello names a loan. */
static bool names(const struct queue_hello *hello, const struct uuid *id) {
    for (int i = 0; i < hello->count; i++) {
        if (memcmp(hello->loans[i].bytes, id->bytes, ID_SIZE) == 0)
            return true;
    }
    return false;
}

/* Whether any loan is given to a peer. */
static bool has_given(struct sqlite_store *store, int32_t node) {
    sqlite3_stmt *statement = store_bind(store, SQL_LOANS_GIVEN, "i", (int64_t)node);
    bool found = statement && store_step(store, statement) != SQLITE_DONE;
    if (statement)
        store_end(statement);
    return found;
}

/* Ends the given loans that a hello does not name. */
static bool take_back(struct sqlite_store *store, const struct queue_hello *hello) {
    struct uuid given[QUEUE_LOANS_MAX];
    int count = 0;
    sqlite3_stmt *statement = store_bind(store, SQL_LOANS_GIVEN, "i", (int64_t)hello->node);
    if (!statement)
        return false;
    int code;
    while ((code = store_step(store, statement)) == SQLITE_ROW && count < QUEUE_LOANS_MAX &&
           store_blob(store, statement, 0, given[count].bytes, ID_SIZE))
        count++;
    store_end(statement);
    bool good = code == SQLITE_DONE;
    for (int i = 0; good && i < count; i++) {
        if (!names(hello, &given[i]))
            good = delete_loan(store, &given[i]) &&
                   tell(store, "a machine was returned by", hello->node);
    }
    return good;
}

/* Gives a loan, or renews it. Sets *ttl_ms to its time from now on; 0: refused. */
static bool give(struct sqlite_store *store, int32_t node, const struct uuid *id, int64_t *ttl_ms) {
    int64_t ms = store->conf->loan_seconds * 1000;
    struct loan loan;
    *ttl_ms = 0;
    enum queue_result result = find_loan(store, id, &loan);
    bool known = result == QUEUE_OK;
    if (result == QUEUE_FAULT)
        return false;
    if (known && (loan.side != LOAN_GIVEN || loan.node != node || loan.state != LOAN_HELD))
        return true;
    if (!known && (is_just_restored(store) || !can_spare(store)))
        return store_state_of(store) == STORE_GOOD;
    loan = (struct loan){.id = *id,
                         .node = node,
                         .side = LOAN_GIVEN,
                         .state = LOAN_HELD,
                         .deadline_ms = store_now_ms(store) + ms};
    if (!save_loan(store, &loan) || (!known && !tell(store, "a machine is lent to", node)))
        return false;
    *ttl_ms = ms;
    return true;
}

/* A random number from 1 to 2^53: new, impossible to guess, and kept exact by any JSON reader. */
static int64_t new_nonce(void) {
    uint64_t number;
    random_fill(&number, sizeof number);
    return (int64_t)(number >> 11) + 1;
}

/* Only a hello that names the last nonce counts: an older one may still name loans that were
 * returned since, or not yet name those that were lent. */
enum queue_result sqlite_hello(struct store *base, const struct queue_hello *hello,
                               struct queue_hello_answer *answer) {
    struct sqlite_store *store = sqlite_of(base);
    enum queue_result met = store_meet(store, hello->node, &hello->identity);
    if (met != QUEUE_OK)
        return met;
    store_heard_from(store);
    store->peer.machine_count = hello->machine_count;
    memcpy(store->peer.machines, hello->machines, sizeof store->peer.machines);
    sqlite3_stmt *statement = store_bind(store, SQL_PEER_LOAD, "i", (int64_t)hello->node);
    int64_t nonce = store_number(store, statement, -1);
    bool counts = hello->nonce == nonce;
    *answer = (struct queue_hello_answer){.nonce = nonce};
    answer->counts = counts && hello->count == 0 && !has_given(store, hello->node);
    if (answer->counts || (!counts && nonce >= 0))
        return QUEUE_OK; /* no loans to change: nothing is saved */
    *answer = (struct queue_hello_answer){
        .counts = counts, .count = counts ? hello->count : 0, .nonce = new_nonce()};
    bool good = store_run(store, SQL_PEER_NONCE_SAVE, "ii", (int64_t)hello->node, answer->nonce) &&
                store_run(store, SQL_LOAN_EXPIRE, "i", store_now_ms(store)) &&
                (!counts || take_back(store, hello));
    for (int i = 0; good && i < answer->count; i++)
        good = give(store, hello->node, &hello->loans[i], &answer->ttl_ms[i]);
    return good ? QUEUE_OK : QUEUE_FAULT;
}

/* --- The borrower's side --- */

/* Takes the lender's answer about one loan: valid for ttl_ms from sent_ms on, 0: not any more. A
 * recalled loan stays recalled, as an older answer may come late. A renewal in answer to a hello
 * from before this start does not count, as this node's clock has stood still in between. */
static bool take_answer(struct sqlite_store *store, int32_t node, const struct uuid *id,
                        int64_t sent_ms, int64_t ttl_ms) {
    struct loan loan;
    enum queue_result result = find_loan(store, id, &loan);
    if (result != QUEUE_OK)
        return result == QUEUE_NONE;
    if (loan.side != LOAN_TAKEN || loan.node != node || loan.state == LOAN_RECALLED)
        return true;
    if (ttl_ms <= 0 && loan.state == LOAN_WANTED)
        return delete_loan(store, id);
    if (ttl_ms > 0 && sent_ms <= store->opened_ms)
        return true;
    loan.state = ttl_ms > 0 ? LOAN_HELD : LOAN_RECALLED;
    if (ttl_ms > 0 && sent_ms + ttl_ms > loan.deadline_ms)
        loan.deadline_ms = sent_ms + ttl_ms;
    return save_loan(store, &loan);
}

enum queue_result sqlite_heard(struct store *base, const struct queue_heard *heard) {
    struct sqlite_store *store = sqlite_of(base);
    const struct queue_hello *sent = &heard->sent;
    bool good = true;
    store_heard_from(store);
    for (int i = 0; good && i < sent->count && i < heard->answer.count; i++)
        good = take_answer(store, sent->node, &sent->loans[i], heard->clock_ms,
                           heard->answer.ttl_ms[i]);
    return good ? QUEUE_OK : QUEUE_FAULT;
}

/* --- Both --- */

/* Saves a new loan as wanted. */
static bool want(struct sqlite_store *store, const struct queue_loan_step *step) {
    struct loan loan = {
        .id = step->id, .node = step->node, .side = LOAN_TAKEN, .state = LOAN_WANTED};
    struct loan_counts counts;
    if (!count_loans(store, &counts))
        return false;
    if (counts.loans < QUEUE_LOANS_MAX)
        return save_loan(store, &loan);
    log_warn("%d loans are as many as there may be", QUEUE_LOANS_MAX);
    return false;
}

enum queue_result sqlite_loan(struct store *base, const struct queue_loan_step *step) {
    struct sqlite_store *store = sqlite_of(base);
    struct loan loan;
    bool good = true;
    enum queue_result result = find_loan(store, &step->id, &loan);
    if (result == QUEUE_FAULT)
        return QUEUE_FAULT;
    if (step->step == LOAN_WANT) {
        good = result == QUEUE_OK || want(store, step);
    } else if (result == QUEUE_OK && step->step == LOAN_RETURN && loan.side == LOAN_TAKEN) {
        good = delete_loan(store, &step->id);
    } else if (result == QUEUE_OK && step->step == LOAN_RECALL && loan.side == LOAN_GIVEN) {
        loan.state = LOAN_RECALLED;
        good = loan.deadline_ms <= store_now_ms(store) ? delete_loan(store, &step->id)
                                                       : save_loan(store, &loan);
    }
    return good ? QUEUE_OK : QUEUE_FAULT;
}

/* --- The machines of this node --- */

static bool save_machine(struct sqlite_store *store, const struct queue_machine_update *update) {
    return store_run(store, SQL_MACHINE_UPDATE, "ttiiii", update->name, update->id,
                     (int64_t)update->state, store_now_ms(store), store->wall_ms,
                     update->launched_ago_ms) &&
           (update->state != MACHINE_GONE || store_run(store, SQL_MACHINE_PRUNE, ""));
}

enum queue_result sqlite_update_machine(struct store *base,
                                        const struct queue_machine_update *update) {
    struct sqlite_store *store = sqlite_of(base);
    if (update->name[0] != '\0' && update->state == MACHINE_LAUNCHING) {
        enum queue_result result = store_may_launch(store, update->name);
        if (result != QUEUE_OK)
            return result;
    }
    bool good = (update->name[0] == '\0' || save_machine(store, update)) &&
                (update->why[0] == '\0' || store_save_decision(store, update->why));
    return good ? QUEUE_OK : QUEUE_FAULT;
}
