#include "keys.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hex.h"
#include "memory.h"

enum { WHY_SIZE = 300, BYTES_MAX = 16 << 20 };

static const char blanks[] = " \t\r\n";

/* Of what keys_keep writes: another program may have another struct key. */
static const uint64_t key_version = sizeof(struct key) << 8 | 2;

struct keys {
    int count;
    int capacity;
    struct key *list; /* by hash once the file is read */
};

static const char *const role_names[KEY_ROLES] = {[KEY_WORKER] = "worker",
                                                  [KEY_CLIENT] = "client",
                                                  [KEY_OPERATOR] = "operator",
                                                  [KEY_VIEWER] = "viewer"};

const char *key_role_name(enum key_role role) {
    return role_names[role];
}

enum key_role key_role_named(const char *name) {
    enum key_role role = KEY_WORKER;
    while (role < KEY_ROLES && strcmp(role_names[role], name) != 0)
        role++;
    return role;
}

/* Whether a name could be that of a machine, FLEET-NODE- and 12 hex digits. */
static bool is_like_machine(const char *name) {
    static const char digits[] = "0123456789abcdef";
    enum { RANDOM_DIGITS = 12 };
    const char *random = strrchr(name, '-');
    return random && random > name && strlen(random + 1) == RANDOM_DIGITS &&
           strspn(random + 1, digits) == RANDOM_DIGITS && isdigit((unsigned char)random[-1]);
}

bool key_name_is_good(const char *name) {
    size_t length = strlen(name);
    return !is_like_machine(name) && length > 0 && length < KEY_NAME_SIZE &&
           isalnum((unsigned char)name[0]) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               length &&
           strcmp(name, "shared") != 0;
}

/* Reads a line that has a key. False with the remedy in why. */
static bool read_key(struct key *key, char *line, char *why, size_t why_size) {
    char *rest = NULL;
    const char *role = strtok_r(line, blanks, &rest);
    const char *name = strtok_r(NULL, blanks, &rest);
    const char *hash = strtok_r(NULL, blanks, &rest);
    memset(key, 0, sizeof *key);
    key->role = key_role_named(role);
    if (!name || !hash)
        snprintf(why, why_size,
                 "a line must read ROLE NAME SHA256HEX; make one with: "
                 "hashmill-fcgi --key ROLE NAME");
    else if (key->role == KEY_ROLES)
        snprintf(why, why_size, "\"%.40s\" must be worker, client, operator or viewer", role);
    else if (!key_name_is_good(name))
        snprintf(why, why_size,
                 "\"%.70s\" must be a name of 1 to %d letters, digits, dots, underscores and "
                 "dashes, the first a letter or digit, and neither \"shared\" nor like the "
                 "name of a machine",
                 name, KEY_NAME_SIZE - 1);
    else if (!hex_decode(key->hash, KEY_HASH_SIZE, hash, strlen(hash)))
        snprintf(why, why_size,
                 "the third word must be the SHA-256 of the key, %d lower-case hex digits",
                 2 * KEY_HASH_SIZE);
    else {
        snprintf(key->name, sizeof key->name, "%s", name);
        return key_read_attributes(key, rest, why, why_size);
    }
    return false;
}

static int by_hash(const void *one, const void *other) {
    return memcmp(((const struct key *)one)->hash, ((const struct key *)other)->hash,
                  KEY_HASH_SIZE);
}

/* The place for one more key. NULL with the reason. */
static struct key *next_key(struct keys *keys, char *why, size_t why_size) {
    if (keys->count == KEYS_MAX) {
        snprintf(why, why_size, "there are more than %d keys; remove those that are not used",
                 KEYS_MAX);
        return NULL;
    }
    if (keys->count == keys->capacity) {
        int capacity = keys->capacity ? 2 * keys->capacity : 16;
        keys->list =
            memory_or_end(realloc(keys->list, (size_t)capacity * sizeof *keys->list), "the keys");
        keys->capacity = capacity;
    }
    return &keys->list[keys->count];
}

static bool read_line(struct keys *keys, char *line, char *why, size_t why_size) {
    line += strspn(line, blanks);
    if (*line == '\0' || *line == '#')
        return true;
    struct key *key = next_key(keys, why, why_size);
    if (!key || !read_key(key, line, why, why_size))
        return false;
    keys->count++;
    return true;
}

/* Sorts the keys by their hashes. False with the reason when two lines have the same. */
static bool sort(struct keys *keys, const char *path, char *why, size_t why_size) {
    if (keys->count > 0)
        qsort(keys->list, (size_t)keys->count, sizeof *keys->list, by_hash);
    for (int i = 1; i < keys->count; i++) {
        if (by_hash(&keys->list[i - 1], &keys->list[i]) != 0)
            continue;
        snprintf(why, why_size,
                 "KEYS: %s has one key twice, as %s and as %s; remove one of the lines", path,
                 keys->list[i - 1].name, keys->list[i].name);
        return false;
    }
    return true;
}

