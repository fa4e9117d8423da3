#ifndef HASHMILL_NOTIFY_H
#define HASHMILL_NOTIFY_H

#include <stdint.h>

/*
 * Messages to the service manager, as sd_notify(3) describes: datagrams of KEY=VALUE lines to the
 * socket that NOTIFY_SOCKET names. That protocol is guaranteed to stay; libsystemd would bring its
 * compression libraries into every process for these few lines.
 */

/* Sends one message, as in notify("READY=1\nSTATUS=%d processes serve", count). Without a service
 * manager nothing happens; a failure is logged. errno is preserved. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tells the service manager that this process's main loop turns, when it is due. Call it in every
 * turn, and again at the steady time in ms that it returns: INT64_MAX when the service manager does
 * not ask this process (WATCHDOG_USEC, WATCHDOG_PID). It is due three times in WATCHDOG_USEC, so
 * that one may be lost: it never waits for the service manager. */
int64_t notify_alive(void);

/* Removes what the service manager has set from the environment, for a process that it must not
 * mistake for this one: a child, or a program about to be executed. */
void notify_forget(void);

#endif
