#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { VARIABLE_SIZE = 64 }; /* bytes of a variable's name with its NUL */

static const char prefix[] = "HASHMILL_";

static int64_t *integer_at(const struct setting *setting, void *target) {
    return (int64_t *)(void *)((char *)target + setting->offset);
}

static char *text_at(const struct setting *setting, void *target) {
    return (char *)target + setting->offset;
}

/* Checks a value and stores it. False with the reason in why. */
static bool set(const struct setting *setting, const char *value, void *target, char *why,
                size_t why_size) {
    if (setting->type == SETTING_TEXT) {
        if (strlen(value) >= SETTING_TEXT_SIZE) {
            snprintf(why, why_size, "%s must be shorter than %d bytes", setting->key,
                     SETTING_TEXT_SIZE);
            return false;
        }
        memcpy(text_at(setting, target), value, strlen(value) + 1);
        return true;
    }
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    bool digits = isdigit((unsigned char)value[0]) || value[0] == '-';
    if (!digits || errno != 0 || *end != '\0' || number < setting->min || number > setting->max) {
        snprintf(why, why_size, "%s must be a whole number from %lld to %lld (%s)", setting->key,
                 (long long)setting->min, (long long)setting->max, setting->unit);
        return false;
    }
    *integer_at(setting, target) = number;
    return true;
}

static const struct setting *find(const struct setting *table, size_t count, const char *key) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].key, key) == 0)
            return &table[i];
    }
    return NULL;
}

/* Cuts white space off both ends, in place. */
static char *trim(char *text) {
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    return text;
}

/* Applies one line of the file. */
static bool set_line(const struct setting *table, size_t count, char *line, void *target, char *why,
                     size_t why_size) {
    char *key = trim(line);
    if (*key == '\0' || *key == '#')
        return true;
    char *equals = strchr(key, '=');
    if (!equals) {
        snprintf(why, why_size, "a line must read KEY=VALUE");
        return false;
    }
    *equals = '\0';
    key = trim(key);
    char *value = trim(equals + 1);
    size_t length = strlen(value);
    if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
        value[length - 1] = '\0';
        value++;
    }
    const struct setting *setting = find(table, count, key);
    if (!setting) {
        snprintf(why, why_size, "%.60s is not a setting; --help lists them", key);
        return false;
    }
    return set(setting, value, target, why, why_size);
}

static bool load_file(const struct setting *table, size_t count, const char *file, void *target,
                      char *why, size_t why_size) {
    FILE *in = fopen(file, "re");
    if (!in) {
        snprintf(why, why_size, "cannot read the settings file %s: %s", file, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t size = 0;
    bool good = true;
    char reason[400] = "";
    ssize_t length;
    for (int number = 1; good && (length = getline(&line, &size, in)) >= 0; number++) {
        good = strlen(line) == (size_t)length;
        if (!good)
            snprintf(reason, sizeof reason, "it has a NUL byte; this file must be a text");
        good = good && set_line(table, count, line, target, reason, sizeof reason);
        if (!good)
            snprintf(why, why_size, "%s line %d: %s", file, number, reason);
    }
    if (good && ferror(in)) {
        snprintf(why, why_size, "cannot read the settings file %s: %s", file, strerror(errno));
        good = false;
    }
    free(line);
    fclose(in);
    return good;
}

bool settings_add_file(struct settings_files *files, const char *path) {
    if (files->count == SETTINGS_FILES_MAX)
        return false;
    files->path[files->count++] = path;
    return true;
}

/* The value of a setting in the environment, or NULL; variable gets the variable's name. */
static const char *in_environment(const struct setting *setting, char variable[VARIABLE_SIZE]) {
    snprintf(variable, VARIABLE_SIZE, "%s%s", prefix, setting->key);
    const char *value = getenv(variable);
    if (value || setting->prefixed)
        return value;
    snprintf(variable, VARIABLE_SIZE, "%s", setting->key);
    return getenv(variable);
}

void settings_blame(const struct setting *table, size_t count, char *why, size_t why_size) {
    char key[VARIABLE_SIZE];
    size_t length = strspn(why, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    snprintf(key, sizeof key, "%.*s", length < sizeof key ? (int)length : 0, why);
    const struct setting *setting = find(table, count, key);
    char variable[VARIABLE_SIZE];
    if (!setting || !in_environment(setting, variable) || strcmp(variable, setting->key) != 0)
        return;
    size_t end = strlen(why);
    snprintf(why + end, why_size - end,
             " (%s is exported; unset it, or set %s%s, which goes before it)", key, prefix, key);
}

static bool load_environment(const struct setting *table, size_t count, void *target, char *why,
                             size_t why_size) {
    for (size_t i = 0; i < count; i++) {
        char variable[VARIABLE_SIZE];
        char reason[400];
        const char *value = in_environment(&table[i], variable);
        if (!value || set(&table[i], value, target, reason, sizeof reason))
            continue;
        settings_blame(table, count, reason, sizeof reason);
        snprintf(why, why_size, "environment: %s", reason);
        return false;
    }
    return true;
}

bool settings_load(const struct setting *table, size_t count, const struct settings_files *files,
                   void *target, char *why, size_t why_size) {
    for (size_t i = 0; i < count; i++) {
        if (table[i].type == SETTING_INTEGER)
            *integer_at(&table[i], target) = table[i].preset;
        else
            snprintf(text_at(&table[i], target), SETTING_TEXT_SIZE, "%s", table[i].preset_text);
    }
    for (int i = 0; i < files->count; i++) {
        if (!load_file(table, count, files->path[i], target, why, why_size))
            return false;
    }
    return load_environment(table, count, target, why, why_size);
}

void settings_help(FILE *out, const struct setting *table, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct setting *setting = &table[i];
        if (setting->type == SETTING_INTEGER)
            fprintf(out, "  %s (%s, %lld to %lld, default %lld)\n", setting->key, setting->unit,
                    (long long)setting->min, (long long)setting->max, (long long)setting->preset);
        else
            fprintf(out, "  %s (%s, default \"%s\")\n", setting->key, setting->unit,
                    setting->preset_text);
        fprintf(out, "      %s", setting->help);
        if (setting->prefixed)
            fprintf(out, " In the environment only %s%s counts.", prefix, setting->key);
        fprintf(out, "\n");
    }
}
