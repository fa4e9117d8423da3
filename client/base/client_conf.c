#include "base/client_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificate.h"
#include "http.h"

#define TEXT(...) SETTING_OF_TEXT(struct client_conf, __VA_ARGS__)
/* Other programs use such names: in the environment only HASHMILL_URL counts, and so on. */
#define PREFIXED(key, field, unit, preset, help)                                                   \
    { key, SETTING_TEXT, unit, help, offsetof(struct client_conf, field), 0, 0, 0, preset, true }

static const char system_file[] = "/etc/hashmill/client.env";

static const struct setting table[] = {
    PREFIXED("URL", url, "URLs", "http://127.0.0.1:8080",
             "Base URLs of the nodes, separated by commas or spaces, tried in turn."),
    PREFIXED("KEY_FILE", key_file, "path", "",
             "File that holds the key of this client, readable by its owner only; empty: no key."),
    PREFIXED("TLS_CA", tls_ca, "path", "",
             "Certificate authorities (PEM) to trust in place of the system's."),
    PREFIXED("TLS_CERT", tls_cert, "path", "",
             "Certificate (PEM) that is shown to nodes that are called by https."),
    PREFIXED("TLS_KEY", tls_key, "path", "", "The key of TLS_CERT (PEM, without a passphrase)."),
    PREFIXED("PLAIN_TOKENS", plain_tokens, "yes or no", "no",
             "yes: the key may go to other machines over plain http, where all on the way can read "
             "it; no: to this machine only."),
};

enum { TABLE_SIZE = sizeof table / sizeof *table };

/* Appends a file of settings to the list if there is one. */
static void add_file(struct settings_files *files, const char *path) {
    if (access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR))
        settings_add_file(files, path);
}

/* The user's file: $XDG_CONFIG_HOME/hashmill/config, or the same below ~/.config. */
static void user_file(char *path, size_t size) {
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    path[0] = '\0';
    if (config && config[0] == '/')
        snprintf(path, size, "%s/hashmill/config", config);
    else if (home && home[0] == '/')
        snprintf(path, size, "%s/.config/hashmill/config", home);
}

/* Cuts URL into its URLs. */
static bool split_urls(struct client_conf *conf, char *why, size_t why_size) {
    memcpy(conf->urls_text, conf->url, sizeof conf->urls_text);
    conf->url_count = http_split_base_urls(conf->urls_text, conf->urls, CLIENT_NODES_MAX, "URL",
                                           "http://127.0.0.1:8080", why, why_size);
    return conf->url_count > 0;
}

/* Cuts the end of the line off a key and checks that it can stand in a header field, and that there
 * is nothing else. */
static bool is_key(char *key, size_t length) {
    size_t end = strcspn(key, "\r\n");
    if (end + strspn(key + end, "\r\n") != length || length == CLIENT_KEY_SIZE - 1)
        return false;
    key[end] = '\0';
    for (const char *at = key; *at != '\0'; at++) {
        if (*at < '!' || *at > '~')
            return false;
    }
    return key[0] != '\0';
}

/* Reads the key out of the open file. */
static bool read_key(struct client_conf *conf, int fd, char *why, size_t why_size) {
    struct stat file;
    if (fstat(fd, &file) != 0 || !S_ISREG(file.st_mode)) {
        snprintf(why, why_size, "KEY_FILE: %s is not a file", conf->key_file);
        return false;
    }
    if ((file.st_uid != geteuid() && file.st_uid != 0) || (file.st_mode & 0077) != 0) {
        snprintf(why, why_size,
                 "KEY_FILE: %s may be read or changed by others (mode %04o, user %u): make it your "
                 "own and 0600, as by chmod 600",
                 conf->key_file, (unsigned)file.st_mode & 07777, (unsigned)file.st_uid);
        return false;
    }
    ssize_t got = read(fd, conf->key, sizeof conf->key - 1);
    if (got < 0) {
        snprintf(why, why_size, "KEY_FILE: cannot read %s: %s", conf->key_file, strerror(errno));
        return false;
    }
    conf->key[got] = '\0';
    if ((size_t)got < sizeof conf->key - 1 && is_key(conf->key, (size_t)got))
        return true;
    snprintf(why, why_size,
             "KEY_FILE: %s must hold the key alone, one line without spaces, as "
             "hashmill-fcgi --key prints it",
             conf->key_file);
    return false;
}

/* Loads the key, and sees that it goes nowhere in the clear. */
static bool load_key(struct client_conf *conf, char *why, size_t why_size) {
    if (conf->key_file[0] == '\0')
        return true;
    int fd = open(conf->key_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        snprintf(why, why_size, "KEY_FILE: cannot open %s: %s", conf->key_file, strerror(errno));
        return false;
    }
    bool good = read_key(conf, fd, why, why_size);
    close(fd);
    for (int i = 0; i < conf->url_count && good; i++)
        good = certificate_guards("URL", conf->urls[i], conf->plain_tokens, why, why_size);
    return good;
}

/* Puts what the command line gives into a setting. */
static bool overrule(char *setting, const char *value, const char *option, char *why,
                     size_t why_size) {
    if (value && strlen(value) >= SETTING_TEXT_SIZE) {
        snprintf(why, why_size, "%s must be shorter than %d bytes", option, SETTING_TEXT_SIZE);
        return false;
    }
    if (value)
        memcpy(setting, value, strlen(value) + 1);
    return true;
}

bool client_conf_load(struct client_conf *conf, const char *url, const char *key_file, char *why,
                      size_t why_size) {
    struct settings_files files = {0};
    char user[SETTING_TEXT_SIZE];
    user_file(user, sizeof user);
    add_file(&files, system_file);
    if (user[0] != '\0')
        add_file(&files, user);
    if (!settings_load(table, TABLE_SIZE, &files, conf, why, why_size) ||
        !overrule(conf->url, url, "--url", why, why_size) ||
        !overrule(conf->key_file, key_file, "--key-file", why, why_size) ||
        !split_urls(conf, why, why_size))
        return false;
    struct http_tls tls = {.ca = conf->tls_ca, .cert = conf->tls_cert, .key = conf->tls_key};
    return certificate_check(&tls, false, why, why_size) && load_key(conf, why, why_size);
}

void client_conf_help(FILE *out) {
    settings_help(out, table, TABLE_SIZE);
}
