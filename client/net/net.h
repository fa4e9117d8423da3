#ifndef HASHMILL_CLIENT_NET_H
#define HASHMILL_CLIENT_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/client_conf.h"
#include "buffer.h"
#include "json.h"

/*
 * The conversation with the nodes. A request that fails is repeated, with a delay that grows and is
 * drawn, and no earlier than Retry-After says. A request whose outcome is unknown goes to the node
 * that may have carried it out; any other goes to a node that answers, else to the one that is due
 * first. While there is another node, one that is silent is waited for shorter.
 */

struct net;

enum { NET_ANY = -1, ANSWER_WHY_SIZE = 600, NET_TIME_SIZE = 9 /* "HH:MM:SS" */ };

/* A request. The texts are borrowed until it has ended. */
struct ask {
    const char *method; /* GET, POST, PUT or DELETE */
    const char *path;   /* with its query */
    const char *type;   /* of the body; NULL: JSON */
    const char *header; /* one more header line; NULL: none */
    const char *body;   /* length bytes */
    size_t length;
    int wait_seconds; /* how long the node may hold the reply */
    bool in_lines;    /* of a 200 the caller says how it went, by net_put_off or net_went_well */
};

enum outcome {
    OUTCOME_ANSWERED, /* it is done, or refused for good: see status; 0: the node is not trusted */
    OUTCOME_NOT_DONE, /* it was not carried out: may be repeated anywhere, later */
    OUTCOME_UNKNOWN,  /* it may have been carried out: to be repeated at the same node */
    OUTCOME_INTERRUPTED /* the user wants to stop */
};

/* What became of a request. Starts zeroed, is reused, and freed by answer_free. */
struct answer {
    bool over; /* the others are set */
    enum outcome outcome;
    int node;           /* that was asked */
    int status;         /* of HTTP; 0: no whole reply */
    bool foreign;       /* an error that is put otherwise than a node does */
    struct buffer body; /* with a NUL behind it */
    struct buffer link; /* the header field Link; empty: none */
    int64_t retry_after_ms;
    char why[ANSWER_WHY_SIZE]; /* for people; of a 2xx: that it is not the one that was meant */
    struct net *net;           /* private, as the next two */
    bool in_lines;
    struct http_call *call;
};

/* Opens a conversation with the nodes of conf, which must outlive it. NULL, with a message, when
 * libcurl cannot start. */
struct net *net_open(const struct client_conf *conf, int64_t deadline_ms);
void net_close(struct net *net);

int net_count(const struct net *net);
const char *net_url(const struct net *net, int node);

/* The number of a node by its URL, or NET_ANY. */
int net_named(const struct net *net, const char *url);

/* The node to ask next: `owner` unless that is NET_ANY, else one that answers, else the one that
 * may be asked first. */
int net_pick(const struct net *net, int owner);

/* Whether the node may be asked now; waits until it may. The latter is false, at once, when the
 * user wants to stop or the time is over. */
bool net_is_due(const struct net *net, int node);
bool net_wait_due(struct net *net, int node);

/* The steady time in ms from which on the node may be asked. */
int64_t net_due_ms(const struct net *net, int node);

/* Whether the time of the command is over. */
bool net_is_late(const struct net *net);

/* Starts a request to a node; it goes on in net_turn. */
void net_start(struct net *net, int node, const struct ask *ask, struct answer *answer);

/* Notes that a node has answered well; or that it has refused something for now: it is not asked
 * again before retry_after_ms. `why` is said once. */
void net_went_well(struct net *net, int node);
void net_put_off(struct net *net, int node, enum outcome outcome, const char *why,
                 int64_t retry_after_ms);

/* Whether the last request to a node failed, or was put off. */
bool net_is_failing(const struct net *net);

/* How long requests to the node have failed, one after the other; 0: the last went well. And since
 * when: the local time of day. */
int64_t net_failing_ms(const struct net *net, int node);
void net_failing_since(const struct net *net, int node, char text[NET_TIME_SIZE]);

/* Moves requests on, for at most some milliseconds. */
void net_turn(struct net *net, int most_ms);

/* Has a function called in every turn; it returns the steady time in ms when it is to be called
 * again. NULL: none any more. */
void net_each_turn(struct net *net, int64_t (*turn)(void *context), void *context);

/* Waits until a steady time, until the user wants to stop, or until the time is over. */
void net_pause(struct net *net, int64_t until_ms);

/* Waits until a request is over, or gives it up when the user wants to stop. */
void net_finish(struct net *net, struct answer *answer);

/* Asks until there is an answer: at `owner`, or at any node for NET_ANY. Returns CLIENT_DONE with
 * the answer, whatever its status; CLIENT_LATER when the time is over; CLIENT_INTERRUPTED. */
int net_call(struct net *net, int owner, const struct ask *ask, struct answer *answer);

/* As net_call; a status that is not 2xx is said, and is CLIENT_REFUSED, CLIENT_UNKNOWN_ID or
 * CLIENT_FAILED. `what` names the request to the user. */
int net_need(struct net *net, int owner, const struct ask *ask, struct answer *answer,
             const char *what);

/* Asks all nodes once, at the same time; answers[] has one for each. A node without an answer holds
 * up no other. */
void net_ask_all(struct net *net, const struct ask *ask, struct answer answers[]);

/* Whether a request was certainly not carried out. */
bool answer_is_not_done(const struct answer *answer);

/* The exit code of an answer by its status. */
int answer_exit(const struct answer *answer);

/* The same, with a message about `what` unless the status is 2xx. */
int answer_judge(const struct answer *answer, const char *what);

/* Parses the body of a 2xx answer. False, with a message, when it is no JSON. */
bool answer_json(const struct answer *answer, struct json *json);

/* As answer_json, for a list. */
bool answer_list(const struct answer *answer, struct json *json);

/* Says that a 2xx answer is not what a node says. */
void answer_odd(const struct answer *answer);

void answer_free(struct answer *answer);

#endif
