/* Servers to throw away, by t/support/postgres; links to them; what was logged. */
#ifndef HASHMILL_T_POSTGRES_H
#define HASHMILL_T_POSTGRES_H

#include "fcgi/postgres/pg_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fcgi/postgres/pg_answer.h"
#include "log.h"
#include "scratch.h"
#include "tap.h"

static FILE *servers_in;
static FILE *servers_out;
static pid_t servers;
static int log_file;
static int log_shown; /* standard error as it was */

/* A server that was started: its socket's directory as URIs have it, its port, its URI. */
struct cluster {
    char host[200];
    char port[8];
    char uri[300];
};

/* Has t/support/postgres do something; the answer behind "ok ". The test ends when that fails. */
static inline const char *command(const char *line) {
    static char answer[600];
    fprintf(servers_in, "%s\n", line);
    fflush(servers_in);
    if (!fgets(answer, sizeof answer, servers_out) || strncmp(answer, "ok ", 3) != 0) {
        printf("Bail out! %s: %s\n", line, answer);
        exit(1);
    }
    return answer + 3;
}

static inline struct cluster start_server(const char *arguments) {
    struct cluster cluster;
    char line[400];
    snprintf(line, sizeof line, "start %s", arguments);
    if (sscanf(command(line), "%199s %7s %299s", cluster.host, cluster.port, cluster.uri) != 3)
        abort();
    return cluster;
}

/* Sends the log to a file that log_has looks through. Without a server's program the test ends,
 * which is no failure unless everything must be run. */
static inline void set_up(void) {
    int to[2];
    int from[2];
    char line[100] = "";
    char *const argv[] = {"t/support/postgres", NULL};
    posix_spawn_file_actions_t actions;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0 ||
        posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, to[0], 0) != 0 ||
        posix_spawn_file_actions_adddup2(&actions, from[1], 1) != 0 ||
        posix_spawn(&servers, argv[0], &actions, NULL, argv, environ) != 0)
        abort();
    posix_spawn_file_actions_destroy(&actions);
    close(to[0]);
    close(from[1]);
    servers_in = fdopen(to[1], "w");
    servers_out = fdopen(from[0], "r");
    if (!fgets(line, sizeof line, servers_out) || strcmp(line, "none\n") == 0) {
        bool all = getenv("HASHMILL_ROOT") != NULL;
        printf(all ? "Bail out! no server of PostgreSQL\n"
                   : "1..0 # SKIP no server of PostgreSQL on this machine: package postgresql\n");
        exit(all);
    }
    char path[60];
    scratch_template(path, "log");
    log_shown = dup(2);
    log_file = mkstemp(path);
    unlink(path);
    dup2(log_file, 2);
    log_open("test", "test");
}

/* Whether the log has a text since the last call of log_forget. */
static inline bool log_has(const char *text) {
    static char all[100000];
    ssize_t length = pread(log_file, all, sizeof all - 1, 0);
    all[length < 0 ? 0 : length] = '\0';
    return strstr(all, text) != NULL;
}

static inline void log_forget(void) {
    if (ftruncate(log_file, 0) != 0 || lseek(log_file, 0, SEEK_SET) != 0)
        abort();
}

/* Ends the servers and the test. */
static inline int tear_down(void) {
    fclose(servers_in);
    fclose(servers_out);
    waitpid(servers, NULL, 0);
    dup2(log_shown, 2);
    return done_testing();
}

/* A server as a process knows it; the test ends when the URI is refused. */
static inline struct pg_server *open_server(const char *uri,
                                            const struct pg_statements *statements) {
    struct pg_server *server = calloc(1, sizeof *server);
    if (!server || !pg_server_open(server, uri, statements)) {
        printf("Bail out! %s\n", server ? server->fault.message : "no memory");
        exit(1);
    }
    return server;
}

static inline void close_server(struct pg_server *server) {
    pg_server_close(server);
    free(server);
}

/* Connects at once, whatever the back-off says. */
static inline struct pg_link *reconnect(struct pg_server *server) {
    server->retry.not_before_ms = 0;
    return pg_server_connect(server);
}

static inline struct pg_link *connect_or_end(struct pg_server *server) {
    struct pg_link *link = reconnect(server);
    if (!link) {
        printf("Bail out! %s\n", server->fault.message);
        exit(1);
    }
    return link;
}

/* Runs SQL of several statements, which must do. */
static inline void script(struct pg_link *link, const char *text) {
    pg_begin(link);
    if (!pg_run(link, PG_STAYS, 10000) || !pg_script(link, text, 10000) ||
        !pg_run(link, PG_COMMITS, 10000)) {
        printf("Bail out! %s: %s\n", text, link->fault.message);
        exit(1);
    }
}

/* Runs one SQL text that cannot be in a transaction, as the superuser. */
static inline void alone(const struct cluster *cluster, const char *text) {
    PGconn *conn = PQconnectdb(cluster->uri);
    PGresult *result = PQexec(conn, text);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
        printf("Bail out! %s: %s\n", text, PQerrorMessage(conn));
        exit(1);
    }
    PQclear(result);
    PQfinish(conn);
}

/* Checks a kind, and that the message has a text. */
__attribute__((unused)) static bool is_fault(const struct pg_fault *got, enum pg_kind kind,
                                             const char *part, const char *name) {
    bool right = got->kind == kind && strstr(got->message, part) != NULL;
    if (!ok(right, "%s", name))
        printf("# kind %d, SQLSTATE %s, %s; wanted kind %d with \"%s\"\n", (int)got->kind,
               got->state, got->message, (int)kind, part);
    return right;
}

#endif
