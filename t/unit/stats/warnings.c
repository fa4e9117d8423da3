/* The warnings of GET /stats: each comes when its threshold is crossed, and says what to do; a
 * healthy node has none. */

#include <sys/statvfs.h>

static int disk_of(const char *path, struct statvfs *disk);
#define statvfs(path, disk) disk_of(path, disk)
#include "fcgi/stats/warnings.c"
#undef statvfs

#include "json.h"
#include "tap.h"

/* A node, and what the next disk_of says. */
static struct conf conf;
static struct queue_tally tally;
static struct queue_fleet fleet;
static struct queue_peers peers;
static int free_blocks;
static const char *asked;

static int disk_of(const char *path, struct statvfs *disk) {
    static char copy[SETTING_TEXT_SIZE];
    snprintf(copy, sizeof copy, "%s", path);
    asked = copy;
    *disk = (struct statvfs){.f_frsize = 1024 * 1024, .f_blocks = 120};
    disk->f_bavail = (unsigned)free_blocks;
    disk->f_bfree = (unsigned)free_blocks + 20; /* which root keeps for itself */
    return free_blocks < 0 ? -1 : 0;
}

static void make_healthy(void) {
    memset(&conf, 0, sizeof conf);
    snprintf(conf.database, sizeof conf.database, "/var/lib/hashmill/hashmill.db");
    conf.provider_seconds = 60;
    memset(&tally, 0, sizeof tally);
    memset(&fleet, 0, sizeof fleet);
    memset(&peers, 0, sizeof peers);
    tally.clock_ms = 1000000;
    tally.workers = 1;
    free_blocks = 50;
}

/* What is warned of: "CODE: DETAIL", and a line break behind each. */
static const char *warned(void) {
    static struct buffer body;
    static char said[4000];
    static struct json json;
    const char *why;
    char text[DETAIL_SIZE];
    buffer_clear(&body);
    json_open(&body, '{');
    stats_put_warnings(&body, &conf, &tally, &fleet, &peers);
    json_close(&body, '}');
    said[0] = '\0';
    if (!json_parse(&json, body.data, body.length, &why))
        return why;
    int list = json_member(&json, 0, "warnings");
    if (json_array_size(&json, list) < 0)
        return "no array";
    for (int one = json_first(&json, list); one >= 0; one = json_next(&json, one)) {
        size_t used = strlen(said);
        json_string(&json, json_member(&json, one, "code"), text, sizeof text);
        used += (size_t)snprintf(said + used, sizeof said - used, "%s: ", text);
        json_string(&json, json_member(&json, one, "detail"), text, sizeof text);
        snprintf(said + used, sizeof said - used, "%s\n", text);
    }
    return said;
}

/* Whether the only warning has this code, and this in its detail. */
static void is_one(const char *code, const char *part, const char *name) {
    const char *said = warned();
    bool one = strncmp(said, code, strlen(code)) == 0 && said[strlen(code)] == ':' &&
               strchr(said, '\n') == said + strlen(said) - 1 && strstr(said, part);
    if (!ok(one, "%s", name))
        printf("# %s", said);
}

static void test_waits(void) {
    make_healthy();
    is_text(warned(), "", "a healthy node has none");
    tally.items[ITEM_WAITING] = 1;
    tally.workers = 0;
    tally.oldest_wait_ms = 15000;
    is_text(warned(), "", "for 15 s nothing is said of a node without workers");
    tally.oldest_wait_ms++;
    is_one("no-worker", "Start hashmill-worker", "then that there is none");
    snprintf(conf.provider, sizeof conf.provider, "provider-local");
    is_one("no-worker", "what the scaler does", "with a scaler, what it does about it");
    tally.oldest_wait_ms = 600000;
    is_one("no-worker", "for 600 s", "and nothing else, however long it takes");
    tally.oldest_wait_ms = INT64_C(2592000000000);
    is_one("no-worker", "for 2592000000 s", "were it 82 years");
    tally.oldest_wait_ms = 600000;
    tally.workers = 1;
    is_one("waiting-long", "Raise WORKERS_MAX", "with a worker, that items wait for long");
    tally.oldest_wait_ms = 60000;
    is_text(warned(), "", "from a minute on");
    tally.oldest_wait_ms++;
    conf.provider[0] = '\0';
    is_one("waiting-long", "Start more workers", "without a scaler what helps is another");
    tally.paused = PART_LEASING;
    is_one("paused", "resume?what=leasing", "while leasing is paused, that alone");
}

