/* Faults: which kind an SQLSTATE is, and what an operator can do about each kind. */

#include "pg_fault.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

/* The longest beginning that fits decides. */
static const struct {
    const char *begins;
    enum pg_kind kind;
} kinds[] = {
    {"0A000", PG_SCHEMA}, /* "cached plan must not change result type" */
    {"08", PG_DOWN},       {"08007", PG_UNKNOWN}, {"25006", PG_READ_ONLY}, {"25P03", PG_AGAIN},
    {"26000", PG_POOLED},  {"28", PG_LOCKED},     {"3D000", PG_SETTINGS},  {"3F000", PG_SCHEMA},
    {"40", PG_AGAIN},      {"40002", PG_BUG},     {"40003", PG_UNKNOWN},   {"42501", PG_RIGHTS},
    {"42703", PG_SCHEMA},  {"42704", PG_SCHEMA},  {"42804", PG_SCHEMA},    {"42883", PG_SCHEMA},
    {"42P01", PG_SCHEMA},  {"42P05", PG_POOLED},  {"42P10", PG_SCHEMA},    {"53100", PG_FULL},
    {"53200", PG_AGAIN},   {"53300", PG_CROWDED}, {"55P03", PG_AGAIN},     {"57014", PG_AGAIN},
    {"57P01", PG_DOWN},    {"57P02", PG_DOWN},    {"57P03", PG_DOWN},      {"57P04", PG_SETTINGS},
    {"57P05", PG_DOWN},    {"58", PG_FAILING},    {"XX001", PG_FAILING},   {"XX002", PG_FAILING},
    {"53400", PG_CROWDED},
};

static const char *const advice[PG_KINDS] = {
    [PG_FINE] = "nothing is wrong",
    [PG_AGAIN] = "it is tried again; if this goes on, look for long transactions in "
                 "pg_stat_activity",
    [PG_DOWN] = "it is tried again; see whether the server runs and can be reached",
    [PG_FULL] = "the disk of the server is full: make room there",
    [PG_CROWDED] = "the server has no connection left: raise max_connections there, or the role's "
                   "CONNECTION LIMIT, or end others",
    [PG_READ_ONLY] = "the server takes no changes: set default_transaction_read_only to off for "
                     "the role, or let QUEUE name the primary",
    [PG_LOCKED] = "the server does not let this user in: check the user and the password in QUEUE, "
                  "or in the file that passfile or PGPASSFILE names, and pg_hba.conf",
    [PG_RIGHTS] = "the role lacks a right: GRANT it, or do this by the role that owns the schema",
    [PG_SCHEMA] = "the tables are not those of this version: run the program of the same version "
                  "everywhere, and let the owner's role bring the schema up to date",
    [PG_SETTINGS] = "correct QUEUE",
    [PG_UNFIT] = "use a server that fits",
    [PG_STANDBY] = "the other hosts of QUEUE are tried; see which is the primary",
    [PG_PAST] = "it is not used: stop it, or make it a standby of the primary that replaced it",
    [PG_POOLED] =
        "prepared statements get lost there: connect to the server itself, or set pool_mode "
        "to session in the pooler",
    [PG_FAILING] = "the server cannot read or write its files: look into its log and at its disk",
    [PG_UNKNOWN] = "whether it took effect is looked up when the server answers again",
    [PG_BUG] = "this is a mistake in the program: report it with this line",
};

enum pg_kind pg_kind_of(const char *state) {
    enum pg_kind kind = PG_BUG;
    size_t longest = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t length = strlen(kinds[i].begins);
        if (length > longest && strncmp(state, kinds[i].begins, length) == 0) {
            kind = kinds[i].kind;
            longest = length;
        }
    }
    return kind;
}

const char *pg_advice(enum pg_kind kind) {
    return advice[kind];
}

/* Makes one line of a text: each run of white space becomes a space; none at the ends. */
static void make_line(char *text) {
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (!strchr(" \t\r\n", *from))
            *to++ = *from;
        else if (to > text && to[-1] != ' ')
            *to++ = ' ';
    }
    if (to > text && to[-1] == ' ')
        to--;
    *to = '\0';
}

void pg_fault_set(struct pg_fault *fault, enum pg_kind kind, const char *format, ...) {
    va_list arguments;
    *fault = (struct pg_fault){.kind = kind};
    va_start(arguments, format);
    vsnprintf(fault->message, sizeof fault->message, format, arguments);
    va_end(arguments);
    make_line(fault->message);
}

static void set_state(struct pg_fault *fault, const char *state) {
    snprintf(fault->state, sizeof fault->state, "%.5s", state);
}

void pg_fault_of_result(struct pg_fault *fault, const PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!message)
        message = PQresultErrorMessage(result);
    pg_fault_set(fault, state ? pg_kind_of(state) : PG_DOWN, "%s", message);
    if (state)
        set_state(fault, state);
}

/* Where an SQLSTATE stands in a verbose message, "FATAL:  28P01: ..."; NULL without one. */
static const char *find_state(const char *text) {
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    while ((text = strstr(text, ":  "))) {
        text += 3;
        if (strspn(text, letters) == 5 && text[5] == ':')
            return text;
    }
    return NULL;
}

void pg_fault_of_connecting(struct pg_fault *fault, PGconn *conn) {
    const char *text = PQerrorMessage(conn);
    const char *state = find_state(text);
    if (!state) {
        pg_fault_set(fault, PQconnectionNeedsPassword(conn) ? PG_LOCKED : PG_DOWN, "%s", text);
        return;
    }
    const char *message = state + strcspn(state, " ");
    pg_fault_set(fault, pg_kind_of(state), "%.*s", (int)strcspn(message, "\n"), message);
    set_state(fault, state);
}

void pg_fault_log(struct log_limit *limit, const struct pg_fault *fault, const char *where) {
    char name[200];
    int64_t left_out = 0;
    snprintf(name, sizeof name, "%d %s", (int)fault->kind, where);
    if (!log_limit_passes(limit, name, &left_out))
        return;
    char more[60] = "";
    if (left_out > 0)
        snprintf(more, sizeof more, " (%" PRId64 " more like it)", left_out);
    bool passes = fault->kind == PG_AGAIN || fault->kind == PG_DOWN || fault->kind == PG_STANDBY ||
                  fault->kind == PG_UNKNOWN;
    (passes ? log_warn : log_error)("PostgreSQL, %s: %s%s%s; %s%s", where, fault->message,
                                    fault->state[0] ? ", SQLSTATE " : "", fault->state,
                                    pg_advice(fault->kind), more);
}
