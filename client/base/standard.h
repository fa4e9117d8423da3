#ifndef HASHMILL_CLIENT_STANDARD_H
#define HASHMILL_CLIENT_STANDARD_H

/* Opens those of standard input, output and error that are closed, so that no file of ours gets
 * their numbers: reading and writing them fails. To be called before anything is opened. */
void standard_open(void);

#endif
