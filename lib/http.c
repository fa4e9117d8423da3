#include "http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "buffer.h"
#include "log.h"
#include "memory.h"

enum {
    CONNECT_TIMEOUT_MS = 5000,
    IDLE_CONNECTION_SECONDS = 30,  /* not reused after that: routers forget silent connections */
    CONNECTION_LIFE_SECONDS = 300, /* so that a changed address is noticed */
    KEEPALIVE_IDLE_SECONDS = 30,
    KEEPALIVE_INTERVAL_SECONDS = 10,
    RECEIVE_BUFFER_BYTES = 16384,
    RETRY_AFTER_MAX_SECONDS = 86400,
    WATCHES_MAX = 16,
    SPARE_MAX = 16,             /* calls kept for later ones */
    SPARE_BODY_BYTES_MAX = 4096 /* of a reply's body that a spare call keeps */
};

struct http {
    struct http_tls tls;
    bool system; /* see http_trust_system */
    CURLM *multi;
    CURLSH *apart;           /* has the connections of requests that go apart */
    struct http_call *calls; /* all that are under way */
    struct http_call *spare; /* ended well: making a new one takes longer than a request */
    int spare_count;
};

struct http_call {
    CURL *easy;
    struct curl_slist *headers;
    struct buffer body; /* of the reply so far */
    bool too_long;
    bool in_head;                      /* the empty line behind the header has not come yet */
    char error[CURL_ERROR_SIZE + 100]; /* libcurl's words and a remedy */
    http_done *done;
    void *context;
    struct http_call *previous, *next;
};

/* Logs an error of libcurl that never happens; the request will fail or time out by itself. */
static void check_multi(CURLMcode code, const char *what) {
    if (code != CURLM_OK)
        log_error("%s: %s", what, curl_multi_strerror(code));
}

struct http *http_open(const struct http_tls *tls) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        log_error("libcurl cannot start; check its installation");
        return NULL;
    }
    struct http *http = memory_or_end(calloc(1, sizeof *http), "an HTTP request");
    http->tls = tls ? *tls : (struct http_tls){"", "", ""};
    http->multi = memory_or_end(curl_multi_init(), "an HTTP request");
    http->apart = memory_or_end(curl_share_init(), "an HTTP request");
    curl_share_setopt(http->apart, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT);
    return http;
}

void http_trust_system(struct http *http) {
    http->system = true;
}

/* libcurl's write callback: keeps the piece, or ends the transfer by taking less. */
static size_t receive(char *bytes, size_t size, size_t count, void *context) {
    struct http_call *call = context;
    size_t length = size * count;
    if (length > HTTP_REPLY_BYTES_MAX - call->body.length) {
        call->too_long = true;
        return 0;
    }
    buffer_append(&call->body, bytes, length);
    return length;
}

/* libcurl's header callback: it gets line by line, of a 100 Continue and the like, too. */
static size_t receive_head(char *line, size_t size, size_t count, void *context) {
    struct http_call *call = context;
    call->in_head = line[0] != '\r' && line[0] != '\n';
    return size * count;
}

static void add_header(struct http_call *call, const char *line) {
    call->headers = memory_or_end(curl_slist_append(call->headers, line), "an HTTP request");
}

/* Adds a line of two parts. */
static void add_field(struct http_call *call, const char *begin, const char *value) {
    struct buffer line = {0};
    buffer_printf(&line, "%s%s", begin, value);
    add_header(call, line.data);
    buffer_free(&line);
}

static bool has_body(const struct http_request *request) {
    return !request->method || strcmp(request->method, "PUT") == 0 ||
           strcmp(request->method, "POST") == 0;
}

static void set_headers(struct http_call *call, const struct http_request *request) {
    curl_slist_free_all(call->headers);
    call->headers = NULL;
    if (has_body(request))
        add_field(call, "Content-Type: ", request->type ? request->type : "application/json");
    add_header(call, "Accept: application/json, application/problem+json");
    add_header(call, "Expect:"); /* or libcurl waits a second for a 100 Continue */
    if (request->bearer)
        add_field(call, "Authorization: Bearer ", request->bearer);
    if (request->header)
        add_header(call, request->header);
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

/* Sets the connection's time limits, and keeps it to the URL's host. */
static void set_connection(CURL *easy) {
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_IDLE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_SECONDS);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_CONNECTION_SECONDS);
    curl_easy_setopt(easy, CURLOPT_MAXLIFETIME_CONN, (long)CONNECTION_LIFE_SECONDS);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* an abort does not wait for a name server */
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER_BYTES);
}

/* Sets whom the client trusts and what it shows. Keeps libcurl from reusing files read earlier, and
 * from resuming a session that was begun with other files. */
static void set_tls(CURL *easy, const struct http_tls *tls, bool system) {
    bool usable = system || tls->ca[0] != '\0';
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, usable ? "http,https" : "http");
    if (!usable)
        return;
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2); /* or later */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    if (tls->ca[0] != '\0') {
        curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); /* else the system's are trusted, too */
    }
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    if (tls->cert[0] == '\0')
        return;
    curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, tls->key);
    curl_easy_setopt(easy, CURLOPT_KEYPASSWD, ""); /* nobody is there to type a passphrase */
}

