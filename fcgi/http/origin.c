#include "origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/refusals.h"
#include "problem.h"

enum { HOST_SIZE = 300, PORT_MAX = 65535, HTTP_PORT = 80, HTTPS_PORT = 443 };

/* What a Host field has, or an Origin behind its scheme. */
struct authority {
    const char *host; /* not ended by a NUL; IPv6 in its brackets */
    size_t length;
    int port; /* 0: none is given */
};

/* Reads HOST or HOST:PORT. False for anything else. */
static bool read_authority(const char *text, struct authority *authority) {
    const char *end = strchr(text, ']');
    authority->host = text;
    authority->length = *text == '[' && end ? (size_t)(end - text) + 1 : strcspn(text, ":");
    authority->port = 0;
    const char *at = text + authority->length;
    if (authority->length == 0 || strcspn(text, "/?#@, \t") < strlen(text))
        return false;
    if (*at == '\0')
        return true;
    if (*at++ != ':')
        return false;
    for (; *at >= '0' && *at <= '9' && authority->port <= PORT_MAX; at++)
        authority->port = 10 * authority->port + *at - '0';
    return *at == '\0' && authority->port <= PORT_MAX;
}

/* Whether both name one server; a port that is not given is the default one. */
static bool is_same(const struct authority *one, const struct authority *other, int default_port) {
    int port = one->port ? one->port : default_port;
    return one->length == other->length && strncasecmp(one->host, other->host, one->length) == 0 &&
           port == (other->port ? other->port : default_port);
}

/* Whether an Origin field names the server of a Host field. "null" and a list of several do not. */
static bool is_own_origin(const char *origin, const char *host) {
    static const char plain[] = "http://";
    static const char secure[] = "https://";
    struct authority one;
    struct authority other;
    bool is_plain = strncasecmp(origin, plain, strlen(plain)) == 0;
    if (!is_plain && strncasecmp(origin, secure, strlen(secure)) != 0)
        return false;
    return read_authority(origin + strlen(is_plain ? plain : secure), &one) &&
           read_authority(host, &other) && is_same(&one, &other, is_plain ? HTTP_PORT : HTTPS_PORT);
}

/* Whether a name is that of this machine in every browser: localhost, or below it. */
static bool is_localhost(const char *name) {
    static const char localhost[] = "localhost";
    size_t length = strlen(name);
    if (length < strlen(localhost))
        return false;
    const char *tail = name + length - strlen(localhost);
    return strcasecmp(tail, localhost) == 0 && (tail == name || tail[-1] == '.');
}

/* Whether a Host field has what no other site can make lead here: an address, localhost, or a name
 * of HOSTS. A dot behind a name does not count. */
static bool is_known_host(const struct conf *conf, const char *host) {
    unsigned char address[sizeof(struct in6_addr)];
    char name[HOST_SIZE];
    struct authority authority;
    if (!read_authority(host, &authority) || authority.length >= sizeof name)
        return false;
    memcpy(name, authority.host, authority.length);
    name[authority.length] = '\0';
    if (name[0] == '[') {
        name[authority.length - 1] = '\0';
        return inet_pton(AF_INET6, name + 1, address) == 1;
    }
    if (inet_pton(AF_INET, name, address) == 1)
        return true;
    if (name[authority.length - 1] == '.')
        name[authority.length - 1] = '\0';
    return is_localhost(name) || conf_has_host(conf, name);
}

/* Whether a text is an address beyond loopback. */
static bool is_network_address(const char *text) {
    struct in_addr four;
    struct in6_addr six;
    if (inet_pton(AF_INET, text, &four) == 1)
        return (ntohl(four.s_addr) >> 24) != IN_LOOPBACKNET;
    if (inet_pton(AF_INET6, text, &six) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&six))
        return six.s6_addr[12] != IN_LOOPBACKNET;
    return !IN6_IS_ADDR_LOOPBACK(&six);
}

/* Copies the request's Host, "" without one. What does not fit becomes a host that is none. */
static void copy_host(struct call *call, char host[HOST_SIZE]) {
    const char *field = call_field(call, "HTTP_HOST");
    int length = snprintf(host, HOST_SIZE, "%s", field ? field : "");
    if (length >= HOST_SIZE)
        snprintf(host, HOST_SIZE, ",");
}

/* Whether a listener that is open to everybody was called by a name of its own. Every browser sends
 * a Host. That of metrics is opened on purpose, and changes nothing. */
static bool host_is_own(struct call *call, const char *host) {
    const struct conf *conf = call->server->conf;
    const char *address = request_parameter(call->request, "SERVER_ADDR");
    if (call->server->listener == LISTENER_PUBLIC && address && is_network_address(address))
        refusals_note_open(address);
    if (*host == '\0' || strcmp(call->request->path, "/healthz") == 0 || is_known_host(conf, host))
        return true;
    problem_reply(&call->server->reply, PROBLEM_FOREIGN_HOST,
                  "The name in Host is not known here, and may be one that another site makes lead "
                  "to this server. Nothing was done: call the server by its address, or have its "
                  "operator name it in HOSTS%s.",
                  call->server->listener == LISTENER_PUBLIC ? " or set KEYS" : "");
    return false;
}

static bool has(struct call *call, const char *field, const char *value) {
    const char *text = call_field(call, field);
    return text && strcasecmp(text, value) == 0;
}

/* Whether a page of another origin loads this as a part of it, such as an object or a frame. It
 * could not read that, but whether it loads, and when. A link to here is none. */
static bool is_part_of_another(struct call *call) {
    static const char site[] = "HTTP_SEC_FETCH_SITE";
    return (has(call, site, "cross-site") || has(call, site, "same-site")) &&
           call_field(call, "HTTP_SEC_FETCH_DEST") && !has(call, "HTTP_SEC_FETCH_DEST", "document");
}

/* Whether a page of another site makes this call, which changes something. */
static bool is_made_by_another(struct call *call, const char *host) {
    const char *origin = call_field(call, "HTTP_ORIGIN");
    return has(call, "HTTP_SEC_FETCH_SITE", "cross-site") ||
           (origin && !is_own_origin(origin, host));
}

/* Whether no other site's page makes this call. */
static bool page_is_own(struct call *call, const char *host) {
    bool reads = strcmp(call->request->method, "GET") == 0;
    if (reads ? !is_part_of_another(call) : !is_made_by_another(call, host))
        return true;
    problem_reply(
        &call->server->reply, PROBLEM_CROSS_SITE,
        "By Origin or Sec-Fetch-Site a page of another site makes this call, and none may "
        "change anything here, or have anything of it as a part. Nothing was done; a "
        "program that is no browser leaves these fields out.");
    return false;
}

bool origin_is_own(struct call *call) {
    char host[HOST_SIZE];
    if (call->server->listener == LISTENER_WORKER)
        return true;
    copy_host(call, host);
    bool open = call->server->listener == LISTENER_METRICS || !call->server->conf->keys;
    if (open && !host_is_own(call, host))
        return false;
    return page_is_own(call, host);
}
