#ifndef HASHMILL_PROVIDER_H
#define HASHMILL_PROVIDER_H

/*
 * Calls of the provider, the program that launches, lists and terminates machines. Each call is a
 * process in a group of its own, with a time limit; no function here waits for one.
 * docs/scaling.md says what a provider must do. Its output is not trusted.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/conf.h"
#include "buffer.h"
#include "queue/queue_fleet.h"

enum {
    PROVIDER_CALLS_MAX = 8,  /* under way at once */
    PROVIDER_LIST_MAX = 512, /* machines in a list */
    PROVIDER_IDS_MAX = 16,   /* in one call of terminate */
    PROVIDER_NAME_SIZE = QUEUE_NAME_SIZE,
    PROVIDER_COMPLAINT_SIZE = 200 /* bytes of an error text, with the NUL */
};

enum provider_verb { PROVIDER_LAUNCH, PROVIDER_LIST, PROVIDER_TERMINATE };

/* "launch", "list", "terminate". */
const char *provider_verb_name(enum provider_verb verb);

/* A call under way or just ended. */
struct provider_call {
    enum provider_verb verb;
    char name[PROVIDER_NAME_SIZE]; /* of the machine; "" for a list */
    pid_t pid;                     /* 0: this place is free */
    int pidfd;
    int output_fd; /* of its standard output and error; -1 once closed */
    int error_fd;
    int64_t begun_ms; /* steady time */
    int64_t until_ms; /* deadline: it is killed then */
    bool killed;
    bool too_long; /* it printed more than is allowed */
    struct buffer output;
    struct buffer error;
};

/* How a call ended. */
struct provider_result {
    enum provider_verb verb;
    const char *name;
    int64_t begun_ms;
    bool good;                               /* exit code 0, in time, with valid output */
    char complaint[PROVIDER_COMPLAINT_SIZE]; /* unless good */
    char id[PROVIDER_NAME_SIZE];             /* of a launch, when good */
    const char *text;                        /* of a list, when good: for provider_read_list */
};

struct provider {
    const struct conf *conf;
    struct provider_call calls[PROVIDER_CALLS_MAX];
};

/* conf, which must outlive it, names the program (PROVIDER) and the time that a call may take. */
void provider_open(struct provider *provider, const struct conf *conf);

/* Kills the calls under way and frees everything. */
void provider_close(struct provider *provider);

/* Start a call; name is copied. A launch gets the machine's token in the environment, as
 * MACHINE_TOKEN; no call gets a secret of the nodes. False when too many are under way or no
 * process can be made (that is logged). Terminate takes 1 to PROVIDER_IDS_MAX ids. */
bool provider_launch(struct provider *provider, const char *name);
bool provider_list(struct provider *provider);
bool provider_terminate(struct provider *provider, const char *name, const char *const *ids,
                        int count);

/* Whether a call of that verb about that machine (NULL: any) is under way. */
bool provider_is_calling(const struct provider *provider, enum provider_verb verb,
                         const char *name);

/* Fills fds, which has room for 3 * PROVIDER_CALLS_MAX, with what to poll; returns the number.
 * Lowers *until_ms to the steady time at which provider_next must be called at the latest. */
int provider_poll(const struct provider *provider, struct pollfd *fds, int64_t *until_ms);

/* Reads the output that has come, kills calls that are over their limit, and gives one call that
 * has ended; *result is valid until the next call on this provider. False when none has ended: call
 * it until then. */
bool provider_next(struct provider *provider, struct provider_result *result);

/* One line of a list. */
struct provider_machine {
    char id[PROVIDER_NAME_SIZE];
    char name[PROVIDER_NAME_SIZE];
    bool over;        /* its state is "terminated" */
    int64_t launched; /* seconds since 1970, as the provider says */
};

/* Whether text can be an id: 1 to 64 letters, digits and . _ : / + = -, the first a
 * letter or a digit. */
bool provider_is_id(const char *text);

/* Reads the text of a list, lines of "ID STATE LAUNCHED NAME". A machine whose name is missing or
 * not of the form of an id gets the name "-". Returns the number of machines; -1, with a phrase in
 * *why, when a line has another form or there are more than PROVIDER_LIST_MAX. */
int provider_read_list(const char *text, struct provider_machine *list, const char **why);

#endif