/* What is sent and by which connections. The body is copied by COPYPOSTFIELDS. */
static void set_exchange(const struct http *http, struct http_call *call,
                         const struct http_request *request) {
    CURL *easy = call->easy;
    bool direct = !http->system || http_is_local_url(request->url);
    curl_easy_setopt(easy, CURLOPT_PROXY, direct ? "" : NULL); /* NULL: see the environment */
    curl_easy_setopt(easy, CURLOPT_SHARE, request->apart ? http->apart : NULL);
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (!has_body(request)) {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
    curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request->body ? request->body : "");
}

/* Makes a call with all that is the same for every request. */
static struct http_call *make_call(const struct http *http) {
    struct http_call *call = memory_or_end(calloc(1, sizeof *call), "an HTTP request");
    call->easy = memory_or_end(curl_easy_init(), "an HTTP request");
    set_connection(call->easy);
    set_tls(call->easy, &http->tls, http->system);
    curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, (void *)call);
    curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, receive_head);
    curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, (void *)call);
    curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(call->easy, CURLOPT_PRIVATE, (void *)call);
    return call;
}

/* Takes a spare call, or makes one. */
static struct http_call *take_call(struct http *http) {
    struct http_call *call = http->spare;
    if (!call)
        return make_call(http);
    http->spare = call->next;
    http->spare_count--;
    return call;
}

struct http_call *http_post(struct http *http, const struct http_request *request) {
    struct http_call *call = take_call(http);
    call->done = request->done;
    call->context = request->context;
    call->too_long = false;
    call->in_head = true;
    call->error[0] = '\0';
    set_headers(call, request);
    set_exchange(http, call, request);
    call->previous = NULL;
    call->next = http->calls;
    if (call->next)
        call->next->previous = call;
    http->calls = call;
    check_multi(curl_multi_add_handle(http->multi, call->easy), "cannot start a request");
    return call;
}

/* Takes a call out of the list and out of libcurl; its reply stays. */
static void detach(struct http *http, struct http_call *call) {
    check_multi(curl_multi_remove_handle(http->multi, call->easy), "cannot end a request");
    if (call->next)
        call->next->previous = call->previous;
    if (call->previous)
        call->previous->next = call->next;
    else
        http->calls = call->next;
}

static void destroy(struct http_call *call) {
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    buffer_free(&call->body);
    free(call);
}

/* Keeps a call for later requests, without its body and reply. */
static void keep(struct http *http, struct http_call *call) {
    if (http->spare_count == SPARE_MAX) {
        destroy(call);
        return;
    }
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, NULL); /* frees libcurl's copy */
    if (call->body.capacity > SPARE_BODY_BYTES_MAX)
        buffer_free(&call->body);
    buffer_clear(&call->body);
    call->next = http->spare;
    http->spare = call;
    http->spare_count++;
}

void http_abort(struct http *http, struct http_call *call) {
    detach(http, call);
    destroy(call);
}

void http_close(struct http *http) {
    struct http_call *call = http->calls;
    while (call) {
        struct http_call *next = call->next;
        http_abort(http, call);
        call = next;
    }
    while (http->spare)
        destroy(take_call(http));
    curl_multi_cleanup(http->multi);
    curl_share_cleanup(http->apart);
    free(http);
    curl_global_cleanup();
}

/* What an operator can do about a certificate error; NULL for other errors. */
static const char *tls_remedy(CURLcode code) {
    if (code == CURLE_PEER_FAILED_VERIFICATION)
        return "its certificate must be valid, for the host of the URL, and signed by TLS_CA";
    if (code == CURLE_SSL_CERTPROBLEM)
        return "see the files of TLS_CERT and TLS_KEY";
    if (code == CURLE_SSL_CACERT_BADFILE)
        return "see the file of TLS_CA";
    return NULL;
}

/* Whether a request that failed so never left: there was no connection for it. It may have left by
 * an old connection before libcurl tried again by itself. */
static bool is_unsent(CURL *easy, CURLcode code) {
    long sent = 1;
    if (curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent) != CURLE_OK || sent > 0)
        return false;
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_UNSUPPORTED_PROTOCOL ||
           tls_remedy(code) != NULL;
}

/* Writes into a failed reply why the transfer failed. */
static void explain(struct http_reply *reply, struct http_call *call, CURLcode code) {
    const char *remedy = tls_remedy(code);
    reply->untrusted = remedy != NULL;
    reply->unsent = is_unsent(call->easy, code);
    if (call->too_long) {
        reply->error = "the reply is longer than 1 MiB";
        return;
    }
    reply->error = call->error;
    if (call->error[0] == '\0')
        snprintf(call->error, sizeof call->error, "%s", curl_easy_strerror(code));
    size_t used = strlen(call->error);
    if (remedy)
        snprintf(call->error + used, sizeof call->error - used, "; %s", remedy);
}

