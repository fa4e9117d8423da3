#ifndef HASHMILL_CLIENT_TABLE_H
#define HASHMILL_CLIENT_TABLE_H

#include <stdbool.h>

#include "base/command.h"

/*
 * The table of verbs and that of their options. The command line is read by them; --help, the
 * manual page (which is made of --help) and the completion are printed from them.
 */

struct verb {
    const char *name;
    const char *arguments; /* as the usage shows them */
    bool takes_arguments;  /* besides options */
    const char *help;      /* half a sentence */
    const char *words;     /* what the first argument may be, for completion; NULL: files or ids */
    int timeout_seconds;   /* unless --timeout says else; 0: none */
    int (*run)(struct session *session); /* NULL: it prints the completion, without nodes */
};

enum option_type { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER };

struct option_row {
    int letter;           /* 0: none */
    const char *name;     /* the long one */
    const char *argument; /* what the usage calls its value; NULL: it has none */
    const char *verbs;    /* that take it, each followed by a blank; "": all */
    const char *help;     /* half a sentence */
    const char *words;    /* what the value may be, separated by blanks; NULL: anything */
    enum option_type type;
    int offset;  /* in struct command, of a bool, a text or an int64_t */
    int64_t max; /* of a number, which is at least 1 */
};

/* Both end with a row without a name. */
extern const struct verb verbs[];
extern const struct option_row option_rows[];

/* The verb of that name, or NULL. */
const struct verb *verb_named(const char *name);

/* Whether a verb takes an option. */
bool option_is_of(const struct option_row *option, const struct verb *verb);

/* Prints the help of the program, or that of one verb. */
void help_print(void);
void help_print_verb(const struct verb *verb);

/* Prints the completion for a shell, "bash" or "zsh". False for any other. */
bool completion_print(const char *shell);

#endif
