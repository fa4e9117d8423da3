#ifndef HASHMILL_NOTIFY_H
#define HASHMILL_NOTIFY_H

/*
 * Messages to the service manager, as sd_notify(3) describes: datagrams of KEY=VALUE lines to the
 * socket that NOTIFY_SOCKET names. That protocol is guaranteed to stay; libsystemd would bring its
 * compression libraries into every process for these few lines.
 */

/* Sends one message, as in notify("READY=1\nSTATUS=%d processes serve", count). Without a service
 * manager nothing happens; a failure is logged. errno is preserved. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Removes NOTIFY_SOCKET from the environment, for a process about to exec a program that the
 * service manager must not mistake for this one. */
void notify_forget(void);

#endif
