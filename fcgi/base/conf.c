#include "conf.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "certificate.h"
#include "conf_peers.h"
#include "hex.h"
#include "keys.h"
#include "log.h"
#include "protocol.h"

#define INTEGER(...) SETTING_OF_INTEGER(struct conf, __VA_ARGS__)
#define TEXT(...) SETTING_OF_TEXT(struct conf, __VA_ARGS__)

enum { FLEET_MAX = 48 };

#define ITERATIONS_LIMIT 9007199254740991 /* 2^53 - 1: JSON has no greater whole number */

static const struct setting table[] = {
    {.key = "NODE", /* npm exports NODE as the path of node */
     .prefixed = true,
     .unit = "number",
     .help = "This node's number, carried in every id it gives; differs from node to node.",
     .offset = offsetof(struct conf, node),
     .max = NODE_MAX},
    TEXT("DATABASE", database, "path", "var/hashmill.db",
         "The database file; its directory also holds the -wal, -shm and -lock files."),
    TEXT("RUN_DIR", run_dir, "path", "var/run",
         "Directory of the sockets and the pid file; made if it is missing."),
    TEXT("SOCKET_GROUP", socket_group, "group", "",
         "Group that may connect to the FastCGI sockets, nginx's; empty: this process's own."),
    TEXT("WORKER_TOKEN", worker_token, "secret", "",
         "Bearer token of workers that are started by hand, 16 bytes or more; empty: none is let "
         "in."),
    TEXT("KEYS", keys_file, "path", "",
         "File of keys by which callers are known, a line each; hashmill-fcgi --key makes one. "
         "Read again on SIGHUP."),
    TEXT("HOSTS", hosts, "list", "",
         "Names, without ports, by which this node may be called for metrics, and by clients while "
         "KEYS is not set, besides localhost and addresses."),
    TEXT("METRICS_CLIENTS", metrics_clients, "yes or no", "no",
         "Whether metrics tell what each client has, by its name; of the first 1000 clients."),
    TEXT("MACHINE_SECRET", machine_secret, "secret", "",
         "What the tokens of launched machines are made of, 16 bytes or more, the same on all "
         "nodes and on no worker; without one it is made of PEER_TOKEN. Needed with PROVIDER."),
    TEXT("MACHINE_SECRET_OLD", machine_secret_old, "secret", "",
         "The former MACHINE_SECRET, while machines have tokens of it."),
    TEXT("LOG_LEVEL", log_level, "error, warn, info or debug", "info",
         "The least important lines that are still logged."),
    TEXT("LOG_FORMAT", log_format, "text or json", "text",
         "The form of the lines in the log: a text, or an object of JSON."),
    INTEGER("PROCESSES_PUBLIC", processes_public, "processes", 0, 256, 0,
            "Processes for clients' short requests; 0: eight for each core, 16 to 64. Each waits "
            "for the disk with its request."),
    INTEGER("PROCESSES_INTAKE", processes_intake, "processes", 2, 256, 2,
            "Processes for PUT /enqueue, many requests at a time each."),
    INTEGER("PROCESSES_WORKER", processes_worker, "processes", 1, 256, 2,
            "Processes for workers' reports."),
    INTEGER("WAIT_SLOTS_PUBLIC", wait_slots_public, "requests", 0, 10000, 1000,
            "Clients' long polls held at once; one more is answered 503."),
    INTEGER("WAIT_SLOTS_WORKER", wait_slots_worker, "requests", 1, 10000, 256,
            "Leases held at once; one more is answered 503."),
    INTEGER("BODY_BYTES_MAX", body_bytes_max, "bytes", 1, 262144, 262144,
            "Largest body that /enqueue takes."),
    INTEGER("ITEMS_MAX", items_max, "items", 1, 1000000000, 20000000,
            "Items not yet pulled or cancelled; /enqueue answers 503 beyond it."),
    INTEGER("ITERATIONS_MAX", iterations_max, "iterations", 1, ITERATIONS_LIMIT, 10000000000000,
            "Iterations of one item; /enqueue answers 400 beyond it."),
    INTEGER("REMAINING_MAX", remaining_max, "iterations", 1, INT64_C(1) << 62, INT64_C(1) << 60,
            "Iterations still to do of all items together; /enqueue answers 503 beyond it."),
    INTEGER("WAL_MAX", wal_max, "bytes", 1 << 20, INT64_C(1) << 40, 1 << 30,
            "/enqueue answers 503 while somebody's long read makes the WAL larger than this."),
    INTEGER("PULLED_DAYS", pulled_days, "days", 0, CONF_KEPT_DAYS_MAX, 7,
            "Items leave the database this long after they were pulled."),
    INTEGER("CANCELLED_DAYS", cancelled_days, "days", 0, CONF_KEPT_DAYS_MAX, 7,
            "Items leave the database this long after they were cancelled."),
    INTEGER("LEASE_SECONDS", lease_seconds, "seconds", 2, 3600, 60,
            "A lease lapses this long after it was given or renewed."),
    INTEGER("IN_HAND_START", in_hand_start, "items", 1, 1000000000, 4096,
            "Items that the workers of one credential may have in hand before they have reported "
            "any; more as they compute."),
    INTEGER("SIZE_PENALTY_NS", size_penalty_ns, "nanoseconds", 0, 1000000, 100,
            "Each iteration of an item moves it back in the order by this much, an hour at most."),
    INTEGER("OPERATION_SECONDS", operation_seconds, "seconds", 1, 14, 5,
            "A request whose operation the writer has not done by then is answered 503."),
    INTEGER("BUSY_SECONDS", busy_seconds, "seconds", 2, 600, 30,
            "A process that has been busy with one thing for longer is killed and replaced."),
    INTEGER("DRAIN_SECONDS", drain_seconds, "seconds", 1, 600, 10,
            "On SIGTERM and SIGHUP requests in hand get this long to finish."),
    TEXT("PROVIDER", provider, "path", "",
         "Program that launches, lists and terminates machines; empty: nothing is launched."),
    TEXT("FLEET", fleet, "name", "hashmill",
         "Machines are named FLEET-NODE-...; what is named so and unknown here is terminated."),
    INTEGER("WORKERS_MIN", workers_min, "machines", 0, FLEET_MAX, 0,
            "Machines that are always kept."),
    INTEGER("WORKERS_MAX", workers_max, "machines", 0, FLEET_MAX, 3,
            "Most machines of this node at one time, with those that boot or end."),
    INTEGER("WAIT_LAUNCH_SECONDS", wait_launch_seconds, "seconds", 0, 86400, 15,
            "An item that waits longer has a machine launched."),
    INTEGER("BOOT_SECONDS", boot_seconds, "seconds", 0, 86400, 60,
            "How long a machine takes to boot, until that has been measured."),
    INTEGER("BOOT_SECONDS_MAX", boot_seconds_max, "seconds", 1, 86400, 300,
            "A machine whose worker has not called this long after its launch is terminated."),
    INTEGER("LIST_SECONDS", list_seconds, "seconds", 1, 3600, 10,
            "How often the provider is asked what runs, while there should be anything."),
    INTEGER("PROVIDER_SECONDS", provider_seconds, "seconds", 1, 600, 60,
            "A call of the provider that takes longer is killed."),
    TEXT("PEERS", peers_text, "list", "", "The other node, as NODE=URL of its worker listener."),
    TEXT("PEER_TOKEN", peer_token, "secret", "",
         "Bearer token among nodes, 16 bytes or more, the same on all and not WORKER_TOKEN."),
    TEXT("COPY", copy_text, "none, async or sync", "async",
         "The replica of this node's queue that the peer keeps: none; it has what clients are told "
         "soon after them; before them."),
    INTEGER("PEER_MS", peer_ms, "milliseconds", 50, 10000, 1000,
            "A client's request waits no longer than this for each answer of the peer."),
    INTEGER(
        "PEER_LOOKS", peer_looks, "a second", 1, 100000, 1000,
        "Looks and cancels of clients that are forwarded to the peer; one more is answered 503."),
    INTEGER(
        "LOAN_SECONDS", loan_seconds, "seconds", 6, 3600, 60,
        "A machine that a peer may run at this node's cost is returned this long after the last "
        "hello of the peer."),
    CERTIFICATE_SETTINGS(TEXT),
    TEXT("TLS_LISTENER_CERT", tls_listener_cert, "path", "",
         "The certificate of nginx's worker listener, read only to tell when it expires. With it "
         "every call there must come with the role of a certificate."),
};

