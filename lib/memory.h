#ifndef HASHMILL_MEMORY_H
#define HASHMILL_MEMORY_H

/* Returns memory that was just allocated. If it is NULL, logs that there is no memory for `what`
 * ("an item") and ends the process. */
void *memory_or_end(void *memory, const char *what);

/* Keeps this process's memory, where tokens and keys are, from other processes of its user: nobody
 * but root may look into it (ptrace, /proc/PID/mem, /proc/PID/environ), and no core file has it.
 * Children inherit that; a program that is executed does not. In the build for tests the
 * environment may ask for the contrary, HASHMILL_TEST_DUMPABLE, as a test that is not root's looks
 * there. */
void memory_keep_private(void);

#endif
