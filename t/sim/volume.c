/* The disk of a node: what is lost there, put back by hand, or not mounted. */

#include "sim.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"

void node_remove_database(const struct node *node) {
    static const char *const ends[] = {"", "-wal", "-shm", "-log", "-log.old"};
    char path[160];
    for (int i = 0; i < 5; i++) {
        node_file(node, ends[i], path);
        unlink(path);
    }
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

void remove_all(const char *directory) {
    enum { DESCRIPTORS = 8 };
    nftw(directory, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

/* Notes that a node's replica is gone or replaced: it cannot be fetched any more. */
static void lose_replica(struct node *of) {
    of->lost_batch = 0;
    of->kept_there = false;
    of->replica_lost_us = sim_now_us;
    of->set_back = of->doubt = true;
}

void node_wipe(struct node *node) {
    char path[120];
    lose_replica(&nodes[1 - node->number]);
    snprintf(path, sizeof path, "%s/data", node->directory);
    remove_all(path);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/run/disk-failed", node->directory);
    unlink(path);
}

static bool copy_file(const char *from, const char *to) {
    static char bytes[65536];
    FILE *in = fopen(from, "r");
    if (in)
        unlink(to); /* processes that have the old file open keep it */
    FILE *out = in ? fopen(to, "w") : NULL;
    size_t length;
    while (out && (length = fread(bytes, 1, sizeof bytes, in)) > 0)
        fwrite(bytes, 1, length, out);
    if (in)
        fclose(in);
    if (out)
        fclose(out);
    return out != NULL;
}

bool node_save(const struct node *node, const char *to) {
    char path[160];
    char copy[200];
    node_file(node, "", path);
    if (!copy_file(path, to))
        return false;
    node_file(node, "-wal", path);
    snprintf(copy, sizeof copy, "%s-wal", to);
    unlink(copy);
    copy_file(path, copy);
    return true;
}

bool node_restore(struct node *node, const char *from) {
    char path[160];
    char copy[200];
    if (access(from, R_OK) != 0)
        return false;
    node->set_back = true;
    node_remove_database(node);
    node_file(node, "", path);
    copy_file(from, path);
    snprintf(copy, sizeof copy, "%s-wal", from);
    node_file(node, "-wal", path);
    copy_file(copy, path);
    snprintf(path, sizeof path, "%s/data", node->directory);
    disk_settle(path);
    return true;
}

void node_copy_replica(const struct node *node, const char *path, bool back) {
    char replica[160];
    char wal[200];
    node_file(node, "-replica-wal", replica);
    snprintf(wal, sizeof wal, "%s-wal", path);
    copy_file(back ? wal : replica, back ? replica : wal);
    node_file(node, "-replica", replica);
    copy_file(back ? path : replica, back ? replica : path);
}

/* Leaves an empty directory instead of the volume. --init must not begin a queue there if the peer
 * has a replica. */
static void unmount(struct node *node, const char *data, const char *away) {
    struct look own;
    struct look there;
    node->kept_there = look_at(node, "", &own) &&
                       look_at(&nodes[1 - node->number], "-replica", &there) &&
                       memcmp(own.id, there.id, ID_SIZE) == 0;
    if (rename(data, away) != 0 || mkdir(data, 0700) != 0)
        sim_fail("cannot move %s", data);
}

static void mount(struct node *node, const char *data, const char *away) {
    char path[160];
    node_file(node, "", path);
    if (access(path, F_OK) == 0) /* the one made meanwhile goes; --init must notice the old one */
        node_note_loss(node, true);
    remove_all(data);
    if (rename(away, data) != 0)
        sim_fail("cannot move %s", away);
}

void node_mount(struct node *node, bool there) {
    char data[120];
    char away[120];
    lose_replica(&nodes[1 - node->number]);
    node->set_back = true;
    snprintf(data, sizeof data, "%s/data", node->directory);
    snprintf(away, sizeof away, "%s/away", node->directory);
    if (there)
        mount(node, data, away);
    else
        unmount(node, data, away);
    node->mounted = there;
}

/* With COPY=sync the replica has all that clients were told, unless it was noted as incomplete. It
 * may have more than an old database that was put in place by hand, and that may come back with its
 * volume. */
void node_note_loss(struct node *node, bool by_hand) {
    struct look own = {0};
    struct look there = {0};
    bool known = look_at(node, "", &own);
    bool kept = look_at(&nodes[1 - node->number], "-replica", &there) && known &&
                there.epoch == own.epoch && memcmp(there.id, own.id, ID_SIZE) == 0;
    bool promised = kept && ((node->conf.copying == COPY_SYNC && !own.incomplete && !node->doubt) ||
                             there.batch >= own.batch);
    nodes[1 - node->number].met_epoch = 0; /* what this node has met is forgotten with it */
    node->by_hand = by_hand || (node->lost && node->by_hand);
    if (node->lost)
        return;
    node->lost = true;
    memcpy(node->lost_id, own.id, ID_SIZE);
    node->lost_epoch = own.epoch;
    node->kept_batch = kept ? there.batch : nodes[1 - node->number].mounted ? 0 : INT64_MAX;
    int64_t both = there.batch < own.batch ? there.batch : own.batch;
    node->lost_batch = promised ? both : 0;
    sim_trace("node %d loses its database, batch %lld%s; replica %s, batch %lld", node->number,
              (long long)own.batch, own.incomplete ? ", incomplete" : "", kept ? "kept" : "none",
              (long long)there.batch);
}
