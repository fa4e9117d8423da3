#ifndef HASHMILL_EXIT_CODE_H
#define HASHMILL_EXIT_CODE_H

/* With what processes exit, for those who start them again: after TEMPORARY and OK, not after the
 * others. The numbers are those of sysexits.h where that has one. */
enum exit_code {
    EXIT_OK = 0,
    EXIT_TEMPORARY = 75, /* it cannot go on now: no memory or descriptors, told twice to stop */
    EXIT_UNSAFE = 76,    /* what it stores or computes cannot be trusted; an operator must look */
    EXIT_CONFIG = 78     /* it will never work with these settings */
};

#endif
