/* The servers that a URI names, and how libpq is to connect to one of them. */

#include "pg_hosts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A hung primary must be noticed within seconds: what was sent and is not acknowledged for 3 s ends
 * the connection. */
static const char *const fixed[][2] = {
    {"connect_timeout", "2"},    {"tcp_user_timeout", "3000"},     {"keepalives", "1"},
    {"keepalives_idle", "5"},    {"keepalives_interval", "2"},     {"keepalives_count", "2"},
    {"client_encoding", "UTF8"}, {"application_name", "hashmill"}, {"target_session_attrs", "any"},
};

static const char *const refused[] = {"hostaddr", "service", "options", "replication",
                                      "load_balance_hosts"};

static const char *const environment[] = {
    "PGHOST",    "PGHOSTADDR",           "PGPORT",    "PGSERVICE",          "PGSERVICEFILE",
    "PGOPTIONS", "PGTARGETSESSIONATTRS", "PGAPPNAME", "PGLOADBALANCEHOSTS", "PGCLIENTENCODING",
};

enum { PARAMETERS_MAX = 128, LAST_PORT = 65535 };

/* The value of an option of the URI, or NULL. */
static const char *value_of(const struct pg_hosts *hosts, const char *keyword) {
    for (const PQconninfoOption *option = hosts->options; option->keyword; option++) {
        if (strcmp(option->keyword, keyword) == 0)
            return option->val;
    }
    return NULL;
}

/* Hides what may be a user and a password, wherever a mistake has put it. */
static void mask(char *uri) {
    char *from = strstr(uri, "://");
    char *at = strrchr(uri, '@');
    for (char *c = from ? from + 3 : at; at && c < at; c++)
        *c = 'x';
    for (char *c = uri; (c = strstr(c, "password=")); c++) {
        for (char *value = c + strlen("password="); *value != '\0' && *value != '&'; value++)
            *value = 'x';
    }
}

/* Notes what libpq has against a URI, which it may quote. */
static void tell_mistake(const char *uri, struct pg_fault *why) {
    char *masked = strdup(uri);
    char *message = NULL;
    if (masked)
        mask(masked);
    PQconninfoOption *options = masked ? PQconninfoParse(masked, &message) : NULL;
    PQconninfoFree(options);
    free(masked);
    pg_fault_set(why, PG_SETTINGS, "%s",
                 message ? message
                         : "the user and the password are not written as URIs want them: each "
                           "character but letters and digits as %XX");
    PQfreemem(message);
}

/* Takes the next of a list, up to a comma; false when it does not fit. */
static bool take(const char **list, char *to, size_t size) {
    size_t length = strcspn(*list, ",");
    if (length >= size)
        return false;
    memcpy(to, *list, length);
    to[length] = '\0';
    *list += length + ((*list)[length] == ',');
    return true;
}

static bool is_port(const char *text) {
    size_t length = strlen(text);
    long port = strtol(text, NULL, 10);
    return length > 0 && strspn(text, "0123456789") == length && port > 0 && port <= LAST_PORT;
}

static void name_for_messages(struct pg_host *host) {
    const char *name = host->name[0] ? host->name : "local";
    size_t length = strlen(name);
    memcpy(host->told, name, length);
    host->told[length] = ':';
    memcpy(host->told + length + 1, host->port, strlen(host->port) + 1);
}

