/* Pipelines: statements sent together, read together, within a time limit.
 *
 * Neither side may wait for the other with its buffers full: whenever this side waits to send, it
 * also takes what comes. What ends a transaction is sent only when the server has taken all that is
 * before it, so that a failure up to there is certain to have changed nothing. */

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "pg_link.h"
#include "pg_sql.h"
#include "pg_wait.h"

enum {
    NAME_SIZE = 16,
    SENT_FIRST = 64,
    SMALL_BYTES = 8000 /* libpq sends by itself beyond 8 KiB */
};

/* How reading ended. */
enum reading { READ_ALL, READ_LATE, READ_BROKEN };

static void close_connection(struct pg_link *link) {
    PQfinish(link->conn);
    link->conn = NULL;
}

static bool in_transaction(const struct pg_link *link) {
    return PQtransactionStatus(link->conn) == PQTRANS_INTRANS;
}

/* Forgets the pipeline before. */
static void begin_pipeline(struct pg_link *link) {
    for (int i = 0; i < link->sent_count; i++)
        PQclear(link->sent[i].result);
    link->sent_count = link->result_count = link->answer_count = 0;
    link->bytes = 0;
    link->begins = link->over = link->warned = false;
    link->fault = (struct pg_fault){0};
    if (!link->conn)
        pg_fault_set(&link->fault, PG_DOWN, "the connection is closed");
}

/* Notes that libpq does not take a statement. */
static void note_unsent(struct pg_link *link) {
    pg_fault_set(&link->fault, PG_DOWN, "%s", PQerrorMessage(link->conn));
}

/* Makes a place for the result of what is sent next; false after a failure. */
static bool expect(struct pg_link *link, const char *name, int prepares) {
    if (link->sent_count == link->sent_size) {
        int size = link->sent_size > 0 ? 2 * link->sent_size : SENT_FIRST;
        struct pg_sent *sent = realloc(link->sent, (size_t)size * sizeof *sent);
        if (!sent) {
            pg_fault_set(&link->fault, PG_AGAIN, "memory is short");
            return false;
        }
        link->sent = sent;
        link->sent_size = size;
    }
    link->sent[link->sent_count++] = (struct pg_sent){.name = name, .prepares = prepares};
    return true;
}

/* Prepares a statement that is not prepared yet. False after a failure. */
static bool prepare(struct pg_link *link, int sql, const char *own) {
    if (sql < 0 || sql >= link->statements->count) {
        pg_fault_set(&link->fault, PG_BUG, "there is no statement %d", sql);
        return false;
    }
    struct pg_prepared *prepared = &link->prepared[sql];
    if (prepared->count >= 0)
        return true;
    const char *name = link->statements->name[sql];
    const char *text = link->statements->text[sql];
    int count = pg_types_read(link->statements->takes[sql], prepared->types);
    if (count < 0) {
        pg_fault_set(&link->fault, PG_BUG, "%s takes types that are not known", name);
        return false;
    }
    if (!expect(link, name, sql))
        return false;
    if (!PQsendPrepare(link->conn, own, text, count, prepared->types)) {
        note_unsent(link);
        return false;
    }
    prepared->count = count;
    link->bytes += strlen(text);
    return true;
}

/* Ends the adding of a statement. Returns the number of its answer; -1 after a failure. */
static int added(struct pg_link *link, const struct pg_params *params, int sent) {
    if (!sent) {
        note_unsent(link);
        return -1;
    }
    link->bytes += params->bytes.length + NAME_SIZE;
    link->answers[link->answer_count] = link->sent_count - 1;
    return link->answer_count++;
}

/* A statement to be sent. */
struct sending {
    const struct pg_params *params;
    const char *values[PG_PARAMETERS_MAX];
    int lengths[PG_PARAMETERS_MAX];
    int formats[PG_PARAMETERS_MAX];
};

/* Begins to send a statement, in a pipeline, with parameters or NULL for none. */
static void start(struct pg_link *link, struct sending *sending, const struct pg_params *params) {
    static const struct pg_params none;
    if (link->over)
        begin_pipeline(link);
    sending->params = params ? params : &none;
}

/* Whether a statement of these types may be sent: its parameters fit, and there is room for its
 * answer. */
static bool is_ready(struct pg_link *link, const char *name, struct sending *sending,
                     const Oid *types, int count) {
    if (link->answer_count == PG_ANSWERS_MAX)
        pg_fault_set(&link->fault, PG_BUG, "more than %d statements at once", PG_ANSWERS_MAX);
    else if (!pg_params_fit(sending->params, types, count))
        pg_fault_set(&link->fault, PG_BUG, "parameters of %s are not as it takes them", name);
    if (link->fault.kind != PG_FINE || !expect(link, name, -1))
        return false;
    pg_params_show(sending->params, sending->values, sending->lengths, sending->formats);
    return true;
}

