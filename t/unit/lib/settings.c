/* Settings: defaults, then the files, then the environment; what is wrong is named with its place.
 */
#include "settings.h"

#include <stdlib.h>
#include <unistd.h>

#include "scratch.h"
#include "tap.h"

struct target {
    int64_t seconds;
    char name[SETTING_TEXT_SIZE];
    int64_t number;
};

static const struct setting table[] = {
    {"T_SECONDS", SETTING_INTEGER, "seconds", "How long.", offsetof(struct target, seconds), 1, 60,
     10, NULL, false},
    {"T_NAME", SETTING_TEXT, "name", "Who.", offsetof(struct target, name), 0, 0, 0, "nobody",
     false},
    {.key = "T_NUMBER", .prefixed = true, .offset = offsetof(struct target, number), .max = 9},
};

enum { TABLE_SIZE = sizeof table / sizeof *table };

static char path[60];
static struct target target;
static char why[600];

static void write_file(const char *name, const char *text) {
    FILE *out = fopen(name, "w");
    if (!out || fputs(text, out) < 0 || fclose(out) != 0)
        abort();
}

/* Loads a file of this text. */
static bool load(const char *text) {
    struct settings_files files = {{path}, 1};
    write_file(path, text);
    return settings_load(table, TABLE_SIZE, &files, &target, why, sizeof why);
}

/* Two files: a later one wins, and what is wrong with one is said of that one. */
static void check_two_files(void) {
    char second[60];
    struct settings_files files = {0};
    scratch_template(second, "settings");
    int fd = mkstemp(second);
    if (fd < 0)
        abort();
    close(fd);
    ok(settings_add_file(&files, path) && settings_add_file(&files, second), "two files");
    write_file(path, "T_SECONDS=20\nT_NAME=first\n");
    write_file(second, "T_NAME=second\n");
    ok(settings_load(table, TABLE_SIZE, &files, &target, why, sizeof why), "are read");
    is_int(target.seconds, 20, "what only the first has holds");
    is_text(target.name, "second", "the later file wins");
    setenv("T_NAME", "third", 1);
    ok(settings_load(table, TABLE_SIZE, &files, &target, why, sizeof why), "with the environment");
    is_text(target.name, "third", "which wins over all files");
    unsetenv("T_NAME");
    write_file(second, "\nT_SECONDS=0\n");
    bool loaded = settings_load(table, TABLE_SIZE, &files, &target, why, sizeof why);
    ok(!loaded && strstr(why, second) && strstr(why, "line 2"), "the second file is named");
    unlink(second);
    loaded = settings_load(table, TABLE_SIZE, &files, &target, why, sizeof why);
    ok(!loaded && strstr(why, second), "and when it is not there");
    while (files.count < SETTINGS_FILES_MAX)
        settings_add_file(&files, path);
    ok(!settings_add_file(&files, path), "one too many");
}

static void refused(const char *text, const char *reason, const char *what) {
    bool loaded = load(text);
    if (!ok(!loaded && strstr(why, reason), "%s", what))
        printf("# loaded %d, said: %s\n", loaded, why);
}

/* The environment has HASHMILL_KEY, or else KEY; what others export for themselves only the first.
 */
static void check_environment(void) {
    setenv("T_SECONDS", "30", 1);
    setenv("HASHMILL_T_SECONDS", "40", 1);
    setenv("T_NUMBER", "/usr/bin/node", 1);
    ok(load("T_SECONDS=20\nT_NUMBER=3\n"), "somebody else's variable");
    is_int(target.seconds, 40, "the long name wins over the short one");
    is_int(target.number, 3, "a file has the number by its short name");
    setenv("HASHMILL_T_NUMBER", "4", 1);
    ok(load("T_NUMBER=3\n"), "the long name of the number");
    is_int(target.number, 4, "wins over the file");
    setenv("HASHMILL_T_NAME", "", 1);
    ok(load("T_NAME=x\n"), "an empty text");
    is_text(target.name, "", "is one");
    setenv("HASHMILL_T_SECONDS", "99", 1);
    refused("", "environment: T_SECONDS must be a whole number from 1 to 60",
            "the long name's value");
    ok(!strstr(why, "exported"), "and nothing is said of the short one");
    unsetenv("HASHMILL_T_SECONDS");
    setenv("T_SECONDS", "INFO", 1);
    refused("", "set HASHMILL_T_SECONDS, which goes before it",
            "the short name's value, with the way out");
    refused("T_NUMBER=x\n", "line 1: T_NUMBER must be a whole number from 0 to 9",
            "a file's is the file's");
    unsetenv("T_SECONDS");
    unsetenv("T_NUMBER");
    unsetenv("HASHMILL_T_NUMBER");
    unsetenv("HASHMILL_T_NAME");
}

static void check_blame(void) {
    snprintf(why, sizeof why, "T_NAME must be a colour");
    settings_blame(table, TABLE_SIZE, why, sizeof why);
    is_text(why, "T_NAME must be a colour", "a setting from a file or by default");
    setenv("T_NAME", "x", 1);
    settings_blame(table, TABLE_SIZE, why, sizeof why);
    ok(strstr(why, "T_NAME must be a colour (T_NAME is exported; unset it, or set HASHMILL_T_NAME"),
       "a setting by its short name");
    snprintf(why, sizeof why, "no key: T_NAME");
    settings_blame(table, TABLE_SIZE, why, sizeof why);
    is_text(why, "no key: T_NAME", "another sentence");
    char small[30] = "T_NAME must be a colour";
    settings_blame(table, TABLE_SIZE, small, sizeof small);
    is_text(small, "T_NAME must be a colour (T_NA", "as much as there is room for");
    unsetenv("T_NAME");
}

int main(void) {
    scratch_template(path, "settings");
    int fd = mkstemp(path);
    if (fd < 0)
        abort();
    close(fd);
    struct settings_files files = {0};
    ok(settings_load(table, TABLE_SIZE, &files, &target, why, sizeof why), "no file");
    is_int(target.seconds, 10, "a number's default");
    is_text(target.name, "nobody", "a text's default");
    ok(load("# a comment\n\n  T_SECONDS = 20 \nT_NAME=\"a b\"\n"), "comments, blanks, quotes");
    is_int(target.seconds, 20, "a number from the file");
    is_text(target.name, "a b", "a text from the file");
    setenv("T_SECONDS", "30", 1);
    ok(load("T_SECONDS=20\nT_NAME=x"), "the last line needs no end");
    is_int(target.seconds, 30, "the environment wins");
    setenv("T_SECONDS", "61", 1);
    refused("", "environment: T_SECONDS must be a whole number from 1 to 60", "out of range there");
    unsetenv("T_SECONDS");
    refused("\nT_SECONDS=0\n", "line 2: T_SECONDS must be", "below the range, with the line");
    refused("T_SECONDS=5x\n", "T_SECONDS must be", "trailing junk");
    refused("T_SECONDS=\n", "T_SECONDS must be", "empty number");
    refused("T_SECONDS=99999999999999999999\n", "T_SECONDS must be", "a number past all bounds");
    refused("T_SECOND=5\n", "T_SECOND is not a setting", "an unknown key");
    refused("T_NAME\n", "KEY=VALUE", "a line without =");
    settings_add_file(&files, "/nonexistent");
    ok(!settings_load(table, TABLE_SIZE, &files, &target, why, sizeof why),
       "a file that is not there");
    check_two_files();
    check_environment();
    check_blame();
    unlink(path);
    return done_testing();
}
