#include "conf.h"

#include <string.h>
#include <unistd.h>

#include "certificate.h"
#include "cores.h"
#include "http.h"
#include "log.h"
#include "node/worker_protocol.h"
#include "random.h"

#define INTEGER(...) SETTING_OF_INTEGER(struct worker_conf, __VA_ARGS__)
#define TEXT(...) SETTING_OF_TEXT(struct worker_conf, __VA_ARGS__)

enum { THREADS_MAX = 1024, TOKEN_MIN = 16, NAME_MAX_LENGTH = 40 };

static const struct setting table[] = {
    TEXT("NODES", nodes, "URLs", "http://127.0.0.1:8081",
         "Base URLs of the worker listeners to lease from, separated by commas or spaces."),
    TEXT("WORKER_TOKEN", worker_token, "secret", "",
         "Bearer token for the nodes, the same as theirs, or a key of the role worker; 16 bytes or "
         "more."),
    TEXT("MACHINE_TOKEN", machine_token, "secret", "",
         "Bearer token of this machine, given by the node that launched it; wins over "
         "WORKER_TOKEN."),
    TEXT("WORKER_NAME", worker_name, "text", "",
         "What this worker calls itself, up to 40 characters, to which a random part is added; "
         "empty: host and pid."),
    TEXT("WORKER_MACHINE", worker_machine, "text", "",
         "Name of the machine that a node has launched to run this worker, up to 64 characters; "
         "empty: no node has."),
    INTEGER("THREADS", threads, "threads", 0, THREADS_MAX, 0,
            "Threads that compute; 0: one for each core that this process may use, by its affinity "
            "and its cgroup's quota."),
    INTEGER("IDLE_SECONDS", idle_seconds, "seconds", 0, 31536000, 600,
            "Exit after this long without an item in hand; 0: never."),
    TEXT("RETIRE_NODE", retire_node, "URL", "",
         "Base URL of the node that launched this worker, told when it goes idle; empty: none."),
    TEXT("WORKER_KERNEL", kernel, "name", "",
         "Compute with this kernel only, as --bench names them; empty: what is fastest here."),
    INTEGER("CHECK_PERCENT", check_percent, "percent", 0, 100, 1,
            "Share of the chains that have a random segment computed again by OpenSSL; a "
            "difference stops the worker before it reports."),
    TEXT("LOG_LEVEL", log_level, "error, warn, info or debug", "info",
         "The least important lines that are still logged."),
    TEXT("LOG_FORMAT", log_format, "text or json", "text",
         "The form of the lines in the log: a text, or an object of JSON."),
    CERTIFICATE_SETTINGS(TEXT),
};

enum { TABLE_SIZE = sizeof table / sizeof *table };

/* Whether all characters are ASCII from first to '~'. */
static bool is_ascii_from(const char *text, char first) {
    for (; *text != '\0'; text++) {
        if (*text < first || *text > '~')
            return false;
    }
    return true;
}

/* Cuts NODES into its URLs. */
static bool split_nodes(struct worker_conf *conf, char *why, size_t why_size) {
    memcpy(conf->urls_text, conf->nodes, sizeof conf->urls_text);
    conf->url_count = http_split_base_urls(conf->urls_text, conf->urls, NODES_MAX, "NODES",
                                           "http://127.0.0.1:8081", why, why_size);
    return conf->url_count > 0;
}

/* Makes a name that no other start of a worker has: WORKER_NAME, or else host and process, and a
 * random part, since containers may share host and process. */
static void make_name(char *name) {
    char host[NAME_MAX_LENGTH + 1] = "";
    char base[PROTOCOL_NAME_SIZE];
    uint32_t number;
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0' || !is_ascii_from(host, '!'))
        memcpy(host, "host", 5);
    random_fill(&number, sizeof number);
    if (name[0] != '\0')
        snprintf(base, sizeof base, "%.*s", NAME_MAX_LENGTH, name);
    else
        snprintf(base, sizeof base, "%s-%d", host, (int)getpid());
    snprintf(name, PROTOCOL_NAME_SIZE, "%.55s-%08x", base, (unsigned)number);
}

