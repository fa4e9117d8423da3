#ifndef HASHMILL_CHILD_START_H
#define HASHMILL_CHILD_START_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The master's side of child.h: a child's slot in the memory that master and children share. */
struct child_slot {
    _Atomic int64_t busy_since_ms; /* steady time; 0 while idle */
    atomic_bool ready;
};

/* Turns a just forked process into a child: it dies with its master, blocks SIGTERM, logs under its
 * role, says nothing to the service manager, and child_ready writes a byte to ready_fd. role must
 * be a literal. */
void child_start(struct child_slot *own, int ready_fd, const char *role, pid_t master);

#endif
