#ifndef HASHMILL_MEMORY_H
#define HASHMILL_MEMORY_H

/* Gives back memory that was just allocated. When it is NULL the process ends, after logging that
 * there is none for what: "an item". */
void *memory_or_end(void *memory, const char *what);

#endif