/* Whether a text can stand in a header field as a bearer token. */
static bool is_token(const char *text) {
    return strlen(text) >= TOKEN_MIN && is_ascii_from(text, '!');
}

/* Checks the token and the name: the first must fit into a header, the second into JSON. */
static bool check_texts(const struct worker_conf *conf, char *why, size_t why_size) {
    if (conf->machine_token[0] != '\0' && !is_token(conf->machine_token)) {
        snprintf(why, why_size,
                 "MACHINE_TOKEN must be what the node gave this machine: at least %d ASCII "
                 "characters without spaces or control characters",
                 TOKEN_MIN);
        return false;
    }
    if (conf->machine_token[0] == '\0' && !is_token(conf->worker_token)) {
        snprintf(why, why_size,
                 "WORKER_TOKEN must be the nodes' WORKER_TOKEN or a key of the role worker: at "
                 "least %d ASCII characters without spaces or control characters",
                 TOKEN_MIN);
        return false;
    }
    if (strlen(conf->worker_name) > NAME_MAX_LENGTH || !is_ascii_from(conf->worker_name, ' ')) {
        snprintf(why, why_size,
                 "WORKER_NAME must have at most %d ASCII characters, "
                 "none of them control characters",
                 NAME_MAX_LENGTH);
        return false;
    }
    if (strlen(conf->worker_machine) >= PROTOCOL_NAME_SIZE ||
        !is_ascii_from(conf->worker_machine, '!')) {
        snprintf(why, why_size,
                 "WORKER_MACHINE must have at most %d ASCII characters, none of them a space or "
                 "control character",
                 PROTOCOL_NAME_SIZE - 1);
        return false;
    }
    return true;
}

struct http_tls worker_conf_tls(const struct worker_conf *conf) {
    return (struct http_tls){.ca = conf->tls_ca, .cert = conf->tls_cert, .key = conf->tls_key};
}

/* Checks the certificates that are there, that those are there that the URLs need, and that
 * WORKER_TOKEN goes nowhere in the clear. */
static bool check_tls(const struct worker_conf *conf, char *why, size_t why_size) {
    struct http_tls tls = worker_conf_tls(conf);
    const char *plain = conf->plain_tokens;
    bool https = http_is_secure_url(conf->retire_node);
    bool guarded = certificate_guards("RETIRE_NODE", conf->retire_node, plain, why, why_size);
    for (int i = 0; i < conf->url_count && guarded; i++) {
        https |= http_is_secure_url(conf->urls[i]);
        guarded = certificate_guards("NODES", conf->urls[i], plain, why, why_size);
    }
    return guarded && certificate_check(&tls, https, why, why_size);
}

/* Checks what a key's range cannot express, and sets *level and *format to those of the log. */
static bool check(struct worker_conf *conf, enum log_level *level, enum log_format *format,
                  char *why, size_t why_size) {
    if (!log_level_named(conf->log_level, level)) {
        snprintf(why, why_size, "LOG_LEVEL must be error, warn, info or debug");
        return false;
    }
    if (!log_format_named(conf->log_format, format)) {
        snprintf(why, why_size, "LOG_FORMAT must be text or json");
        return false;
    }
    if (!split_nodes(conf, why, why_size) || !check_texts(conf, why, why_size))
        return false;
    if (conf->retire_node[0] != '\0' && !http_tidy_base_url(conf->retire_node)) {
        snprintf(why, why_size, "RETIRE_NODE must be a URL like https://10.0.0.5:8443, or empty");
        return false;
    }
    return check_tls(conf, why, why_size);
}

bool worker_conf_load(struct worker_conf *conf, const struct settings_files *files, char *why,
                      size_t why_size) {
    enum log_level level;
    enum log_format format;
    if (!settings_load(table, TABLE_SIZE, files, conf, why, why_size))
        return false;
    if (!check(conf, &level, &format, why, why_size)) {
        settings_blame(table, TABLE_SIZE, why, why_size);
        return false;
    }
    make_name(conf->worker_name);
    if (conf->threads == 0)
        conf->threads = cores_usable();
    log_set_level(level);
    log_set_format(format);
    return true;
}

void worker_conf_help(FILE *out) {
    settings_help(out, table, TABLE_SIZE);
}