int pg_add(struct pg_link *link, int sql, const struct pg_params *params) {
    char own[NAME_SIZE];
    struct sending to;
    start(link, &to, params);
    snprintf(own, sizeof own, "hm%d", sql);
    if (link->fault.kind != PG_FINE || !prepare(link, sql, own) ||
        !is_ready(link, link->statements->name[sql], &to, link->prepared[sql].types,
                  link->prepared[sql].count))
        return -1;
    int sent = PQsendQueryPrepared(link->conn, own, to.params->count, to.values, to.lengths,
                                   to.formats, 1);
    return added(link, to.params, sent);
}

int pg_add_own(struct pg_link *link, int own, const struct pg_params *params) {
    Oid types[PG_PARAMETERS_MAX];
    struct sending to;
    start(link, &to, params);
    int count = pg_types_read(pg_sql_takes[own], types);
    if (link->fault.kind != PG_FINE || !is_ready(link, pg_sql_name[own], &to, types, count))
        return -1;
    int sent = PQsendQueryParams(link->conn, pg_sql_text[own], count, types, to.values, to.lengths,
                                 to.formats, 1);
    return added(link, to.params, sent);
}

void pg_begin(struct pg_link *link) {
    pg_add_own(link, PG_SQL_BEGIN, NULL);
    link->begins = true;
}

/* Keeps a result, and the first error among them. */
static void note_result(struct pg_link *link, PGresult *result) {
    ExecStatusType status = PQresultStatus(result);
    const char *name = NULL;
    if (link->result_count < link->sent_count) {
        struct pg_sent *sent = &link->sent[link->result_count++];
        sent->result = result;
        name = sent->name;
    }
    if (link->fault.kind == PG_FINE && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        struct pg_fault fault;
        pg_fault_of_result(&fault, result);
        if (!fault.state[0] && fault.message[0] == '\0')
            pg_fault_set(&fault, PG_BUG, "an answer of kind %s", PQresStatus(status));
        link->fault = fault;
        snprintf(link->fault.message, sizeof link->fault.message, "%s: %.200s",
                 name ? name : "the end of a transaction", fault.message);
    }
    if (!name)
        PQclear(result);
}

/* Takes the results that have come. Whether that were all: up to the end of the pipeline, or of a
 * script. */
static bool take_results(struct pg_link *link, bool script) {
    while (!PQisBusy(link->conn)) {
        PGresult *result = PQgetResult(link->conn);
        if (!result) { /* between the answers of two statements */
            if (script)
                return true;
            if (PQstatus(link->conn) == CONNECTION_BAD)
                return false;
            continue;
        }
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            return true;
        }
        note_result(link, result);
    }
    return false;
}

/* Sends what is not sent and reads until all results are there. */
static enum reading read_results(struct pg_link *link, bool script, int64_t until_ms) {
    for (;;) {
        int left = PQflush(link->conn);
        if (take_results(link, script))
            return PQstatus(link->conn) == CONNECTION_BAD ? READ_BROKEN : READ_ALL;
        if (left < 0 || PQstatus(link->conn) == CONNECTION_BAD)
            return READ_BROKEN;
        short ready = pg_wait(link->conn, (short)(POLLIN | (left > 0 ? POLLOUT : 0)), until_ms);
        if (ready == 0)
            return READ_LATE;
        if ((ready & ~POLLOUT) && !PQconsumeInput(link->conn)) {
            take_results(link, script); /* why it broke */
            return READ_BROKEN;
        }
    }
}

/* Waits until the server has taken what was sent, while it may answer. */
static enum reading send_all(struct pg_link *link, int64_t until_ms) {
    for (;;) {
        int left = PQflush(link->conn);
        if (left == 0 && PQstatus(link->conn) == CONNECTION_OK)
            return READ_ALL;
        if (left != 1)
            return READ_BROKEN;
        short ready = pg_wait(link->conn, POLLIN | POLLOUT, until_ms);
        if (ready == 0)
            return READ_LATE;
        if ((ready & ~POLLOUT) && !PQconsumeInput(link->conn))
            return READ_BROKEN;
    }
}

/* Closes the connection after a failure. `certain`: nothing took effect; else that is not known. */
static void give_up(struct pg_link *link, enum reading how, int64_t limit_ms, bool certain) {
    char why[PG_MESSAGE_SIZE];
    if (how == READ_LATE)
        snprintf(why, sizeof why, "no answer within %" PRId64 " ms", limit_ms);
    else
        snprintf(why, sizeof why, "the connection broke: %.200s",
                 link->fault.message[0] ? link->fault.message : PQerrorMessage(link->conn));
    close_connection(link);
    char state[PG_STATE_SIZE];
    memcpy(state, link->fault.state, sizeof state);
    pg_fault_set(&link->fault, certain ? PG_DOWN : PG_UNKNOWN, "%s", why);
    memcpy(link->fault.state, state, sizeof state);
}

