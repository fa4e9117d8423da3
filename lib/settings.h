#ifndef HASHMILL_SETTINGS_H
#define HASHMILL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * A program's settings: one table gives the defaults, the ranges, --help, and where each value
 * goes. Values come from files of KEY=VALUE lines, where a later file wins, and from the
 * environment, which wins over all files: HASHMILL_KEY, or else KEY.
 */

enum {
    SETTING_TEXT_SIZE = 1024, /* bytes of a text setting with its NUL */
    SETTINGS_FILES_MAX = 8
};

/* The files to read, in order. The paths are not copied. */
struct settings_files {
    const char *path[SETTINGS_FILES_MAX];
    int count;
};

enum setting_type { SETTING_INTEGER, SETTING_TEXT };

struct setting {
    const char *key;
    enum setting_type type;
    const char *unit; /* "seconds", "bytes", "path", ...: shown by --help */
    const char *help; /* one sentence */
    size_t offset;    /* in the program's struct, of an int64_t or a char[SETTING_TEXT_SIZE] */
    int64_t min, max, preset; /* of an integer, in unit */
    const char *preset_text;  /* of a text */
    bool prefixed; /* other programs use KEY: in the environment only HASHMILL_KEY counts */
};

/* Rows of a table: a setting in a field of the program's struct. */
#define SETTING_OF_INTEGER(type, key, field, unit, min, max, preset, help)                         \
    { key, SETTING_INTEGER, unit, help, offsetof(type, field), min, max, preset, NULL, false }
#define SETTING_OF_TEXT(type, key, field, unit, preset, help)                                      \
    { key, SETTING_TEXT, unit, help, offsetof(type, field), 0, 0, 0, preset, false }

/* Adds a file to the end of the list; false when there are already SETTINGS_FILES_MAX. */
bool settings_add_file(struct settings_files *files, const char *path);

/* Fills the struct at target: defaults, then the files, then the environment. Skips blank lines and
 * lines that start with #; a value may be in double quotes. False, with target half filled, for an
 * unreadable file, an unknown key in a file or a value out of range; `why` gets a sentence that
 * names the place and the remedy. */
bool settings_load(const struct setting *table, size_t count, const struct settings_files *files,
                   void *target, char *why, size_t why_size);

/* For a sentence that begins with a key, as those of settings_load and of a program's own checks
 * do: if the value came from the environment by the short name, adds that, and how to overrule it.
 * Leaves any other sentence as it is. */
void settings_blame(const struct setting *table, size_t count, char *why, size_t why_size);

/* Prints the table: key, unit, range, default, sentence. */
void settings_help(FILE *out, const struct setting *table, size_t count);

#endif
