#include <fcntl.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup.h"
#include "base/certificates.h"
#include "base/child.h"
#include "base/conf.h"
#include "base/files.h"
#include "base/key_text.h"
#include "base/refusals.h"
#include "init.h"
#include "log.h"
#include "master/prefork.h"
#include "master/sockets.h"
#include "memory.h"
#include "metrics/metrics.h"
#include "quarantine.h"
#include "roles.h"
#include "scrape/scrape.h"
#include "store/offline.h"
#include "store/store.h"

struct options {
    struct settings_files files;
    const char *backup;      /* file to back up to; NULL: none */
    const char *checked;     /* file that may be a backup; NULL: none */
    const char *recovered;   /* file to recover the database to; NULL: none */
    const char *key_role;    /* role of the key to make; NULL: none */
    const char *quarantined; /* identity to put into quarantine; NULL: none */
    const char *released;    /* identity to release from it; NULL: none */
    bool check_only;
    bool init;
    struct init_options how; /* of init */
};

static void print_help(void) {
    printf(
        "hashmill-fcgi %s: a node of hashmill, behind nginx\n\n"
        "usage: hashmill-fcgi [-c FILE]... [-t | --backup COPY | --recover NEW_FILE]\n"
        "usage: hashmill-fcgi --check COPY\n"
        "usage: hashmill-fcgi [-c FILE]... --init [--from-peer | --new] [--alone]\n"
        "usage: hashmill-fcgi [-c FILE]... --quarantine NAME | --release NAME\n"
        "usage: hashmill-fcgi --key ROLE NAME [ATTRIBUTE]...\n\n"
        "  -c FILE     read settings from FILE, lines of KEY=VALUE; of several a later one wins\n"
        "  -t          check the settings and exit: 0 when they are good, 1 when not\n"
        "  --init      before each start: see to it that DATABASE may be served, and exit with 0.\n"
        "              Makes it when there is none, and the node of PEERS has no replica of it;\n"
        "              fetches that when it is newer; waits when only that node can tell. Exit "
        "code\n"
        "              78: a person has to decide between what it says; 75: run it again\n"
        "  --from-peer\n"
        "              with --init: fetch the queue from the replica at the node of PEERS\n"
        "  --new       with --init: where no database is, make an empty one, whatever that node "
        "has\n"
        "  --alone     with --init: serve the database or backup that is here, whatever that node "
        "has\n"
        "  --backup COPY\n"
        "              have the server that runs with these settings copy its queue to a new "
        "file;\n"
        "              backup.sh does more\n"
        "  --check COPY\n"
        "              say whether a file is a whole database of hashmill's and has nothing else "
        "in\n"
        "              it, such as a trigger; nothing is changed. Exit code 1: it is not\n"
        "  --recover NEW_FILE\n"
        "              make a whole database of what can be read of DATABASE, and exit\n"
        "  --key ROLE NAME\n"
        "              print a new key and its line for the file KEYS; ROLE is worker, client,\n"
        "              operator or viewer. ATTRIBUTE may be until=YYYY-MM-DD, and for a client or\n"
        "              operator weight=N, items=N, work=N, rate=PER_SECOND/BURST and\n"
        "              iterations_max=N\n"
        "  --quarantine NAME, --release NAME\n"
        "              have the server that runs with these settings begin or end the quarantine "
        "of\n"
        "              a key, a machine, or shared (WORKER_TOKEN): it is given nothing, and "
        "nothing\n"
        "              that it reports is taken\n"
        "  --help      print this\n"
        "  --version   print the version\n\n"
        "SIGTERM finishes the requests in hand and exits; SIGHUP does the same, rereads every\n"
        "FILE and goes on with the same sockets. Exit code 76 means that the database is not\n"
        "safe to use, or that a newer one has taken its place; 78 that the settings cannot\n"
        "work, or that there is no database or a backup: run --init. Do not restart after\n"
        "these two.\n\n"
        "Settings, in FILE or (these win) in the environment, as HASHMILL_KEY or else as KEY:\n",
        HASHMILL_VERSION);
    conf_help(stdout);
}