/* Whether nobody but its owner and this server can read the file, or change it. */
static bool is_private(int fd, const char *path, char *why, size_t why_size) {
    struct stat file;
    if (fstat(fd, &file) != 0) {
        snprintf(why, why_size, "KEYS: cannot look at %s: %s", path, strerror(errno));
        return false;
    }
    if (!S_ISREG(file.st_mode) || file.st_size > BYTES_MAX) {
        snprintf(why, why_size, "KEYS: %s is %s", path,
                 S_ISREG(file.st_mode) ? "larger than 16 MiB" : "not a file");
        return false;
    }
    bool own = file.st_uid == geteuid();
    const struct passwd *user = getpwuid(geteuid());
    bool roots = file.st_uid == 0 && user && file.st_gid == user->pw_gid;
    mode_t open_to = file.st_mode & 07777;
    if ((own && (open_to & 0177) == 0) || (roots && (open_to & 0137) == 0))
        return true;
    snprintf(why, why_size,
             "KEYS: %s may be read or changed by others (mode %04o, user %u, group %u): make it "
             "0600 and the server's own, or 0640 and root's with the group of the server's user%s",
             path, (unsigned)open_to, (unsigned)file.st_uid, (unsigned)file.st_gid,
             geteuid() == 0 ? "; if it is so, run this as the server's user and not as root" : "");
    return false;
}

/* Whether all lines of a name give it the same weight and quotas. False with the remedy. */
static bool names_agree(const struct keys *keys, const char *path, char *why, size_t why_size) {
    char name[KEY_NAME_SIZE];
    if (!key_disagreeing(keys->list, keys->count, name))
        return true;
    snprintf(why, why_size,
             "KEYS: %s has lines of %s that differ in weight=, items=, work=, rate= or "
             "iterations_max=; give all lines of that name the same",
             path, name);
    return false;
}

/* Reads all lines. False with file, line and remedy in why. */
static bool read_all(struct keys *keys, FILE *in, const char *path, char *why, size_t why_size) {
    char *line = NULL;
    size_t size = 0;
    char reason[WHY_SIZE] = "";
    bool good = true;
    ssize_t length;
    for (int number = 1; good && (length = getline(&line, &size, in)) >= 0; number++) {
        good = strlen(line) == (size_t)length;
        if (!good)
            snprintf(reason, sizeof reason, "it has a NUL byte, so this is no text");
        good = good && read_line(keys, line, reason, sizeof reason);
        if (!good)
            snprintf(why, why_size, "KEYS: %s line %d: %s", path, number, reason);
    }
    if (good && !feof(in)) {
        snprintf(why, why_size, "KEYS: cannot read %s: %s", path, strerror(errno));
        good = false;
    }
    free(line);
    return good;
}

struct keys *keys_read(const char *path, char *why, size_t why_size) {
    struct keys *keys = memory_or_end(calloc(1, sizeof *keys), "the keys");
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *in = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (!in)
        snprintf(why, why_size, "KEYS: cannot read %s: %s", path, strerror(errno));
    bool good = in && is_private(fd, path, why, why_size) &&
                read_all(keys, in, path, why, why_size) && sort(keys, path, why, why_size) &&
                names_agree(keys, path, why, why_size);
    if (in)
        fclose(in);
    else if (fd >= 0)
        close(fd);
    if (good)
        return keys;
    keys_free(keys);
    return NULL;
}

static const char keep_variable[] = "HASHMILL_KEPT_KEYS"; /* names the descriptor */

void keys_keep(const struct keys *keys) {
    char text[16];
    int fd = keys ? memfd_create("keys", 0) : -1;
    size_t size = keys ? (size_t)keys->count * sizeof *keys->list : 0;
    if (fd < 0)
        return;
    snprintf(text, sizeof text, "%d", fd);
    if (write(fd, &key_version, sizeof key_version) == (ssize_t)sizeof key_version &&
        write(fd, keys->list, size) == (ssize_t)size)
        setenv(keep_variable, text, 1);
    else
        close(fd);
}

struct keys *keys_kept(void) {
    const char *text = getenv(keep_variable);
    int fd = text ? (int)strtol(text, NULL, 10) : -1;
    uint64_t version = 0;
    struct stat file;
    struct keys *keys = NULL;
    if (fd < 0)
        return NULL;
    unsetenv(keep_variable);
    if (fstat(fd, &file) == 0 &&
        pread(fd, &version, sizeof version, 0) == (ssize_t)sizeof version &&
        version == key_version) {
        size_t size = (size_t)file.st_size - sizeof version;
        keys = memory_or_end(calloc(1, sizeof *keys), "the keys");
        keys->list = memory_or_end(malloc(size + 1), "the keys");
        keys->count = keys->capacity = (int)(size / sizeof *keys->list);
        if (pread(fd, keys->list, size, sizeof version) != (ssize_t)size) {
            keys_free(keys);
            keys = NULL;
        }
    }
    close(fd);
    return keys;
}

void keys_free(struct keys *keys) {
    if (keys)
        free(keys->list);
    free(keys);
}

int keys_count(const struct keys *keys) {
    return keys->count;
}

int keys_names(const struct keys *keys) {
    return key_names(keys->list, keys->count);
}

const struct key *keys_find(const struct keys *keys, const char *text) {
    struct key wanted = {0};
    if (keys->count == 0 ||
        EVP_Digest(text, strlen(text), wanted.hash, NULL, EVP_sha256(), NULL) != 1)
        return NULL;
    return bsearch(&wanted, keys->list, (size_t)keys->count, sizeof *keys->list, by_hash);
}
