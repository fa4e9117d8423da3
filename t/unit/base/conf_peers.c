/* PEERS: the one other node, what may stand around it, and what is none. COPY without one. */

#include "fcgi/base/conf_peers.c"
#include "tap.h"

static struct conf conf;
static char why[600];

/* The NODE that a text names; -1: none, -2: it is refused. */
static int node_of(const char *text) {
    snprintf(conf.peers_text, sizeof conf.peers_text, "%s", text);
    if (!read_list(&conf, why, sizeof why))
        return -2;
    return conf.has_peer ? conf.peer.node : -1;
}

/* What a text says of COPY; -1: it is refused. */
static int copying_of(const char *text) {
    snprintf(conf.copy_text, sizeof conf.copy_text, "%s", text);
    return read_copying(&conf) ? (int)conf.copying : -1;
}

static void one_node(void) {
    is_int(node_of(""), -1, "nothing names nobody");
    is_int(node_of(" ,,\t"), -1, "and so do empty pieces");
    ok(!conf_peer(&conf, 0), "who is then no peer");
    is_int(node_of("1=http://a:1"), 1, "one");
    is_text(conf.peer.url, "http://a:1", "its URL");
    ok(conf_peer(&conf, 1) == &conf.peer && !conf_peer(&conf, 2), "it is the peer, and no other");
    is_int(node_of(",2=https://b:2/ ,"), 2, "empty pieces before and behind");
    is_text(conf.peer.url, "https://b:2/", "the URL has no blank");
    is_int(node_of("255=http://a:1"), 255, "the last number");
}

static void refused(void) {
    static const char *const bad[] = {"1",
                                      "=http://a:1",
                                      "x=http://a:1",
                                      "-1=http://a:1",
                                      "+1=http://a:1",
                                      "1=",
                                      "1= http://a:1",
                                      "1=a:1",
                                      "0=http://a:1",
                                      "1=ftp://a:1",
                                      "256=http://a:1",
                                      "1=http://a:1,1=http://b:1",
                                      "1=http://a:1,2=https://b:2/",
                                      "1=http://a:1 x"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        is_int(node_of(bad[i]), -2, bad[i]);
        ok(!conf.has_peer, "names nobody");
    }
    node_of("1=http://a:1,2=http://b:2");
    ok(strstr(why, "PostgreSQL"), "of two it is said what would take more: %s", why);
}

static void copies(void) {
    node_of("1=http://a:1");
    is_int(copying_of("none"), COPY_NONE, "COPY=none");
    is_int(copying_of("async"), COPY_ASYNC, "COPY=async");
    is_int(copying_of("Sync"), COPY_SYNC, "COPY=sync, however it is spelled");
    is_int(copying_of("some"), -1, "what it cannot be is refused");
    node_of("");
    is_int(copying_of("sync"), COPY_NONE, "without a peer nothing is copied");
}

int main(void) {
    conf.node = 0;
    one_node();
    refused();
    copies();
    return done_testing();
}
