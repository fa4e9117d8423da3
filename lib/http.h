#ifndef HASHMILL_HTTP_H
#define HASHMILL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An HTTP client for one thread with many requests under way: an event loop over libcurl. All
 * requests must be idempotent: libcurl may send one a second time by itself when a reused
 * connection turns out to be dead. So their bodies are kept in memory.
 */

enum { HTTP_REPLY_BYTES_MAX = 1024 * 1024 };

/* Paths of PEM files for https, "" for none. They are read for each new connection, which lives for
 * at most five minutes: replaced files are in use after that. */
struct http_tls {
    const char *ca;   /* authorities; one of them must have signed the server's certificate */
    const char *cert; /* the client's certificate, and its key */
    const char *key;
};

struct http;
struct http_call; /* a request under way */

/* The result of a request; valid only during the call of http_done. */
struct http_reply {
    int status;        /* 100..599; 0: no whole reply; the request may have been done */
    const char *error; /* why, when status is 0 */
    bool unsent;       /* and no server got the request: there was no connection */
    bool untrusted;    /* the reason is a certificate of either side */
    const char *body;  /* length bytes and a NUL */
    size_t length;
    const char *link;       /* the header field Link; NULL without one */
    int64_t retry_after_ms; /* from Retry-After, at most a day; 0 without one, or when its date has
                               passed */
};

/* Takes the reply. The call has ended and its pointer is no longer valid. May post new requests. */
typedef void http_done(void *context, const struct http_reply *reply);

struct http_request {
    const char *url;
    const char *method; /* NULL: POST. GET and DELETE send no body */
    const char *bearer; /* token for the Authorization header; NULL for none */
    const char *type;   /* of the body; NULL: JSON */
    const char *header; /* one more line, "Name: value"; NULL: none */
    const char *body;   /* length bytes */
    size_t length;
    int64_t timeout_ms; /* for the whole exchange */
    bool apart;         /* by a connection that only requests of this kind use */
    http_done *done;
    void *context; /* passed to done */
};

/* A descriptor of the caller that http_wait also watches for reading. */
struct http_watch {
    int fd;
    bool readable; /* set by http_wait */
};

/* Opens a client. For https (TLS 1.2 and 1.3) a server must have a certificate for the host of the
 * URL, signed by an authority of tls->ca; no other is trusted. Without tls->ca https is refused.
 * tls may be NULL; its paths must outlive the client. NULL, with a log line, when libcurl cannot
 * start. */
struct http *http_open(const struct http_tls *tls);

/* From now on, as a program in a user's hand: without tls->ca https trusts the authorities of the
 * system, and proxies are those of the environment (https_proxy and so on). This machine is called
 * without one: what is for it alone, as a key over plain http, must not leave it. */
void http_trust_system(struct http *http);

/* Closes the client. Gives up requests under way without calling `done`. */
void http_close(struct http *http);

/* Starts a request; copies everything in it. The reply comes out of a later http_wait, never out of
 * this call. Running out of memory ends the process with a log line. */
struct http_call *http_post(struct http *http, const struct http_request *request);

/* Gives up a request and closes its connection, without calling `done`. */
void http_abort(struct http *http, struct http_call *call);

/* Moves all requests on and calls `done` for those that ended. Waits until a request can be moved
 * on, a watched descriptor is readable, or timeout_ms have passed. */
void http_wait(struct http *http, struct http_watch *watches, unsigned count, int timeout_ms);

/* Whether text can be the base of our URLs: http or https, with a host, without user, query or
 * fragment. */
bool http_is_base_url(const char *text);

/* Checks such a URL, of visible ASCII characters, and cuts slashes off its end, in place. */
bool http_tidy_base_url(char *url);

/* Cuts a list of such URLs, separated by commas or blanks, in place, and tidies each: urls gets 1
 * to most different ones. Returns their number; -1 with a sentence in why that begins with `key`
 * and gives the example. */
int http_split_base_urls(char *list, const char *urls[], int most, const char *key,
                         const char *example, char *why, size_t why_size);

/* Whether such a URL is https. */
bool http_is_secure_url(const char *url);

/* Whether the host of such a URL is this machine: localhost, 127.0.0.0/8 or ::1. A name that only
 * resolves to one of them is not. */
bool http_is_local_url(const char *url);

#endif