/* Notes an option of --init. */
static void note_init(struct options *options, int letter) {
    options->init |= letter == 'i';
    options->how.alone |= letter == 'a';
    options->how.from_peer |= letter == 'f';
    options->how.new |= letter == 'n';
}

/* Notes an option that has a text. False when the letter is none of them. */
static bool note_text(struct options *options, int letter) {
    const char **const texts[] = {
        ['b'] = &options->backup,      ['k'] = &options->key_role,  ['l'] = &options->released,
        ['q'] = &options->quarantined, ['r'] = &options->recovered, ['x'] = &options->checked,
    };
    if (letter < 0 || (size_t)letter >= sizeof texts / sizeof *texts || !texts[letter])
        return false;
    *texts[letter] = optarg;
    return true;
}

/* Whether these options go together. */
static bool check_init(const struct options *options) {
    const struct init_options *how = &options->how;
    if (!options->init && (how->alone || how->from_peer || how->new))
        fprintf(stderr, "hashmill-fcgi: --from-peer, --new and --alone go with --init\n");
    else if (how->from_peer && (how->new || how->alone))
        fprintf(stderr, "hashmill-fcgi: --from-peer goes with neither --new nor --alone\n");
    else
        return true;
    return false;
}

/* Makes a key of words, NAME and its attributes. Returns the exit code. */
static int make_key(const char *role, int count, char **words) {
    if (count >= 1)
        return key_text_print(role, words[0], count - 1, words + 1);
    fprintf(stderr, "hashmill-fcgi: --key takes ROLE NAME [ATTRIBUTE]...\n");
    return EXIT_CONFIG;
}

/* Reads the command line. Returns -1 to go on, else the exit code. */
static int parse_options(int argc, char **argv, struct options *options) {
    static const struct option names[] = {{"alone", no_argument, NULL, 'a'},
                                          {"backup", required_argument, NULL, 'b'},
                                          {"check", required_argument, NULL, 'x'},
                                          {"from-peer", no_argument, NULL, 'f'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"init", no_argument, NULL, 'i'},
                                          {"key", required_argument, NULL, 'k'},
                                          {"new", no_argument, NULL, 'n'},
                                          {"quarantine", required_argument, NULL, 'q'},
                                          {"recover", required_argument, NULL, 'r'},
                                          {"release", required_argument, NULL, 'l'},
                                          {"version", no_argument, NULL, 'v'},
                                          {0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "c:t", names, NULL)) != -1) {
        switch (letter) {
        case 'c':
            if (!settings_add_file(&options->files, optarg)) {
                fprintf(stderr, "hashmill-fcgi: at most %d files can be given\n",
                        SETTINGS_FILES_MAX);
                return EXIT_CONFIG;
            }
            break;
        case 'a':
        case 'f':
        case 'i':
        case 'n':
            note_init(options, letter);
            break;
        case 't':
            options->check_only = true;
            break;
        case 'h':
            print_help();
            return 0;
        case 'v':
            printf("hashmill-fcgi %s\n", HASHMILL_VERSION);
            return 0;
        default:
            if (!note_text(options, letter))
                return EXIT_CONFIG;
        }
    }
    if (options->key_role)
        return make_key(options->key_role, argc - optind, argv + optind);
    if (options->quarantined && options->released) {
        fprintf(stderr, "hashmill-fcgi: --quarantine and --release do not go together\n");
        return EXIT_CONFIG;
    }
    if (optind == argc)
        return check_init(options) ? -1 : EXIT_CONFIG;
    fprintf(stderr, "hashmill-fcgi: takes no argument \"%s\"; see --help\n", argv[optind]);
    return EXIT_CONFIG;
}

