#ifndef HASHMILL_WORKER_CONF_H
#define HASHMILL_WORKER_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "http.h"
#include "mill/item.h"
#include "settings.h"

/* The settings of hashmill-worker, by the names of their keys. conf.c has the table with units,
 * ranges and defaults; `hashmill-worker --help` prints it. */
struct worker_conf {
    char nodes[SETTING_TEXT_SIZE];
    char worker_token[SETTING_TEXT_SIZE];
    char machine_token[SETTING_TEXT_SIZE]; /* it wins over worker_token */
    char worker_name[SETTING_TEXT_SIZE];   /* unique per start once loaded */
    char worker_machine[SETTING_TEXT_SIZE];
    int64_t threads; /* never 0 once loaded */
    int64_t idle_seconds;
    char retire_node[SETTING_TEXT_SIZE];
    char kernel[SETTING_TEXT_SIZE];
    int64_t check_percent;
    char log_level[SETTING_TEXT_SIZE];
    char log_format[SETTING_TEXT_SIZE];
    char tls_ca[SETTING_TEXT_SIZE];
    char tls_cert[SETTING_TEXT_SIZE];
    char tls_key[SETTING_TEXT_SIZE];
    char plain_tokens[SETTING_TEXT_SIZE];

    char urls_text[SETTING_TEXT_SIZE]; /* nodes, cut into strings */
    const char *urls[NODES_MAX];       /* base URLs without a slash at the end, in urls_text */
    int url_count;
};

/* Reads the settings: defaults, files, environment. Then checks what a key's range cannot express,
 * and fills in what a default leaves open. False with a sentence in why that says what to do. The
 * struct must not move: urls points into it. */
bool worker_conf_load(struct worker_conf *conf, const struct settings_files *files, char *why,
                      size_t why_size);

/* The files for conversations with nodes; they live in conf. */
struct http_tls worker_conf_tls(const struct worker_conf *conf);

/* Prints every key with unit, range, default. */
void worker_conf_help(FILE *out);

#endif