/* Reads the hosts; one port is for all of them. */
static bool read_hosts(struct pg_hosts *hosts, struct pg_fault *why) {
    const char *names = value_of(hosts, "host");
    const char *ports = value_of(hosts, "port");
    const char *only = ports && !strchr(ports, ',') ? ports : NULL;
    names = names ? names : "";
    ports = ports ? ports : "";
    do {
        struct pg_host *host = &hosts->hosts[hosts->count];
        const char *port = only ? only : ports;
        if (hosts->count == PG_HOSTS_MAX || !take(&names, host->name, sizeof host->name) ||
            !take(&port, host->port, sizeof host->port)) {
            pg_fault_set(why, PG_SETTINGS, "more than %d hosts, or too long a host or port",
                         PG_HOSTS_MAX);
            return false;
        }
        if (!only)
            ports = port;
        if (host->port[0] == '\0')
            memcpy(host->port, "5432", sizeof "5432");
        if (!is_port(host->port)) {
            pg_fault_set(why, PG_SETTINGS,
                         "the port of a host is no number from 1 to %d; a "
                         "password with @, : or / has them as %%40, %%3A, %%2F",
                         LAST_PORT);
            return false;
        }
        name_for_messages(host);
        hosts->count++;
    } while (*names != '\0');
    return true;
}

/* Whether what is sent to a host stays on this machine. */
static bool is_local(const char *name) {
    struct in_addr address;
    if (name[0] == '\0' || name[0] == '/' || name[0] == '@' || strcmp(name, "localhost") == 0 ||
        strcmp(name, "::1") == 0)
        return true;
    return inet_pton(AF_INET, name, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

static bool check_security(const struct pg_hosts *hosts, struct pg_fault *why) {
    const char *mode = value_of(hosts, "sslmode");
    if (mode && strcmp(mode, "verify-full") == 0)
        return true;
    for (int i = 0; i < hosts->count; i++) {
        if (is_local(hosts->hosts[i].name))
            continue;
        pg_fault_set(why, PG_SETTINGS,
                     "%s is another machine: add sslmode=verify-full to QUEUE, "
                     "and sslrootcert=FILE with the authority of its certificate",
                     hosts->hosts[i].told);
        return false;
    }
    return true;
}

/* Refuses what this layer sets itself, or does without. */
static bool check_options(const struct pg_hosts *hosts, struct pg_fault *why) {
    const char *found = NULL;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        found = value_of(hosts, fixed[i][0]) ? fixed[i][0] : found;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        found = value_of(hosts, refused[i]) ? refused[i] : found;
    if (found)
        pg_fault_set(why, PG_SETTINGS,
                     "leave %s out of QUEUE: hashmill sets it itself, or does "
                     "without",
                     found);
    return !found;
}

bool pg_hosts_read(struct pg_hosts *hosts, const char *uri, struct pg_fault *why) {
    *hosts = (struct pg_hosts){0};
    *why = (struct pg_fault){0};
    for (size_t i = 0; i < sizeof environment / sizeof *environment; i++)
        unsetenv(environment[i]);
    if (strncmp(uri, "postgresql://", 13) != 0 && strncmp(uri, "postgres://", 11) != 0) {
        pg_fault_set(why, PG_SETTINGS, "QUEUE does not begin with postgresql://");
        return false;
    }
    hosts->options = PQconninfoParse(uri, NULL);
    if (!hosts->options) {
        tell_mistake(uri, why);
        return false;
    }
    return check_options(hosts, why) && read_hosts(hosts, why) && check_security(hosts, why);
}

void pg_hosts_free(struct pg_hosts *hosts) {
    PQconninfoFree(hosts->options);
    *hosts = (struct pg_hosts){0};
}

PGconn *pg_hosts_dial(const struct pg_hosts *hosts, int at) {
    const char *keywords[PARAMETERS_MAX] = {"gssencmode", "host", "port"};
    const char *values[PARAMETERS_MAX] = {"disable", hosts->hosts[at].name, hosts->hosts[at].port};
    int count = 3;
    for (const PQconninfoOption *option = hosts->options; option->keyword; option++) {
        if (!option->val || strcmp(option->keyword, "host") == 0 ||
            strcmp(option->keyword, "port") == 0)
            continue;
        keywords[count] = option->keyword; /* the last of two with one keyword counts */
        values[count++] = option->val;
    }
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        keywords[count] = fixed[i][0];
        values[count++] = fixed[i][1];
    }
    return PQconnectStartParams(keywords, values, 0);
}
