#include "table.h"

#include <stddef.h>
#include <string.h>

#include "verbs/verbs.h"

enum { SHORT_SECONDS = 60 }; /* for what nobody wants to wait for long */

const struct verb verbs[] = {
    {"run", "FILE... -n N", true, "put files, wait, print their values", NULL, 0, verb_run},
    {"put", "FILE... -n N", true, "put files into the queue, print the ids of their items", NULL, 0,
     verb_put},
    {"wait", "ID...|--job JOB", true, "wait for items, print their values", NULL, 0, verb_wait},
    {"get", "ID...", true, "print state and value of items", NULL, SHORT_SECONDS, verb_get},
    {"pull", "[--out FILE] [-f]", false, "take values that are done, each once", NULL, 0,
     verb_pull},
    {"ls", "[--state STATE]", false, "list items, the newest first", NULL, SHORT_SECONDS, verb_ls},
    {"rm", "ID...|--state STATE", true, "cancel items", NULL, SHORT_SECONDS, verb_rm},
    {"workers", "", false, "list the workers of the last hour", NULL, SHORT_SECONDS, verb_workers},
    {"decisions", "", false, "list the last decisions about the size of the fleet", NULL,
     SHORT_SECONDS, verb_decisions},
    {"admin", "pause|resume PART, admin release NAME", true,
     "for operators: pause intake, leasing or scaling at all nodes; end a quarantine",
     "pause resume release", SHORT_SECONDS, verb_admin},
    {"top", "", false, "show the queue, live on a terminal, once elsewhere", NULL, 0, verb_top},
    {"verify", "FILE N VALUE", true, "compute the value of a file here, and compare", NULL, 0,
     verb_verify},
    {"completion", "bash|zsh", true, "print the completion for a shell", "bash zsh", 0, NULL},
    {NULL, NULL, false, NULL, NULL, 0, NULL},
};

#define FIELD(field) ((int)offsetof(struct command, field))

const struct option_row option_rows[] = {
    {'n', "iterations", "N", "put run verify ", "how many times SHA-512 is applied", NULL,
     OPTION_NUMBER, FIELD(iterations), COMMAND_ITERATIONS_MAX},
    {'r', "recursive", NULL, "put run ", "take the files below directories", NULL, OPTION_FLAG,
     FIELD(recursive), 0},
    {0, "from-file", "LIST", "put run ",
     "take the files that LIST names, one a line; - is standard "
     "input",
     NULL, OPTION_TEXT, FIELD(from_file), 0},
    {0, "from-file", "LIST", "verify ",
     "in place of FILE N VALUE: take the values of -n N that LIST holds, as run prints them", NULL,
     OPTION_TEXT, FIELD(from_file), 0},
    {'0', "null", NULL, "put run ", "the names in LIST end with a NUL, as those of find -print0",
     NULL, OPTION_FLAG, FIELD(null_ends), 0},
    {0, "job", "JOB", "put run wait ",
     "the name of the job, default without it; a file is put once in each", NULL, OPTION_TEXT,
     FIELD(job), 0},
    {0, "send-body", NULL, "put run ", "send the files, not only their digests", NULL, OPTION_FLAG,
     FIELD(send_body), 0},
    {0, "out", "FILE", "pull ",
     "append the values to FILE, each once, whatever is killed and run again", NULL, OPTION_TEXT,
     FIELD(out), 0},
    {'f', "follow", NULL, "pull ", "go on with what gets done later", NULL, OPTION_FLAG,
     FIELD(follow), 0},
    {0, "top", "N", "pull ls ", "at most N of them", NULL, OPTION_NUMBER, FIELD(top), INT64_MAX},
    {0, "state", "STATE", "ls rm ",
     "only items in this state: waiting, leased and, for ls, done, pulled, cancelled",
     "waiting leased done pulled cancelled", OPTION_TEXT, FIELD(state), 0},
    {0, "client", "NAME", "pull ls rm ", "whose items, for operators", NULL, OPTION_TEXT,
     FIELD(client), 0},
    {0, "url", "URLS", "", "the nodes, separated by commas (default: the setting URL)", NULL,
     OPTION_TEXT, FIELD(url), 0},
    {0, "key-file", "FILE", "", "the file with the key that the operator of the node gave you",
     NULL, OPTION_TEXT, FIELD(key_file), 0},
    {0, "timeout", "SECONDS", "",
     "give up after that time (default: never; get ls rm workers decisions admin: 60)", NULL,
     OPTION_NUMBER, FIELD(timeout), 31536000},
    {0, "progress", "HOW", "put run wait verify ",
     "bar (on a terminal; nothing elsewhere), line (one a minute) or none", "bar line none",
     OPTION_TEXT, FIELD(progress), 0},
    {0, "json", NULL, "", "print each line as an object of JSON", NULL, OPTION_FLAG, FIELD(json),
     0},
    {'q', "quiet", NULL, "", "print ids or values only", NULL, OPTION_FLAG, FIELD(quiet), 0},
    {'h', "help", NULL, "", "print the help of the verb", NULL, OPTION_FLAG, FIELD(help), 0},
    {0, NULL, NULL, NULL, NULL, NULL, OPTION_FLAG, 0, 0},
};

const struct verb *verb_named(const char *name) {
    for (const struct verb *verb = verbs; verb->name; verb++) {
        if (strcmp(verb->name, name) == 0)
            return verb;
    }
    return NULL;
}

bool option_is_of(const struct option_row *option, const struct verb *verb) {
    size_t length = strlen(verb->name);
    const char *at = option->verbs;
    if (*at == '\0')
        return true;
    for (; *at != '\0'; at = strchr(at, ' ') + 1) {
        if (strncmp(at, verb->name, length) == 0 && at[length] == ' ')
            return true;
    }
    return false;
}
