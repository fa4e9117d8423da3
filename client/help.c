#include <stdio.h>
#include <string.h>

#include "table.h"

enum { COLUMN = 28, NAME_SIZE = 100 };

/* Prints "  NAME     TEXT", with at least three blanks between, by which the manual page knows them
 * apart. */
static void print_row(const char *name, const char *text, const char *more) {
    printf("  %-*s   %s%s\n", COLUMN, name, text, more);
}

static void print_verb(const struct verb *verb) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%s %s", verb->name, verb->arguments);
    print_row(name, verb->help, "");
}

/* Prints an option, with the verbs that take it if there are such. */
static void print_option(const struct option_row *option, bool with_verbs) {
    char name[NAME_SIZE] = "";
    char more[NAME_SIZE] = "";
    if (option->letter != 0)
        snprintf(name, sizeof name, "-%c, ", option->letter);
    size_t used = strlen(name);
    snprintf(name + used, sizeof name - used, "--%s%s%s", option->name, option->argument ? " " : "",
             option->argument ? option->argument : "");
    if (with_verbs && option->verbs[0] != '\0')
        snprintf(more, sizeof more, " (%.*s)", (int)strlen(option->verbs) - 1, option->verbs);
    print_row(name, option->help, more);
}

void help_print(void) {
    printf("hashmill %s: puts files into a hashmill queue and gets their values\n\n"
           "usage: hashmill VERB [OPTION]... [ARGUMENT]...\n"
           "usage: hashmill VERB --help\n\n"
           "Verbs:\n",
           HASHMILL_VERSION);
    for (const struct verb *verb = verbs; verb->name; verb++)
        print_verb(verb);
    printf("\n");
    for (const struct option_row *option = option_rows; option->name; option++)
        print_option(option, true);
    printf("  %-*s   print the version\n", COLUMN, "--version");
    printf("\nData goes to standard output, messages to standard error. A command that was\n"
           "interrupted goes on when it is run again, and puts nothing twice.\n"
           "Exit codes: 0 done, 1 something failed, 2 the command line or a setting is wrong,\n"
           "3 no such item or job, 4 the key is refused, 5 try again later, 6 --timeout has\n"
           "passed and items are not done yet, 7 a value is wrong, 76 this machine computes\n"
           "wrongly, 130 interrupted.\n\n"
           "Settings, in /etc/hashmill/client.env, ~/.config/hashmill/config or (these win) in "
           "the\nenvironment, as HASHMILL_URL and so on:\n");
    client_conf_help(stdout);
}

void help_print_verb(const struct verb *verb) {
    printf("hashmill %s: %s\n\nusage: hashmill %s%s%s\n\n", verb->name, verb->help, verb->name,
           verb->arguments[0] != '\0' ? " " : "", verb->arguments);
    for (const struct option_row *option = option_rows; option->name; option++) {
        if (option_is_of(option, verb))
            print_option(option, false);
    }
}

/* Prints the options that a verb takes. */
static void print_options(const struct verb *verb) {
    for (const struct option_row *option = option_rows; option->name; option++) {
        if (!option_is_of(option, verb))
            continue;
        if (option->letter != 0)
            printf("-%c ", option->letter);
        printf("--%s ", option->name);
    }
}

/* Prints the patterns that lead from the word before to words, or for an empty list to files. */
static void print_values(void) {
    for (const struct option_row *option = option_rows; option->name; option++) {
        if (option->words)
            printf("    --%s) words='%s' ;;\n", option->name, option->words);
        else if (option->argument &&
                 (strcmp(option->argument, "FILE") == 0 || strcmp(option->argument, "LIST") == 0))
            printf("    --%s) return ;;\n", option->name);
    }
}

/* The function for bash; where it gives nothing bash completes names of files. */
static void print_bash(void) {
    printf("_hashmill() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]:-} words=\n"
           "    COMPREPLY=()\n"
           "    case ${COMP_WORDS[COMP_CWORD - 1]} in\n");
    print_values();
    printf("    *)\n        case $verb in\n");
    for (const struct verb *verb = verbs; verb->name; verb++) {
        printf("        %s) words='", verb->name);
        print_options(verb);
        printf("'\n            [[ $word == -* ]] || words='%s' ;;\n",
               verb->words ? verb->words : "");
    }
    printf("        esac\n        [[ $COMP_CWORD -gt 1 ]] || words='");
    for (const struct verb *verb = verbs; verb->name; verb++)
        printf("%s ", verb->name);
    printf("--help --version' ;;\n    esac\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
           "}\ncomplete -o bashdefault -o default -F _hashmill hashmill\n");
}

bool completion_print(const char *shell) {
    bool zsh = strcmp(shell, "zsh") == 0;
    if (!zsh && strcmp(shell, "bash") != 0)
        return false;
    printf("# Completion of hashmill for %s: %s\n", shell,
           zsh ? "eval \"$(hashmill completion zsh)\"" : "source <(hashmill completion bash)");
    if (zsh)
        printf("autoload -U +X bashcompinit && bashcompinit\n");
    print_bash();
    return true;
}
