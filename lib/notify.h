#ifndef HASHMILL_NOTIFY_H
#define HASHMILL_NOTIFY_H

/*
 * What a program tells the service manager that started it, as sd_notify(3) describes: datagrams
 * of KEY=VALUE lines to the socket that NOTIFY_SOCKET names. That protocol is promised to stay as
 * it is; libsystemd would bring its compression libraries into every process for these few lines.
 */

/* Sends one message, as in notify("READY=1\nSTATUS=%d processes serve", count). Without a service
 * manager nothing happens; a failure is logged. errno is preserved. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Takes NOTIFY_SOCKET out of the environment: for a process that is about to become a program which
 * the service manager must not take for this one. */
void notify_forget(void);

#endif
