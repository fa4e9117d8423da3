#ifndef HASHMILL_CLIENT_EXIT_H
#define HASHMILL_CLIENT_EXIT_H

/* The exit codes of the program hashmill. */
enum client_exit {
    CLIENT_DONE = 0,
    CLIENT_FAILED = 1,     /* something failed */
    CLIENT_USAGE = 2,      /* the command line or a setting is wrong */
    CLIENT_UNKNOWN_ID = 3, /* there is no such item */
    CLIENT_REFUSED = 4,    /* the key is missing, unknown, or not allowed to do that */
    CLIENT_LATER = 5,      /* nothing more can be done now: try again later */
    CLIENT_RUNNING = 6,    /* --timeout has passed and items are not done yet */
    CLIENT_DIFFERS = 7,    /* a value is not the right one */
    CLIENT_INTERRUPTED = 130
};

/* Of two exit codes of one command, the one that says more: CLIENT_FAILED gives way to any other
 * failure; the first of the others stays. */
static inline int client_exit_worse(int first, int second) {
    return first == CLIENT_DONE || (first == CLIENT_FAILED && second != CLIENT_DONE) ? second
                                                                                     : first;
}

#endif
