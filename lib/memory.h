#ifndef HASHMILL_MEMORY_H
#define HASHMILL_MEMORY_H

/* Returns memory that was just allocated. If it is NULL, logs that there is no memory for `what`
 * ("an item") and ends the process. */
void *memory_or_end(void *memory, const char *what);

#endif
