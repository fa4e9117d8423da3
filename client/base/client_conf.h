#ifndef HASHMILL_CLIENT_CONF_H
#define HASHMILL_CLIENT_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "settings.h"

enum { CLIENT_NODES_MAX = 8, CLIENT_KEY_SIZE = 256 };

/* The settings of hashmill, the client. client_conf.c has the table; `hashmill --help` prints it.
 */
struct client_conf {
    char url[SETTING_TEXT_SIZE];
    char key_file[SETTING_TEXT_SIZE];
    char tls_ca[SETTING_TEXT_SIZE];
    char tls_cert[SETTING_TEXT_SIZE];
    char tls_key[SETTING_TEXT_SIZE];
    char plain_tokens[SETTING_TEXT_SIZE];

    char urls_text[SETTING_TEXT_SIZE];  /* url, cut into strings */
    const char *urls[CLIENT_NODES_MAX]; /* base URLs without a slash at the end, in urls_text */
    int url_count;
    char key[CLIENT_KEY_SIZE]; /* what KEY_FILE holds; empty: none */
};

/* Reads the settings: defaults, /etc/hashmill/client.env, the user's config, the environment, then
 * what the command line gives (NULL: nothing). Reads the key. False with a sentence in why that
 * says what to do. The struct must not move: urls points into it. */
bool client_conf_load(struct client_conf *conf, const char *url, const char *key_file, char *why,
                      size_t why_size);

/* Prints every setting. */
void client_conf_help(FILE *out);

#endif
