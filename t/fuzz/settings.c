/* Settings files of all programs: the first line says which. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/base/client_conf.h"
#include "fcgi/base/conf.h"
#include "fcgi/base/keys.h"
#include "fuzz.h"
#include "scratch.h"
#include "worker/conf.h"

/* Checks what the table promises. */
static void check_server(const char *path) {
    static struct conf conf;
    const struct settings_files files = {.path = {path}, .count = 1};
    char why[600] = "";
    if (!conf_load(&conf, &files, why, sizeof why)) {
        must(strlen(why) > 0 && strlen(why) < sizeof why);
        return;
    }
    must(conf.node >= 0 && conf.node <= 255 && conf.processes_public > 0);
    must(!conf.has_peer || (conf.peer.node >= 0 && conf.peer.node <= 255 &&
                            conf.peer.node != conf.node && strlen(conf.peer.url) < PEER_URL_SIZE));
    must(conf.has_peer || conf.copying == COPY_NONE);
    must(conf.workers_min <= conf.workers_max);
    keys_free(conf.keys);
}

static void check_worker(const char *path) {
    static struct worker_conf conf;
    const struct settings_files files = {.path = {path}, .count = 1};
    char why[600] = "";
    if (!worker_conf_load(&conf, &files, why, sizeof why)) {
        must(strlen(why) > 0 && strlen(why) < sizeof why);
        return;
    }
    must(conf.threads > 0 && conf.url_count > 0 && conf.url_count <= NODES_MAX);
    for (int i = 0; i < conf.url_count; i++)
        must(conf.urls[i] >= conf.urls_text &&
             conf.urls[i] < conf.urls_text + sizeof conf.urls_text);
}

/* The client program finds its file by itself: make it a link to the input. */
static void make_home(const char *path) {
    static char directory[60];
    char place[100];
    if (directory[0] != '\0')
        return;
    scratch_template(directory, "fuzz-settings");
    if (!mkdtemp(directory) || setenv("XDG_CONFIG_HOME", directory, 1) != 0)
        abort();
    snprintf(place, sizeof place, "%s/hashmill", directory);
    if (mkdir(place, 0700) != 0)
        abort();
    snprintf(place, sizeof place, "%s/hashmill/config", directory);
    if (symlink(path, place) != 0)
        abort();
}

static void check_client(const char *path) {
    static struct client_conf conf;
    char why[600] = "";
    make_home(path);
    if (!client_conf_load(&conf, NULL, NULL, why, sizeof why)) {
        must(strlen(why) > 0 && strlen(why) < sizeof why);
        return;
    }
    must(conf.url_count > 0 && conf.url_count <= CLIENT_NODES_MAX);
    for (int i = 0; i < conf.url_count; i++)
        must(conf.urls[i] >= conf.urls_text &&
             conf.urls[i] < conf.urls_text + sizeof conf.urls_text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int file = -1;
    char path[40];
    if (file < 0)
        file = memfd_create("settings", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (size > 7 && memcmp(data, "#worker", 7) == 0)
        check_worker(path);
    else if (size > 7 && memcmp(data, "#client", 7) == 0)
        check_client(path);
    else
        check_server(path);
    return 0;
}
