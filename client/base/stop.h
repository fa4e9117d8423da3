#ifndef HASHMILL_CLIENT_STOP_H
#define HASHMILL_CLIENT_STOP_H

#include <stdbool.h>

/* From now on SIGINT, SIGTERM and SIGHUP ask the program to stop: calls that wait fail with EINTR,
 * and the descriptor gets readable. The second of them ends the process at once. One that is
 * ignored already, as nohup has it, stays so. */
void stop_catch(void);

/* Whether it was asked to stop. */
bool stop_asked(void);

/* Readable for ever from then on. */
int stop_descriptor(void);

#endif
