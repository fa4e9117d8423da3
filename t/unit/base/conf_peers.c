/* PEERS: what divides its nodes, and what is none. */

#include "fcgi/base/conf_peers.c"
#include "tap.h"

static struct conf conf;
static char why[600];

/* How many nodes a text names; -1 when it is refused. */
static int count(const char *text) {
    snprintf(conf.peers_text, sizeof conf.peers_text, "%s", text);
    return read_list(&conf, why, sizeof why) ? conf.peer_count : -1;
}

int main(void) {
    conf.node = 0;
    is_int(count(""), 0, "nothing names nobody");
    is_int(count(" ,,\t"), 0, "and so do empty pieces");
    is_int(count("1=http://a:1"), 1, "one");
    is_int(count("1=http://a:1,2=https://b:2/"), 2, "two");
    is_text(conf.peers[1].url, "https://b:2/", "the URL of the second");
    is_int(count("1=http://a:1, 2=http://b:2"), 2, "a blank behind the comma");
    is_int(count(",1=http://a:1,, 2=http://b:2 ,"), 2, "empty pieces before, between and behind");
    is_text(conf.peers[0].url, "http://a:1", "the URL has no blank");
    static const char *const bad[] = {"1",
                                      "=http://a:1",
                                      "x=http://a:1",
                                      "-1=http://a:1",
                                      "1=",
                                      "1= http://a:1",
                                      "1=a:1",
                                      "0=http://a:1",
                                      "1=ftp://a:1",
                                      "256=http://a:1",
                                      "1=http://a:1,1=http://b:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        is_int(count(bad[i]), -1, bad[i]);
    return done_testing();
}
