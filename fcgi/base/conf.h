#ifndef HASHMILL_CONF_H
#define HASHMILL_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "http.h"
#include "settings.h"

struct keys;

enum { PEER_URL_SIZE = 256, CONF_KEPT_DAYS_MAX = 36500 };

/* The other node, from PEERS. */
struct peer {
    int node;
    char url[PEER_URL_SIZE]; /* base URL of its worker listener */
};

/* COPY: the replica that the peer keeps of this node's queue. */
enum copying {
    COPY_NONE,
    COPY_ASYNC, /* the replica gets each batch soon after clients were answered */
    COPY_SYNC   /* the replica gets it before that, unless this takes too long */
};

/* The settings of hashmill-fcgi, by the names of their keys. conf.c has the table with units,
 * ranges and defaults; `hashmill-fcgi --help` prints it. */
struct conf {
    int64_t node;
    char database[SETTING_TEXT_SIZE];
    char run_dir[SETTING_TEXT_SIZE];
    char socket_group[SETTING_TEXT_SIZE];
    char worker_token[SETTING_TEXT_SIZE];
    char keys_file[SETTING_TEXT_SIZE];
    char hosts[SETTING_TEXT_SIZE];
    char metrics_clients[SETTING_TEXT_SIZE];
    char machine_secret[SETTING_TEXT_SIZE];
    char machine_secret_old[SETTING_TEXT_SIZE];
    char log_level[SETTING_TEXT_SIZE];
    char log_format[SETTING_TEXT_SIZE];
    int64_t processes_public;
    int64_t processes_intake;
    int64_t processes_worker;
    int64_t wait_slots_public;
    int64_t wait_slots_worker;
    int64_t body_bytes_max;
    int64_t items_max;
    int64_t iterations_max;
    int64_t remaining_max;
    int64_t wal_max;
    int64_t pulled_days;
    int64_t cancelled_days;
    int64_t lease_seconds;
    int64_t in_hand_start;
    int64_t size_penalty_ns;
    int64_t operation_seconds;
    int64_t busy_seconds;
    int64_t drain_seconds;
    char provider[SETTING_TEXT_SIZE];
    char fleet[SETTING_TEXT_SIZE];
    int64_t workers_min;
    int64_t workers_max;
    int64_t wait_launch_seconds;
    int64_t boot_seconds;
    int64_t boot_seconds_max;
    int64_t list_seconds;
    int64_t provider_seconds;
    char peers_text[SETTING_TEXT_SIZE]; /* PEERS as given; parsed into has_peer and peer */
    char peer_token[SETTING_TEXT_SIZE];
    char copy_text[SETTING_TEXT_SIZE]; /* COPY as given; parsed into copying */
    int64_t peer_ms;
    int64_t peer_looks;
    int64_t loan_seconds;
    char tls_ca[SETTING_TEXT_SIZE];
    char tls_cert[SETTING_TEXT_SIZE];
    char tls_key[SETTING_TEXT_SIZE];
    char plain_tokens[SETTING_TEXT_SIZE];
    char tls_listener_cert[SETTING_TEXT_SIZE];
    struct keys *keys; /* of KEYS; NULL without it */
    bool has_peer;
    struct peer peer;
    enum copying copying;
};

/* Reads the settings: defaults, files, environment; then checks rules beyond the ranges of single
 * keys. False with a sentence in why that says what to do. */
bool conf_load(struct conf *conf, const struct settings_files *files, char *why, size_t why_size);

/* The peer with this NODE, or NULL. */
const struct peer *conf_peer(const struct conf *conf, int node);

/* Whether HOSTS has this name, in any letters. */
bool conf_has_host(const struct conf *conf, const char *name);

/* Whether METRICS_CLIENTS is yes. */
bool conf_tells_clients(const struct conf *conf);

/* The certificate files for calls to other nodes; the paths live in conf. */
struct http_tls conf_tls(const struct conf *conf);

/* Prints every key with unit, range, default. */
void conf_help(FILE *out);

#endif