/* Replaces this process by the program now on disk, and keeps the sockets. */
static int exec_anew(char **argv, const char *program, const struct conf *conf,
                     const struct sockets *sockets) {
    /* Signals stay blocked: one that comes now waits for the new master. */
    sockets_pass(sockets, conf);
    execv(program, argv);
    log_error("cannot execute %s: %m", program);
    return EXIT_TEMPORARY;
}

/* Whether the settings are good. Somebody may change them while requests in hand are finished: then
 * this program goes on. */
static bool are_good(const struct settings_files *files) {
    static struct conf now;
    char why[600];
    keys_free(now.keys);
    memset(&now, 0, sizeof now);
    bool good = conf_load(&now, files, why, sizeof why) && sockets_fit(&now, why, sizeof why);
    if (good)
        keys_keep(now.keys);
    else
        log_error("not reloading: %s", why);
    return good;
}

/* Serves until told to stop. Returns the exit code. */
static int run(const struct conf *conf, const struct settings_files *files, char **argv) {
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 0) {
        log_error("cannot read /proc/self/exe: %m");
        return EXIT_TEMPORARY;
    }
    program[length] = '\0';
    struct sockets sockets;
    const struct roles roles = roles_of(conf);
    if (!refusals_open() || !metrics_open(roles_children(&roles), scrape_route_count())) {
        log_error("cannot make memory for all processes: %m");
        return EXIT_TEMPORARY;
    }
    if (!sockets_open(&sockets, conf))
        return EXIT_TEMPORARY;
    log_info("hashmill %s, node %lld, database %s, %s, %s", HASHMILL_VERSION, (long long)conf->node,
             conf->database, store_version(conf), OpenSSL_version(OPENSSL_VERSION));
    if (conf->keys)
        log_info("KEYS: %d keys of %d names, from %s", keys_count(conf->keys),
                 keys_names(conf->keys), conf->keys_file);
    int exit_code;
    enum prefork_end end;
    do
        end = prefork_run(&roles, conf, &sockets, files, program, &exit_code);
    while (end == PREFORK_RELOAD && !are_good(files));
    if (end == PREFORK_RELOAD)
        return exec_anew(argv, program, conf, &sockets);
    sockets_remove(&sockets, conf);
    return exit_code;
}

/* Occupies the descriptors 0 to 2, should the caller have closed them, so that nothing else gets
 * them. */
static void hold_standard_descriptors(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* Whether root would work in another user's directory. The server's own user does that. */
static bool is_not_for_root(const struct options *options, const struct conf *conf) {
    return files_not_for_root(conf->database) ||
           (options->recovered && files_not_for_root(options->recovered));
}

int main(int argc, char **argv) {
    struct options options = {0};
    static struct conf conf;
    enum log_format format;
    char why[600];
    log_open("hashmill-fcgi", "master");
    hold_standard_descriptors();
    memory_keep_private();
    int code = parse_options(argc, argv, &options);
    if (code >= 0)
        return code;
    umask(0027);
    if (options.checked)
        return store_check(options.checked) ? 0 : 1;
    if (!conf_load(&conf, &options.files, why, sizeof why) ||
        !sockets_fit(&conf, why, sizeof why)) {
        if (log_format_named(conf.log_format, &format)) /* it was read before what is wrong */
            log_set_format(format);
        log_error("settings: %s", why);
        return options.check_only ? 1 : EXIT_CONFIG;
    }
    if (options.check_only) {
        certificates_warn(&conf);
        printf("the settings are good\n");
        return 0;
    }
    if (options.backup)
        return files_not_for_root(options.backup) ? EXIT_CONFIG : backup_run(&conf, options.backup);
    if (is_not_for_root(&options, &conf))
        return EXIT_CONFIG;
    if (options.init) {
        log_open("hashmill-fcgi", "init");
        return init_run(&conf, &options.how);
    }
    if (options.quarantined || options.released)
        return quarantine_run(&conf, options.quarantined ? options.quarantined : options.released,
                              options.quarantined != NULL);
    if (options.recovered)
        return store_recover(&conf, options.recovered);
    return run(&conf, &options.files, argv);
}