/* The first header field Link of the last reply, which lives as long as the call's; or NULL. */
static const char *link_of(CURL *easy) {
    struct curl_header *field;
    return curl_easy_header(easy, "Link", 0, CURLH_HEADER, -1, &field) == CURLHE_OK ? field->value
                                                                                    : NULL;
}

/* Hands a call that libcurl has ended to its owner. */
static void finish(struct http *http, struct http_call *call, CURLcode code) {
    long status = 0;
    curl_off_t retry_after = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after);
    if (retry_after < 0) /* a past date, with libcurl before 8.12: retry at once */
        retry_after = 0;
    if (retry_after > RETRY_AFTER_MAX_SECONDS)
        retry_after = RETRY_AFTER_MAX_SECONDS;
    detach(http, call);
    buffer_append(&call->body, "", 1); /* the NUL */
    struct http_reply reply = {.body = call->body.data, .length = call->body.length - 1};
    reply.retry_after_ms = retry_after * 1000;
    reply.link = link_of(call->easy);
    if (code != CURLE_OK)
        explain(&reply, call, code);
    else if (call->in_head) /* libcurl takes it for a whole one */
        reply.error = "the reply ends in its header";
    else if (status < 100 || status > 599)
        reply.error = "the reply has no HTTP status";
    else
        reply.status = (int)status;
    call->done(call->context, &reply);
    if (code == CURLE_OK)
        keep(http, call);
    else
        destroy(call);
}

/* Finishes every call that has ended. `done` may post and abort other calls: the list of messages
 * is libcurl's and stays valid. */
static void finish_ended(struct http *http) {
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        char *call = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        finish(http, (struct http_call *)(void *)call, code);
    }
}

void http_wait(struct http *http, struct http_watch *watches, unsigned count, int timeout_ms) {
    struct curl_waitfd fds[WATCHES_MAX];
    if (count > WATCHES_MAX)
        abort();
    for (unsigned i = 0; i < count; i++)
        fds[i] = (struct curl_waitfd){.fd = watches[i].fd, .events = CURL_WAIT_POLLIN};
    int running;
    check_multi(curl_multi_poll(http->multi, fds, count, timeout_ms, NULL), "cannot wait");
    for (unsigned i = 0; i < count; i++)
        watches[i].readable = fds[i].revents != 0;
    check_multi(curl_multi_perform(http->multi, &running), "cannot move requests on");
    finish_ended(http);
}

bool http_is_secure_url(const char *url) {
    return strncasecmp(url, "https:", strlen("https:")) == 0;
}

/* Whether a host, as it stands in a URL, is a loopback address or localhost, which libcurl never
 * asks a name server for. */
static bool is_loopback(char *host) {
    struct in_addr four;
    struct in6_addr six;
    size_t length = strlen(host);
    if (host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
    }
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    return strcasecmp(host, "localhost") == 0;
}

bool http_is_local_url(const char *text) {
    CURLU *url = curl_url();
    char *host = NULL;
    bool local = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                 curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK && is_loopback(host);
    curl_free(host);
    curl_url_cleanup(url);
    return local;
}

bool http_is_base_url(const char *text) {
    CURLU *url = curl_url();
    char *scheme = NULL;
    char *unwanted = NULL;
    bool good = url && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
                curl_url_get(url, CURLUPART_USER, &unwanted, 0) != CURLUE_OK &&
                curl_url_get(url, CURLUPART_QUERY, &unwanted, 0) != CURLUE_OK &&
                curl_url_get(url, CURLUPART_FRAGMENT, &unwanted, 0) != CURLUE_OK;
    curl_free(scheme);
    curl_free(unwanted);
    curl_url_cleanup(url);
    return good;
}

bool http_tidy_base_url(char *url) {
    for (const char *at = url; *at != '\0'; at++) {
        if (*at < '!' || *at > '~')
            return false;
    }
    if (!http_is_base_url(url))
        return false;
    size_t length = strlen(url);
    while (url[length - 1] == '/')
        url[--length] = '\0';
    return true;
}

int http_split_base_urls(char *list, const char *urls[], int most, const char *key,
                         const char *example, char *why, size_t why_size) {
    char *rest = NULL;
    int count = 0;
    for (char *url = strtok_r(list, ", \t", &rest); url; url = strtok_r(NULL, ", \t", &rest)) {
        if (count == most) {
            snprintf(why, why_size, "%s must name at most %d nodes", key, most);
            return -1;
        }
        bool good = http_tidy_base_url(url);
        for (int i = 0; i < count; i++)
            good = good && strcmp(urls[i], url) != 0;
        if (!good) {
            snprintf(why, why_size,
                     "%s must be different URLs like https://10.0.0.5:8443, separated by commas; "
                     "number %d is not",
                     key, count + 1);
            return -1;
        }
        urls[count++] = url;
    }
    if (count > 0)
        return count;
    snprintf(why, why_size, "%s must name a node, like %s", key, example);
    return -1;
}
