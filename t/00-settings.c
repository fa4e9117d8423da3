/* Settings: defaults, then the file, then the environment; what is wrong is named with its place.
 */
#include "../lib/settings.h"

#include <stdlib.h>
#include <unistd.h>

#include "tap.h"

struct target {
    int64_t seconds;
    char name[SETTING_TEXT_SIZE];
};

static const struct setting table[] = {
    {"T_SECONDS", SETTING_INTEGER, "seconds", "How long.", offsetof(struct target, seconds), 1, 60,
     10, NULL},
    {"T_NAME", SETTING_TEXT, "name", "Who.", offsetof(struct target, name), 0, 0, 0, "nobody"},
};

static char path[] = "/tmp/hashmill-settings-XXXXXX";
static struct target target;
static char why[600];

/* Loads a file of this text. */
static bool load(const char *text) {
    FILE *out = fopen(path, "w");
    if (!out || fputs(text, out) < 0 || fclose(out) != 0)
        abort();
    return settings_load(table, 2, path, &target, why, sizeof why);
}

static void refused(const char *text, const char *reason, const char *what) {
    bool loaded = load(text);
    if (!ok(!loaded && strstr(why, reason), "%s", what))
        printf("# loaded %d, said: %s\n", loaded, why);
}

int main(void) {
    int fd = mkstemp(path);
    if (fd < 0)
        abort();
    close(fd);
    ok(settings_load(table, 2, NULL, &target, why, sizeof why), "no file");
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
    ok(!settings_load(table, 2, "/nonexistent", &target, why, sizeof why),
       "a file that is not there");
    unlink(path);
    return done_testing();
}
