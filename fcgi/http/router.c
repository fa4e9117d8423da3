#include "router.h"

#include <stdio.h>
#include <string.h>

#include "base/keys.h"
#include "base/refusals.h"
#include "clock.h"
#include "demands.h"
#include "log.h"
#include "metrics/metrics.h"
#include "origin.h"
#include "problem.h"
#include "queue/id.h"

enum { IGNORED_BODY_BYTES_MAX = 524288 };

/* Whether a route has this path; *id gets the id of an item in the path. */
static bool path_fits(const struct route *route, const char *path, struct uuid *id) {
    size_t length = strlen(route->path);
    if (route->path[length - 1] != '/')
        return strcmp(path, route->path) == 0;
    return strncmp(path, route->path, length) == 0 && id_parse(id, path + length);
}

/* Adds a method to the Allow header's value. */
static void allow(char *value, size_t size, const char *method) {
    size_t used = strlen(value);
    snprintf(value + used, size - used, "%s%s%s", used ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

static bool is_served(const struct call *call, const struct route *route) {
    static const enum listener listeners[] = {[CALLER_CLIENT] = LISTENER_PUBLIC,
                                              [CALLER_WORKER] = LISTENER_WORKER,
                                              [CALLER_PEER] = LISTENER_WORKER,
                                              [CALLER_MONITOR] = LISTENER_METRICS};
    return listeners[route->caller] == call->server->listener;
}

/* The first route of the call's path, whatever its method; NULL when there is none. */
static const struct route *find_path(struct call *call) {
    for (const struct route *route = call->server->routes; route->method; route++) {
        if (is_served(call, route) && path_fits(route, call->request->path, &call->id))
            return route;
    }
    return NULL;
}

/* Who makes a call. For an unknown path: the callers of the paths beside it, or else workers. */
static enum caller caller_of(const struct call *call, const struct route *found) {
    if (found)
        return found->caller;
    for (const struct route *route = call->server->routes; route->method; route++) {
        size_t folder = (size_t)(strrchr(route->path, '/') - route->path) + 1;
        if (folder > 1 && strncmp(call->request->path, route->path, folder) == 0)
            return route->caller;
    }
    return CALLER_WORKER;
}

/* What an unknown path is answered, by listener. */
static const char *nothing_here(enum listener listener) {
    if (listener == LISTENER_PUBLIC)
        return "There is nothing at this path; the calls are /enqueue, /pullCompleted, /items, "
               "/items/ID, /healthz, /stats and those below it, and those of operators below "
               "/admin/.";
    return listener == LISTENER_WORKER
               ? "There is nothing at this path; the calls are /lease, /results and /retire, and "
                 "those of other nodes."
               : "There is nothing at this path; here is /metrics and nothing else.";
}

/* Sets call->route to the first fitting one from this route on. False, with the reply filled, for
 * an unknown path or method. */
static bool find_route(struct call *call, const struct route *route) {
    struct reply *reply = &call->server->reply;
    char allowed[64] = "";
    if (!route) {
        problem_reply(reply, PROBLEM_NOT_FOUND, "%s", nothing_here(call->server->listener));
        return false;
    }
    for (; route->method; route++) {
        if (!is_served(call, route) || !path_fits(route, call->request->path, &call->id))
            continue;
        if (strcmp(route->method, call->request->method) == 0) {
            call->route = route;
            return true;
        }
        allow(allowed, sizeof allowed, route->method);
    }
    problem_reply(reply, PROBLEM_METHOD_NOT_ALLOWED, "This path takes %s.", allowed);
    reply_header(reply, "Allow", allowed);
    return false;
}

/* Whether the call came by TLS: nginx says so of this one, or the settings of the listener. */
static bool is_by_tls(const struct call *call) {
    const char *https = request_parameter(call->request, "HTTPS");
    return call->server->conf->tls_listener_cert[0] != '\0' || (https && *https != '\0');
}

/* Whether the caller's certificate is of the role that makes these calls; a listener without TLS
 * passes none. CLIENT_ROLE is nginx's word: a header field of that name is HTTP_CLIENT_ROLE. */
static bool check_role(struct call *call, const char *wanted) {
    const char *role = request_parameter(call->request, "CLIENT_ROLE");
    if (auth_role(role, wanted, is_by_tls(call)))
        return true;
    if (role && *role != '\0')
        problem_reply(&call->server->reply, PROBLEM_CERTIFICATE,
                      "This call takes a certificate with OU=%s in its subject; that of the caller "
                      "is of the role %s.",
                      wanted, role);
    else
        problem_reply(&call->server->reply, PROBLEM_CERTIFICATE,
                      "This listener speaks TLS, and its web server does not pass the role of the "
                      "caller's certificate; its operator must use hashmill-worker.conf as it is.");
    return false;
}

/* The reply to a call whose credential is not one of those that make it. */
static void refuse_credential(struct call *call, bool peers) {
    struct reply *reply = &call->server->reply;
    enum identity_kind kind = call->identity.kind;
    if (kind == IDENTITY_NONE || kind == IDENTITY_EXPIRED) {
        problem_reply(reply, PROBLEM_UNAUTHORIZED,
                      "%sSend the header Authorization: Bearer TOKEN with this node's %s.",
                      kind == IDENTITY_EXPIRED ? "The time of this key is over. " : "",
                      peers ? "PEER_TOKEN, the same on all nodes"
                            : "WORKER_TOKEN, a worker's key, or the token of a machine that it "
                              "launched");
        reply_header(reply, "WWW-Authenticate", "Bearer");
        return;
    }
    problem_reply(reply, PROBLEM_FORBIDDEN, "%s",
                  peers ? "Only other nodes make these calls, with PEER_TOKEN: workers and keys "
                          "have no part in them."
                        : "Only workers make these calls, with WORKER_TOKEN, a key of the role "
                          "worker or the token of a machine.");
}

/* The reply to a call on the public listener without a key that has a part in it. It does not tell
 * whether a key was ever good. */
static void refuse_client(struct call *call) {
    struct reply *reply = &call->server->reply;
    enum identity_kind kind = call->identity.kind;
    if (kind != IDENTITY_NONE && kind != IDENTITY_EXPIRED) {
        problem_reply(
            reply, PROBLEM_FORBIDDEN,
            "Clients, operators and viewers make these calls, each with a key of its own: "
            "workers and nodes have no part in them.");
        return;
    }
    const char *sent = call_field(call, "HTTP_AUTHORIZATION");
    problem_reply(reply, PROBLEM_UNAUTHORIZED,
                  "%sSend the header Authorization: Bearer KEY, once, with a key that this node's "
                  "operator has given you.",
                  sent && *sent != '\0' ? "This key is not known at this node (any more). " : "");
    reply_header(reply, "WWW-Authenticate", "Bearer");
}

/* Counts the refusal. What the caller sent is in no log. */
static void note_refusal(const struct call *call) {
    const char *address = request_parameter(call->request, "REMOTE_ADDR");
    const struct identity *identity = &call->identity;
    char why[WHY_SIZE] = "its credential is not for this call";
    if (identity->kind == IDENTITY_EXPIRED)
        snprintf(why, sizeof why, "the time of its key, one of %s, is over", identity->name);
    else if (identity->kind == IDENTITY_NONE)
        snprintf(why, sizeof why, "its credential does not count");
    refusals_note(address ? address : "an unknown address", why);
}

/* With KEYS the public listener takes calls with a key of a role that has a part in it, but for
 * those that everybody may make. */
static bool authorize_client(struct call *call, const struct route *found) {
    struct identity *identity = &call->identity;
    if (!call->server->conf->keys) {
        identity->kind = IDENTITY_OPEN;
        return true;
    }
    auth_identify(call->server->conf, call_field(call, "HTTP_AUTHORIZATION"), identity);
    if (auth_may(identity) != 0 || (found && found->may == 0))
        return true;
    refuse_client(call);
    note_refusal(call);
    return false;
}

/* Whether the role of a client's key may make this call. */
static bool role_fits(struct call *call) {
    int may = call->route->may;
    if (call->route->caller != CALLER_CLIENT || may == 0 || (auth_may(&call->identity) & may) != 0)
        return true;
    problem_reply(&call->server->reply, PROBLEM_FORBIDDEN,
                  "A key of the role %s does not make this call; %s does.",
                  key_role_name(call->identity.key->role),
                  may == MAY_OPERATOR  ? "that of an operator"
                  : may == MAY_SEE_ALL ? "one of an operator or a viewer"
                                       : "one of a client or an operator");
    note_refusal(call);
    return false;
}

/* Everything on the worker listener needs a credential, and with TLS a certificate: other nodes'
 * calls theirs, workers' calls theirs. Whoever reaches that of metrics may read them. Sets
 * call->identity. */
static bool authorize(struct call *call, const struct route *found) {
    enum caller caller = caller_of(call, found);
    bool peers = caller == CALLER_PEER;
    if (call->server->listener == LISTENER_PUBLIC)
        return authorize_client(call, found);
    if (call->server->listener == LISTENER_METRICS) {
        call->identity.kind = IDENTITY_OPEN;
        return true;
    }
    if (!check_role(call, peers ? "peer" : "worker"))
        return false;
    auth_identify(call->server->conf, call_field(call, "HTTP_AUTHORIZATION"), &call->identity);
    if (peers ? call->identity.kind == IDENTITY_PEER : auth_is_worker(&call->identity))
        return true;
    refuse_credential(call, peers);
    note_refusal(call);
    return false;
}

static void ignore(void *context, const char *bytes, size_t length) {
    (void)context;
    (void)bytes;
    (void)length;
}

/* Skips a body that has no meaning for its call. */
static bool skip_body(struct call *call) {
    if (call->route->reads_body)
        return true;
    enum request_body result =
        request_read_body(call->request, IGNORED_BODY_BYTES_MAX, ignore, NULL);
    if (result != REQUEST_BODY_OK)
        problem_of_body(&call->server->reply, result, IGNORED_BODY_BYTES_MAX);
    return result == REQUEST_BODY_OK;
}

bool router_match(struct call *call) {
    char why[WHY_SIZE];
    const struct route *route = find_path(call);
    if (!origin_is_own(call) || !authorize(call, route) || !find_route(call, route) ||
        !role_fits(call))
        return false;
    if (call->route->caller == CALLER_CLIENT)
        auth_whose(&call->identity, &call->whose);
    if (!query_parse(&call->query, call->request->query, call->route->parameters, why,
                     sizeof why)) {
        problem_reply(&call->server->reply, PROBLEM_BAD_PARAMETER, "%s", why);
        return false;
    }
    return demands_met(call) && skip_body(call);
}

/* Says who may keep the reply to a call of /stats or below. With KEYS it is the caller's alone.
 * Without them everybody gets the same, and may get it from nginx, up to a second old; a failure
 * never. */
static void set_keeper(struct call *call) {
    static const char stats[] = "/stats";
    struct reply *reply = &call->server->reply;
    const char *path = call->request->path;
    size_t length = strlen(stats);
    if (call->server->listener != LISTENER_PUBLIC || strncmp(path, stats, length) != 0 ||
        (path[length] != '\0' && path[length] != '/'))
        return;
    if (call->server->conf->keys)
        reply->keeper = KEPT_BY_NOBODY_PRIVATE;
    else if (reply->status == 200)
        reply->keeper = KEPT_BY_NGINX;
}

/* The route that a call has, or would have had if it had not been refused before; NULL: none. */
static const struct route *route_of(struct call *call) {
    if (call->route)
        return call->route;
    for (const struct route *route = call->server->routes; route->method; route++) {
        if (is_served(call, route) && path_fits(route, call->request->path, &call->id) &&
            strcmp(route->method, call->request->method) == 0)
            return route;
    }
    return NULL;
}

/* Counts a call before its reply is sent: who has it finds it counted. What nginx passes on is
 * counted where it is answered. */
static void note_call(struct call *call) {
    const struct reply *reply = &call->server->reply;
    const struct route *route = route_of(call);
    if (!reply->passes_on)
        metrics_add_request(route ? (int)(route - call->server->routes) : -1, reply->status,
                            clock_steady_us() - call->began_us);
}

bool call_finish(struct call *call) {
    demands_of_reply(call);
    set_keeper(call);
    note_call(call);
    log_debug("%s %s is answered %d", call->request->method, call->request->path,
              call->server->reply.status);
    return request_finish(call->request, &call->server->reply);
}

void router_misdirected(struct call *call) {
    problem_reply(&call->server->reply, PROBLEM_MISDIRECTED,
                  "The processes behind this socket do not serve this call; send it through nginx "
                  "as hashmill's templates set it up.");
}