enum { TABLE_SIZE = sizeof table / sizeof *table, FLEET_NAME_MAX = 32, TOKEN_MIN = 16 };

/* Whether FLEET can begin the names of machines: letters, digits, ._-, first a letter or digit. */
static bool good_fleet(const char *fleet) {
    size_t length = strlen(fleet);
    return length > 0 && length <= FLEET_NAME_MAX && isalnum((unsigned char)fleet[0]) &&
           strspn(fleet, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               length;
}

/* The length of the name in a list of HOSTS at *at, which goes to its first letter; 0: no more. */
static size_t next_host(const char **at) {
    static const char between[] = ", \t";
    *at += strspn(*at, between);
    return strcspn(*at, between);
}

static bool check_hosts(const struct conf *conf, char *why, size_t why_size) {
    const char *at = conf->hosts;
    for (size_t length; (length = next_host(&at)) > 0; at += length) {
        if (strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") >=
            length)
            continue;
        snprintf(why, why_size,
                 "HOSTS: \"%.*s\" must be a name of letters, digits, dots and dashes, without a "
                 "port, like mill.example",
                 length < 300 ? (int)length : 300, at);
        return false;
    }
    return true;
}

bool conf_has_host(const struct conf *conf, const char *name) {
    const char *at = conf->hosts;
    for (size_t length; (length = next_host(&at)) > 0; at += length) {
        if (strlen(name) == length && strncasecmp(at, name, length) == 0)
            return true;
    }
    return false;
}

bool conf_tells_clients(const struct conf *conf) {
    return strcasecmp(conf->metrics_clients, "yes") == 0;
}

/* Checks the settings of the fleet's size. */
static bool check_scaling(const struct conf *conf, char *why, size_t why_size) {
    if (conf->provider[0] != '\0' && access(conf->provider, X_OK) != 0) {
        snprintf(why, why_size, "PROVIDER: %.300s cannot be executed: %s", conf->provider,
                 strerror(errno));
        return false;
    }
    if (!good_fleet(conf->fleet)) {
        snprintf(
            why, why_size,
            "FLEET must have 1 to %d letters, digits, dots, underscores and dashes, the first a "
            "letter or digit",
            FLEET_NAME_MAX);
        return false;
    }
    if (conf->workers_min > conf->workers_max) {
        snprintf(why, why_size, "WORKERS_MIN must not be greater than WORKERS_MAX");
        return false;
    }
    return true;
}

struct http_tls conf_tls(const struct conf *conf) {
    return (struct http_tls){.ca = conf->tls_ca, .cert = conf->tls_cert, .key = conf->tls_key};
}

/* Checks the certificates that are there, that those are there that PEERS need, and that PEER_TOKEN
 * goes nowhere in the clear. */
static bool check_tls(const struct conf *conf, char *why, size_t why_size) {
    struct http_tls tls = conf_tls(conf);
    int64_t expires_ms;
    char reason[500];
    const char *url = conf->has_peer ? conf->peer.url : "";
    if (!certificate_check(&tls, http_is_secure_url(url), why, why_size) ||
        !certificate_guards("PEERS", url, conf->plain_tokens, why, why_size))
        return false;
    if (conf->tls_listener_cert[0] == '\0' ||
        certificate_expiry(conf->tls_listener_cert, &expires_ms, reason, sizeof reason))
        return true;
    snprintf(why, why_size, "TLS_LISTENER_CERT: %s", reason);
    return false;
}

/* As many as fill a batch of the writer: most of them wait, whatever the number of cores. */
static int64_t default_processes(void) {
    enum { FOR_EACH_CORE = 8, LEAST = 16, MOST = 64 };
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long wanted = cores < 1 ? LEAST : FOR_EACH_CORE * cores;
    return wanted < LEAST ? LEAST : wanted > MOST ? MOST : wanted;
}

/* Whether a secret is empty or long enough. */
static bool check_length(const char *setting, const char *secret, char *why, size_t why_size) {
    size_t length = strlen(secret);
    if (length == 0 || length >= TOKEN_MIN)
        return true;
    snprintf(why, why_size, "%s must have at least %d bytes; make one with: openssl rand -hex 32",
             setting, TOKEN_MIN);
    return false;
}

/* Makes the secret of a node from before there was one. It comes from PEER_TOKEN, so that it is the
 * same on all nodes; it is hex(SHA-256("machine secret " PEER_TOKEN)). */
static void derive_machine_secret(struct conf *conf) {
    char text[sizeof "machine secret " + SETTING_TEXT_SIZE];
    uint8_t hash[32];
    int length = snprintf(text, sizeof text, "machine secret %s", conf->peer_token);
    if (EVP_Digest(text, (size_t)length, hash, NULL, EVP_sha256(), NULL) == 1)
        hex_encode(conf->machine_secret, hash, sizeof hash);
    OPENSSL_cleanse(text, sizeof text);
}

/* Checks the secrets and reads the file KEYS. */
static bool read_credentials(struct conf *conf, char *why, size_t why_size) {
    if (!check_length("WORKER_TOKEN", conf->worker_token, why, why_size) ||
        !check_length("MACHINE_SECRET", conf->machine_secret, why, why_size) ||
        !check_length("MACHINE_SECRET_OLD", conf->machine_secret_old, why, why_size))
        return false;
    if (conf->machine_secret[0] == '\0' && conf->peer_token[0] != '\0')
        derive_machine_secret(conf);
    if (conf->provider[0] != '\0' && conf->machine_secret[0] == '\0') {
        snprintf(
            why, why_size,
            "MACHINE_SECRET must be set with PROVIDER, the same on all nodes: what it launches "
            "gets a token made of it; make one with: openssl rand -hex 32");
        return false;
    }
    struct keys *kept = keys_kept();
    conf->keys = conf->keys_file[0] == '\0' ? NULL : keys_read(conf->keys_file, why, why_size);
    if (conf->keys_file[0] != '\0' && !conf->keys && kept) {
        log_error("%s; the keys of before count on", why);
        conf->keys = kept;
        return true;
    }
    keys_free(kept);
    return conf->keys_file[0] == '\0' || conf->keys;
}

static bool check_metrics(const struct conf *conf, char *why, size_t why_size) {
    if (conf_tells_clients(conf) || strcasecmp(conf->metrics_clients, "no") == 0)
        return true;
    snprintf(why, why_size, "METRICS_CLIENTS must be yes or no");
    return false;
}

/* Checks rules beyond the ranges of single keys; *level and *format get those of the log. */
static bool check(struct conf *conf, enum log_level *level, enum log_format *format, char *why,
                  size_t why_size) {
    if (!log_level_named(conf->log_level, level)) {
        snprintf(why, why_size, "LOG_LEVEL must be error, warn, info or debug");
        return false;
    }
    if (!log_format_named(conf->log_format, format)) {
        snprintf(why, why_size, "LOG_FORMAT must be text or json");
        return false;
    }
    if (conf->database[0] == '\0' || conf->run_dir[0] == '\0') {
        snprintf(why, why_size, "DATABASE and RUN_DIR must not be empty");
        return false;
    }
    if (conf->busy_seconds <= conf->operation_seconds) {
        snprintf(why, why_size,
                 "BUSY_SECONDS must be greater than OPERATION_SECONDS, or processes "
                 "are killed while they wait for the writer as they should");
        return false;
    }
    return check_hosts(conf, why, why_size) && check_metrics(conf, why, why_size) &&
           check_scaling(conf, why, why_size) && conf_read_peers(conf, why, why_size) &&
           check_tls(conf, why, why_size) && read_credentials(conf, why, why_size);
}

bool conf_load(struct conf *conf, const struct settings_files *files, char *why, size_t why_size) {
    enum log_level level;
    enum log_format format;
    conf->keys = NULL;
    if (!settings_load(table, TABLE_SIZE, files, conf, why, why_size))
        return false;
    if (!check(conf, &level, &format, why, why_size)) {
        settings_blame(table, TABLE_SIZE, why, why_size);
        return false;
    }
    if (conf->processes_public == 0)
        conf->processes_public = default_processes();
#ifdef HASHMILL_TEST /* of one that kills the process which serves a request */
    if (getenv("HASHMILL_TEST_ONE_INTAKE"))
        conf->processes_intake = 1;
#endif
    log_set_level(level);
    log_set_format(format);
    return true;
}

void conf_help(FILE *out) {
    settings_help(out, table, TABLE_SIZE);
}