static void test_pauses(void) {
    make_healthy();
    tally.paused = QUEUE_PARTS_ALL;
    is_text(warned(),
            "paused: An operator has paused intake: new items are refused. POST "
            "/admin/resume?what=intake lets it go on.\n"
            "paused: An operator has paused leasing: no worker is given an item. POST "
            "/admin/resume?what=leasing lets it go on.\n"
            "paused: An operator has paused scaling: no machine is launched or terminated. POST "
            "/admin/resume?what=scaling lets it go on.\n",
            "each part that is paused");
}

static void test_disk(void) {
    make_healthy();
    free_blocks = 5;
    is_text(warned(), "", "5 MiB of 100 that can be used are enough");
    is_text(asked, "/var/lib/hashmill", "on the disk of the database");
    free_blocks = 4;
    is_one("disk-low", "4.0 % free, 4 MiB", "4 are not");
    tally.disk_full = 1;
    is_one("disk-full", "507", "a full one is more than that");
    make_healthy();
    free_blocks = -1;
    is_text(warned(), "", "nothing is said of a disk that tells nothing");
    snprintf(conf.database, sizeof conf.database, "/hashmill.db");
    is_text(warned(), "", "a database in /");
    is_text(asked, "/", "is on the disk of /");
    snprintf(conf.database, sizeof conf.database, "hashmill.db");
    is_text(warned(), "", "one without a directory");
    is_text(asked, ".", "is on that of this directory");
}

static void test_peer(void) {
    make_healthy();
    tally.copying = (struct queue_copying){.away = 1, .heard_ms = -1};
    peers.incomplete_wall_ms = 1000;
    is_text(warned(), "", "without PEERS nothing is said of any");
    peers.incomplete_wall_ms = 0;
    conf.has_peer = true;
    conf.peer.node = 7;
    is_one("peer-away", "Node 7 has not answered since this node started", "one that never came");
    tally.copying.heard_ms = 12345;
    is_one("peer-away", "Node 7 has not answered for 12 s", "one that has gone");
    tally.copying.away = 0;
    is_text(warned(), "", "one that is there");
    peers.incomplete_wall_ms = 1000;
    is_one("copy-incomplete", "Since 1970-01-01T00:00:01.000Z",
           "with a replica that lacks something");
}

static void test_backup(void) {
    make_healthy();
    tally.backed_up_wall_ms = clock_wall_ms() - WARN_BACKUP_MS + 60000;
    is_text(warned(), "", "a backup may be 26 hours old");
    tally.backed_up_wall_ms -= 120000;
    is_one("backup-old", "more than 26 hours ago", "an older one");
}

static void test_fleet(void) {
    make_healthy();
    fleet.quarantine_count = 1;
    fleet.quarantine[0] = (struct queue_quarantined){
        .identity = "w\"1", .why = "it computes 1 + 1 = 3", .wall_ms = 2000};
    is_one("quarantine", "w\"1 since 1970-01-01T00:00:02.000Z, for it computes 1 + 1 = 3. ",
           "who is in quarantine");
    fleet.quarantine_count = 2;
    is_one("quarantine", "and others", "and whether there are others");
    make_healthy();
    fleet.machine_count = 2;
    fleet.machines[0] = (struct queue_machine){.name = "first", .state = MACHINE_LAUNCHED};
    fleet.machines[1] = (struct queue_machine){.name = "second",
                                               .state = MACHINE_LAUNCHING,
                                               .launched_ms = tally.clock_ms - 120000,
                                               .heard_ms = -1};
    is_text(warned(), "", "a launch may take as long as the provider, and a minute");
    fleet.machines[1].launched_ms--;
    is_one("scaling", "second was to be launched 120 s ago", "one that takes longer");
    tally.paused = PART_SCALING;
    is_one("paused", "resume?what=scaling", "while scaling is paused, that alone");
    tally.paused = 0;
    fleet.machines[1].heard_ms = 999000;
    is_text(warned(), "", "nor of one that has called, though its launch was not answered");
}

int main(void) {
    test_waits();
    test_pauses();
    test_disk();
    test_peer();
    test_backup();
    test_fleet();
    return done_testing();
}
