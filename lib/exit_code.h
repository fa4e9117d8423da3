#ifndef HASHMILL_EXIT_CODE_H
#define HASHMILL_EXIT_CODE_H

/* Exit codes of processes. A supervisor restarts after OK and TEMPORARY, not after the others. The
 * numbers are those of sysexits.h where it has one. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_TEMPORARY = 75, /* cannot go on now: no memory or descriptors, told twice to stop */
    EXIT_UNSAFE = 76,    /* its data or results cannot be trusted; an operator must look */
    EXIT_CONFIG = 78     /* will never work with these settings */
};

#endif
