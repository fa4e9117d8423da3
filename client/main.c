/*
 * hashmill: the client program. This file reads the command line by the table of verbs, opens what
 * a verb needs, and runs it.
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exit.h"
#include "base/say.h"
#include "base/standard.h"
#include "base/stop.h"
#include "clock.h"
#include "files/journal.h"
#include "log.h"
#include "net/net.h"
#include "table.h"

enum { OPTIONS_MAX = 40, LONG_ONLY = 256, WHY_SIZE = 1500 };

/* What getopt_long is given: the options that a verb takes. A row of the table has its letter as
 * its value, or else LONG_ONLY plus its number. */
struct grammar {
    struct option names[OPTIONS_MAX];
    char letters[2 * OPTIONS_MAX + 2];
};

static void make_grammar(struct grammar *grammar, const struct verb *verb) {
    int count = 0;
    char *letter = grammar->letters;
    *letter++ = ':';
    for (int i = 0; option_rows[i].name && count < OPTIONS_MAX - 1; i++) {
        const struct option_row *row = &option_rows[i];
        if (!option_is_of(row, verb))
            continue;
        grammar->names[count++] = (struct option){
            row->name, row->argument ? required_argument : no_argument, NULL, LONG_ONLY + i};
        if (row->letter != 0)
            *letter++ = (char)row->letter;
        if (row->letter != 0 && row->argument)
            *letter++ = ':';
    }
    *letter = '\0';
    grammar->names[count] = (struct option){0};
}

/* The row that getopt_long has found, or NULL. */
static const struct option_row *row_of(int found) {
    if (found >= LONG_ONLY)
        return &option_rows[found - LONG_ONLY];
    for (const struct option_row *row = option_rows; row->name; row++) {
        if (row->letter == found)
            return row;
    }
    return NULL;
}

/* Whether a value is one of the words of an option. */
static bool is_one_of(const char *value, const char *words) {
    size_t length = strlen(value);
    for (const char *at = words; at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, value, length) == 0 && (at[length] == ' ' || at[length] == '\0'))
            return length > 0;
    }
    return false;
}

static bool set_number(int64_t *number, const struct option_row *row, const char *value) {
    char *end;
    errno = 0;
    long long read = strtoll(value, &end, 10);
    if (value[0] >= '0' && value[0] <= '9' && errno == 0 && *end == '\0' && read >= 1 &&
        read <= row->max) {
        *number = read;
        return true;
    }
    say("--%s must be a whole number from 1 to %lld, and is %s", row->name, (long long)row->max,
        value);
    return false;
}

/* Stores the value of an option. False with a message. */
static bool set(struct command *command, const struct option_row *row, const char *value) {
    char *field = (char *)command + row->offset;
    if (row->type == OPTION_NUMBER)
        return set_number((int64_t *)(void *)field, row, value);
    if (row->type == OPTION_FLAG) {
        *(bool *)(void *)field = true;
        return true;
    }
    *(const char **)(void *)field = value;
    if (!row->words || is_one_of(value, row->words))
        return true;
    say("--%s must be one of: %s", row->name, row->words);
    return false;
}

/* Says what getopt_long does not take: ':' an option without its value, '?' one that is none. */
static void say_wrong(int found, const char *given, const struct verb *verb) {
    char letter[] = {'-', (char)optopt, '\0'}; /* among others behind one dash */
    if (optopt > 0 && optopt < LONG_ONLY)
        given = letter;
    if (found == ':')
        say("%s needs a value; see hashmill %s --help", given, verb->name);
    else
        say("%s is not an option of %s; see hashmill %s --help", given, verb->name, verb->name);
}

/* Checks the arguments. False with a message. */
static bool check_arguments(const struct command *command, const struct verb *verb) {
    if (command->count > 0 && !verb->takes_arguments && !command->help) {
        say("%s takes no argument, and %s is one; see hashmill %s --help", verb->name,
            command->arguments[0], verb->name);
        return false;
    }
    if (!command->job || job_is_named(command->job))
        return true;
    say("--job must be 1 to %d letters, digits, dots, dashes or underscores, the first no dot",
        JOB_LENGTH_MAX);
    return false;
}

/* Reads what stands behind the verb. False with a message. */
static bool read_options(struct command *command, const struct verb *verb, int argc, char **argv) {
    struct grammar grammar = {0};
    int found;
    make_grammar(&grammar, verb);
    opterr = 0;
    while ((found = getopt_long(argc, argv, grammar.letters, grammar.names, NULL)) != -1) {
        if (found == ':' || found == '?') {
            say_wrong(found, argv[optind - 1], verb);
            return false;
        }
        if (!set(command, row_of(found), optarg))
            return false;
    }
    command->arguments = argv + optind;
    command->count = argc - optind;
    return check_arguments(command, verb);
}

/* Runs a verb with the nodes that the settings name. */
static int run_with_nodes(struct session *session, const struct verb *verb) {
    struct command *command = &session->command;
    char why[WHY_SIZE];
    if (!client_conf_load(&session->conf, command->url, command->key_file, why, sizeof why)) {
        say("%s", why);
        return CLIENT_USAGE;
    }
    int64_t seconds = command->timeout > 0 ? command->timeout : verb->timeout_seconds;
    session->deadline_ms = seconds > 0 ? clock_steady_ms() + seconds * 1000 : INT64_MAX;
    session->net = net_open(&session->conf, session->deadline_ms);
    if (!session->net)
        return CLIENT_FAILED;
    int code = verb->run(session);
    net_close(session->net);
    return code;
}

/* Copies the arguments: getopt_long puts them into another order. */
static bool keep_line(struct command *command, int argc, char **argv) {
    command->argc = argc;
    command->argv = calloc((size_t)argc + 1, sizeof *command->argv);
    if (command->argv)
        memcpy(command->argv, argv, (size_t)argc * sizeof *argv);
    return command->argv != NULL;
}

static int print_completion(const struct command *command) {
    if (command->count == 1 && completion_print(command->arguments[0]))
        return CLIENT_DONE;
    say("completion bash or completion zsh");
    return CLIENT_USAGE;
}

static int run_verb(const struct verb *verb, int argc, char **argv) {
    static struct session session;
    int code = CLIENT_USAGE;
    if (!keep_line(&session.command, argc, argv))
        return CLIENT_FAILED;
    if (read_options(&session.command, verb, argc - 1, argv + 1)) {
        code = CLIENT_DONE;
        if (session.command.help)
            help_print_verb(verb);
        else if (!verb->run)
            code = print_completion(&session.command);
        else
            code = run_with_nodes(&session, verb);
    }
    free(session.command.argv);
    return code;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    const struct verb *verb = verb_named(name);
    int code = CLIENT_DONE;
    standard_open();
    setlocale(LC_CTYPE, ""); /* what characters the terminal has */
    log_open("hashmill", "client");
    log_set_level(LOG_LEVEL_WARN);
    stop_catch();
    signal(SIGUSR1, SIG_IGN); /* but while there is a bar: see bar.h */
    if (verb)
        code = run_verb(verb, argc, argv);
    else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        help_print();
    else if (strcmp(name, "--version") == 0)
        printf("hashmill %s\n", HASHMILL_VERSION);
    else {
        say(argc <= 1        ? "say what to do, as by hashmill run FILE -n N; see hashmill --help%s"
            : name[0] == '-' ? "the verb comes before %s; see hashmill --help"
                             : "%s is not a verb; see hashmill --help",
            name);
        code = CLIENT_USAGE;
    }
    return out_flush() ? code : client_exit_worse(code, CLIENT_FAILED);
}
