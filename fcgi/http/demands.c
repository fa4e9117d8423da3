#include "demands.h"

#include <string.h>
#include <strings.h>

#include "problem.h"
#include "router.h"

/* Whether a field's list (NULL: none) has no other member than this one; it may be empty. */
static bool lists_only(const char *list, const char *member) {
    size_t length = strlen(member);
    while (list && *(list += strspn(list, " \t,")) != '\0') {
        if (strncasecmp(list, member, length) != 0 || !strchr(" \t,", list[length]))
            return false;
        list += length;
    }
    return true;
}

static bool is_get(const struct call *call) {
    return call->route && strcmp(call->route->method, "GET") == 0;
}

/* RFC 9110, section 10.1.1. nginx has handled 100-continue already. */
static bool expectation_met(struct call *call) {
    const char *expect = call_field(call, "HTTP_EXPECT");
    if (lists_only(expect, "100-continue"))
        return true;
    problem_reply(&call->server->reply, PROBLEM_EXPECTATION,
                  "Nothing but 100-continue can be expected here. Nothing was done; send the "
                  "request without the header field Expect.");
    return false;
}

/* RFC 9110, sections 14.5 and 8.4: whether the body is whole and not encoded. */
static bool body_is_plain(struct call *call) {
    struct reply *reply = &call->server->reply;
    if (call_field(call, "HTTP_CONTENT_RANGE")) {
        problem_reply(reply, PROBLEM_BAD_HEADER,
                      "A part of a body, which Content-Range announces, is not taken. Nothing was "
                      "stored; send the whole body without that header field.");
        return false;
    }
    if (lists_only(call_field(call, "HTTP_CONTENT_ENCODING"), "identity"))
        return true;
    problem_reply(reply, PROBLEM_CODING,
                  "The body has a content coding, and none is decoded here. Nothing was stored; "
                  "send it as it is, without Content-Encoding.");
    reply_header(reply, "Accept-Encoding", "identity");
    return false;
}

/* Whether a GET of this call's path is served. */
static bool is_shown(const struct call *call) {
    for (const struct route *route = call->server->routes; route->method; route++) {
        if (route->caller == call->route->caller && strcmp(route->method, "GET") == 0 &&
            strcmp(route->path, call->route->path) == 0)
            return true;
    }
    return false;
}

/* Whether a precondition is "*". */
static bool is_any(const char *field) {
    return field && strchr(field, '*') && lists_only(field, "*");
}

/* RFC 9110, sections 13.1.1 and 13.2.2. Nothing here has an entity tag, so none matches; "*"
 * matches a path that serves GET. */
static bool match_holds(struct call *call) {
    const char *match = call_field(call, "HTTP_IF_MATCH");
    if (!match || (is_any(match) && is_shown(call)))
        return true;
    problem_reply(&call->server->reply, PROBLEM_PRECONDITION,
                  "If-Match does not hold: nothing here has an entity tag. Nothing was done; send "
                  "the request without it.");
    return false;
}

/* RFC 9110, section 13.1.2. */
static bool none_match_holds(const struct call *call) {
    return !is_any(call_field(call, "HTTP_IF_NONE_MATCH")) || !is_shown(call);
}

/* Whether the preconditions of a call that changes something hold. */
static bool conditions_hold(struct call *call) {
    if (!match_holds(call))
        return false;
    if (none_match_holds(call))
        return true;
    problem_reply(&call->server->reply, PROBLEM_PRECONDITION,
                  "If-None-Match: * is for what is not there yet. Nothing was done; send the "
                  "request without it.");
    return false;
}

bool demands_met(struct call *call) {
    return expectation_met(call) && (!call->route->reads_body || body_is_plain(call)) &&
           (is_get(call) || conditions_hold(call));
}

void demands_of_reply(struct call *call) {
    struct reply *reply = &call->server->reply;
    if (reply->status != 200 || !is_get(call))
        return;
    if (match_holds(call) && !none_match_holds(call))
        reply_begin(reply, 304, NULL);
}