/* What was to be prepared and was not is prepared again when it is used. */
static void forget_unprepared(struct pg_link *link) {
    for (int i = 0; i < link->sent_count; i++) {
        const struct pg_sent *sent = &link->sent[i];
        if (sent->prepares >= 0 && PQresultStatus(sent->result) != PGRES_COMMAND_OK)
            link->prepared[sent->prepares].count = -1;
    }
}

/* Ends the transaction that an error has left open. */
static void roll_back(struct pg_link *link, int64_t until_ms) {
    if (PQtransactionStatus(link->conn) == PQTRANS_IDLE)
        return;
    struct pg_fault fault = link->fault;
    bool sent =
        PQsendQueryParams(link->conn, pg_sql_text[PG_SQL_ROLLBACK], 0, NULL, NULL, NULL, NULL, 1) &&
        PQpipelineSync(link->conn);
    if (!sent || read_results(link, false, until_ms) != READ_ALL ||
        PQtransactionStatus(link->conn) != PQTRANS_IDLE)
        close_connection(link);
    link->fault = fault;
}

/* Adds what ends the pipeline, and the transaction if it is to be committed. */
static bool send_end(struct pg_link *link, bool commit) {
    bool sent = !commit || (expect(link, pg_sql_name[PG_SQL_COMMIT], -1) &&
                            PQsendQueryParams(link->conn, pg_sql_text[PG_SQL_COMMIT], 0, NULL, NULL,
                                              NULL, NULL, 1));
    return sent && PQpipelineSync(link->conn);
}

/* Judges a pipeline that is answered to its end. */
static void judge(struct pg_link *link, bool commit, enum pg_ending ending) {
    const PGresult *last = commit ? link->sent[link->sent_count - 1].result : NULL;
    bool idle = PQtransactionStatus(link->conn) == PQTRANS_IDLE;
    if (link->fault.kind != PG_FINE || ending == PG_STAYS)
        return;
    if (link->warned) {
        link->fault = link->warning;
        link->fault.kind = PG_UNKNOWN;
    } else if (link->result_count != link->sent_count || !idle ||
               (commit && strcmp(PQcmdStatus((PGresult *)last), "COMMIT") != 0)) {
        pg_fault_set(&link->fault, PG_BUG, "the end of a transaction was no commit");
    }
}

bool pg_run(struct pg_link *link, enum pg_ending ending, int64_t limit_ms) {
    int64_t until_ms = clock_steady_ms() + limit_ms;
    if (link->over)
        begin_pipeline(link);
    link->over = true;
    if (!link->conn)
        return false;
    if (link->fault.kind != PG_FINE) { /* a statement was not sent; those before it are forgotten */
        close_connection(link);
        return false;
    }
    enum reading how = READ_ALL;
    bool commit = ending == PG_COMMITS && (link->begins || link->in_transaction);
    if (link->bytes > SMALL_BYTES)
        how = send_all(link, until_ms);
    if (how != READ_ALL || !send_end(link, commit)) {
        give_up(link, how == READ_ALL ? READ_BROKEN : how, limit_ms, true);
        return false;
    }
    how = read_results(link, false, until_ms);
    if (how != READ_ALL) {
        give_up(link, how, limit_ms, ending == PG_STAYS);
        return false;
    }
    forget_unprepared(link);
    judge(link, commit, ending);
    if (link->fault.kind != PG_FINE)
        roll_back(link, until_ms);
    link->in_transaction = in_transaction(link);
    return link->fault.kind == PG_FINE;
}

bool pg_script(struct pg_link *link, const char *text, int64_t limit_ms) {
    int64_t until_ms = clock_steady_ms() + limit_ms;
    begin_pipeline(link);
    link->over = true;
    if (!link->conn)
        return false;
    bool sent = PQexitPipelineMode(link->conn) && PQsendQuery(link->conn, text);
    enum reading how = sent ? read_results(link, true, until_ms) : READ_BROKEN;
    if (how != READ_ALL || !PQenterPipelineMode(link->conn)) {
        give_up(link, how, limit_ms, true);
        return false;
    }
    if (link->fault.kind == PG_FINE && !in_transaction(link))
        pg_fault_set(&link->fault, PG_BUG, "a script was not in a transaction that stays open");
    if (link->fault.kind != PG_FINE)
        roll_back(link, until_ms);
    link->in_transaction = in_transaction(link);
    return link->fault.kind == PG_FINE;
}

void pg_rollback(struct pg_link *link, int64_t limit_ms) {
    if (link->conn)
        roll_back(link, clock_steady_ms() + limit_ms);
    link->in_transaction = false;
}
