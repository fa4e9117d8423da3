/*
 * What a power cut would have left of a database, and whether all that was acknowledged is in it:
 *
 *     power_cut LOG FACTS VARIANTS STEP SEED
 *
 * Reads a log of record.so. Just before every STEPth sync in it, and at its end, makes the files as
 * they may be on the disk at that moment: only what was synced; all that was written; and in
 * VARIANTS random ways some of the later writes, each 512 bytes of a write there or not, and some
 * of the later creations and unlinks. The store opens each variant. It must be whole and hold what
 * the facts say up to that position of the log, a line each, in the order of their positions:
 *
 *     POSITION exists ID DIGEST ITERATIONS       POSITION held ID LEASE      POSITION done ID
 *     POSITION left ID REMAINING (or fewer)      POSITION freed ID           POSITION pulled ID
 *                                                                            POSITION cancelled ID
 *
 * freed: from here on the item may have been given back, acknowledged or not.
 */

#include "t/unit/sqlite/fixture.h"

#include <openssl/sha.h>
#include <sys/wait.h>

#include "fcgi/queue/client.h"
#include "hex.h"
#include "shim/record.h"

enum { SECTOR = 512, INODES_MAX = 64, LINKS_MAX = 16, JOBS = 2, FILES = RECORD_DIRECTORY };

/* --- The facts --- */

struct known {
    struct uuid id, lease;
    int64_t iterations, remaining;
    uint8_t links[LINKS_MAX][DIGEST_SIZE]; /* by how many remain */
    bool exists, held, done, pulled, cancelled;
};

struct fact {
    uint64_t position;
    char what[16], id[40], detail[2 * DIGEST_SIZE + 1];
    long long number;
};

static struct known *items;
static int item_count;
static struct fact *facts;
static int fact_count, facts_used;

_Noreturn static void give_up(const char *what) {
    fprintf(stderr, "power_cut: %s\n", what);
    exit(2);
}

static void *grown(void *list, int count, size_t size) {
    if ((count & (count - 1)) == 0)
        list = realloc(list, (count ? 2 * (size_t)count : 1) * size);
    if (!list)
        give_up("out of memory");
    return list;
}

static void read_facts(const char *path) {
    char line[400];
    FILE *in = fopen(path, "re");
    while (in && fgets(line, sizeof line, in)) {
        facts = grown(facts, fact_count, sizeof *facts);
        struct fact *fact = &facts[fact_count++];
        char *rest = line;
        fact->position = strtoull(line, &rest, 10);
        fact->detail[0] = '\0';
        if (sscanf(rest, "%15s %39s %128s", fact->what, fact->id, fact->detail) < 2)
            give_up("a line of the facts cannot be read");
        char *last = strrchr(line, ' ');
        fact->number = last ? strtoll(last, NULL, 10) : 0;
        if (fact_count > 1 && fact->position < facts[fact_count - 2].position)
            give_up("the facts are not in order");
    }
    if (!in || fact_count == 0)
        give_up("there are no facts");
    fclose(in);
}

static struct known *find_item(struct uuid id) {
    for (int i = item_count - 1; i >= 0; i--) {
        if (memcmp(&items[i].id, &id, sizeof id) == 0)
            return &items[i];
    }
    items = grown(items, item_count, sizeof *items);
    items[item_count] = (struct known){.id = id};
    return &items[item_count++];
}

/* What a client was told when its item was stored; the links of its chain follow. */
static void learn_item(struct known *item, const struct fact *fact) {
    item->exists = true;
    item->iterations = fact->number;
    item->remaining = fact->number - 1;
    if (fact->number < 1 || fact->number > LINKS_MAX ||
        !hex_decode(item->links[item->remaining], DIGEST_SIZE, fact->detail, strlen(fact->detail)))
        give_up("a fact makes no sense");
    for (int64_t i = item->remaining; i > 0; i--)
        SHA512(item->links[i], DIGEST_SIZE, item->links[i - 1]);
}

static void learn(const struct fact *fact) {
    struct uuid id;
    if (!id_parse(&id, fact->id))
        give_up("a fact has no id");
    struct known *item = find_item(id);
    if (strcmp(fact->what, "exists") == 0) {
        learn_item(item, fact);
    } else if (strcmp(fact->what, "left") == 0) {
        int64_t left = strtoll(fact->detail, NULL, 10);
        item->remaining = left < item->remaining ? left : item->remaining;
    } else if (strcmp(fact->what, "held") == 0) {
        item->held = id_parse(&item->lease, fact->detail);
    } else if (strcmp(fact->what, "freed") == 0) {
        item->held = false;
    } else {
        item->done |= strcmp(fact->what, "done") == 0;
        item->pulled |= strcmp(fact->what, "pulled") == 0;
        item->cancelled |= strcmp(fact->what, "cancelled") == 0;
    }
}

static void learn_up_to(uint64_t position) {
    while (facts_used < fact_count && facts[facts_used].position <= position)
        learn(&facts[facts_used++]);
}

/* --- The disk --- */

/* A file by its content, whatever its name is now. */
struct inode {
    uint8_t *bytes; /* as synced */
    size_t size, room;
    const struct record **pending; /* writes and truncations since */
    int count;
};

/* A name that was given to an inode or taken away since the last sync of the directory. */
struct naming {
    int name, inode; /* -1: unlinked */
};

static struct inode inodes[INODES_MAX];
static int inode_count;
static int named[FILES] = {-1, -1, -1};   /* what processes see */
static int durable[FILES] = {-1, -1, -1}; /* what is on the disk */
static struct naming *namings;
static int naming_count;

static void resize(struct inode *inode, size_t size) {
    if (size > inode->room) {
        inode->room = size + size / 2 + 4096;
        inode->bytes = realloc(inode->bytes, inode->room);
        if (!inode->bytes)
            give_up("out of memory");
    }
    if (size > inode->size)
        memset(inode->bytes + inode->size, 0, size - inode->size);
    inode->size = size;
}

/* A number from 0 to below limit. */
static int draw(int limit) {
    return (int)(random() % limit);
}

/* Brings a write or truncation onto an inode: each sector with a chance of `percent`. */
static void apply(struct inode *inode, const struct record *record, int percent) {
    const uint8_t *bytes = (const uint8_t *)(record + 1);
    if (record->kind == RECORD_TRUNCATE) {
        if (draw(100) < percent)
            resize(inode, record->size);
        return;
    }
    for (uint64_t at = 0, part; at < record->size; at += part) {
        part = SECTOR - (record->offset + at) % SECTOR;
        part = part < record->size - at ? part : record->size - at;
        if (draw(100) >= percent)
            continue;
        if (inode->size < record->offset + at + part)
            resize(inode, record->offset + at + part);
        memcpy(inode->bytes + record->offset + at, bytes + at, part);
    }
}

static void sync_inode(struct inode *inode) {
    for (int i = 0; i < inode->count; i++)
        apply(inode, inode->pending[i], 100);
    inode->count = 0;
}

static void sync_directory(void) {
    for (int i = 0; i < naming_count; i++)
        durable[namings[i].name] = namings[i].inode;
    naming_count = 0;
}

static void give_name(int name, int inode) {
    namings = grown(namings, naming_count, sizeof *namings);
    namings[naming_count++] = (struct naming){name, inode};
    named[name] = inode;
}

/* Applies a record to the disk and to what is not yet on it. */
static void happen(const struct record *record) {
    int name = (int)record->name;
    if (name == RECORD_DIRECTORY) {
        if (record->kind == RECORD_SYNC)
            sync_directory();
        return;
    }
    if (record->kind == RECORD_CREATE && inode_count < INODES_MAX)
        give_name(name, inode_count++);
    if (named[name] < 0)
        give_up("the log does not begin before the database");
    struct inode *inode = &inodes[named[name]];
    if (record->kind == RECORD_UNLINK) {
        give_name(name, -1);
    } else if (record->kind == RECORD_SYNC) {
        sync_inode(inode);
    } else if (record->kind != RECORD_CREATE) {
        inode->pending = grown(inode->pending, inode->count, sizeof(struct record *));
        inode->pending[inode->count++] = record;
    }
}

/* --- A cut --- */

/* How much of what is not synced gets onto the disk. */
struct cut {
    int variant, percent;
};

static void write_file(const char *path, const struct inode *inode) {
    FILE *out = fopen(path, "we");
    if (!out || (inode->size > 0 && fwrite(inode->bytes, inode->size, 1, out) != 1) ||
        fclose(out) != 0)
        give_up("cannot write the files of a cut");
}

/* Makes the files as the cut has left them. Spoils the inodes, so it needs a process of its own. */
static void make_files(const struct cut *cut) {
    static const char *const suffixes[FILES] = {"", "-wal", "-journal"};
    static const char *const others[] = {"-shm", "-lock"};
    char path[SETTING_TEXT_SIZE + 16];
    for (int i = 0; i < naming_count; i++) {
        if (draw(100) < cut->percent)
            durable[namings[i].name] = namings[i].inode;
    }
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s%s", conf.database, others[i]);
        unlink(path);
    }
    for (int name = 0; name < FILES; name++) {
        snprintf(path, sizeof path, "%s%s", conf.database, suffixes[name]);
        unlink(path);
        if (durable[name] < 0)
            continue;
        struct inode *inode = &inodes[durable[name]];
        for (int i = 0; i < inode->count; i++)
            apply(inode, inode->pending[i], cut->variant < 2 ? cut->percent : 50 * draw(3));
        write_file(path, inode);
    }
}

/* What is wrong with an item's row, or NULL. */
static const char *wrong_with(const struct known *item, sqlite3_stmt *row) {
    int state = sqlite3_column_int(row, 0);
    int64_t remaining = sqlite3_column_int64(row, 1);
    const void *chain = sqlite3_column_blob(row, 2);
    const void *lease = sqlite3_column_blob(row, 4);
    if (sqlite3_column_int64(row, 3) != item->iterations || remaining < 0 ||
        remaining >= item->iterations)
        return "has other iterations";
    if (remaining > item->remaining)
        return "has less progress";
    if (!chain || memcmp(chain, item->links[remaining], DIGEST_SIZE) != 0)
        return "has a wrong chain";
    if (item->cancelled && state != ITEM_CANCELLED)
        return "is not cancelled any more";
    if (item->pulled && state != ITEM_PULLED)
        return "is not pulled any more";
    if (item->done && state != ITEM_DONE && state != ITEM_PULLED)
        return "is not done any more";
    if (item->held && state == ITEM_WAITING)
        return "is not leased any more";
    if (item->held && (!lease || memcmp(lease, item->lease.bytes, ID_SIZE) != 0))
        return "is another's by now";
    return NULL;
}

/* The number of items with something wrong; names some of them. */
static int count_wrong(struct store *store) {
    char id[ID_TEXT_SIZE];
    int count = 0;
    sqlite3_stmt *row;
    if (sqlite3_prepare_v2(sqlite_of(store)->database,
                           "SELECT state, remaining, chain, iterations, lease FROM item"
                           " WHERE id = ?1",
                           -1, &row, NULL) != SQLITE_OK)
        return 1;
    for (int i = 0; i < item_count; i++) {
        sqlite3_bind_blob(row, 1, items[i].id.bytes, ID_SIZE, SQLITE_STATIC);
        const char *why = "is missing";
        if (!items[i].exists)
            why = NULL; /* somebody else was told of it before its own client was answered */
        else if (sqlite3_step(row) == SQLITE_ROW)
            why = wrong_with(&items[i], row);
        if (why && count++ < 3) {
            id_format(id, items[i].id);
            printf("# item %s %s\n", id, why);
        }
        sqlite3_reset(row);
    }
    sqlite3_finalize(row);
    return count;
}

/* Whether the store takes an item, and counts right. */
static bool serves(struct store *store) {
    struct queue_enqueue item = new_item(10);
    struct uuid id;
    return counts_true(store) && store_begin(store) &&
           store_enqueue(store, &item, &id) == QUEUE_OK && store_commit(store) &&
           counts_true(store);
}

/* Makes one cut and looks at it; the exit code of a process of its own, 0 when all is there. */
static int look_at(const struct cut *cut) {
    int exit_code;
    make_files(cut);
    struct store *store = store_open(&conf, &exit_code);
    if (!store) {
        printf("# the store does not open: exit code %d\n", exit_code);
        return 1;
    }
    bool whole = number(store, "SELECT count(*) FROM pragma_integrity_check"
                               " WHERE integrity_check = 'ok'") == 1;
    int wrong = count_wrong(store);
    bool good = serves(store);
    if (!whole || !good)
        printf("# the database is %s, the store %s\n", whole ? "whole" : "damaged",
               good ? "serves" : "does not serve");
    store_close(store);
    return whole && good && wrong == 0 ? 0 : 1;
}

/* --- All of them --- */

struct sweep {
    int variants, step;
    unsigned seed;
    int syncs, checkpoints, cuts, bad; /* checkpoints: syncs of the database itself */
    pid_t jobs[JOBS];
};

static void end_job(struct sweep *sweep, int job) {
    int status = 0;
    if (sweep->jobs[job] == 0)
        return;
    if (waitpid(sweep->jobs[job], &status, 0) < 0 || status != 0)
        sweep->bad++;
    sweep->jobs[job] = 0;
}

/* Looks at the disk as it may be now. */
static void cut_now(struct sweep *sweep, const char *scratch) {
    for (int variant = 0; variant < 2 + sweep->variants; variant++) {
        int job = sweep->cuts++ % JOBS;
        end_job(sweep, job);
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            struct cut cut = {variant, variant == 0 ? 0 : variant == 1 ? 100 : 50};
            srandom(sweep->seed + (unsigned)sweep->cuts);
            snprintf(conf.database, sizeof conf.database, "%s/%d", scratch, job);
            int bad = look_at(&cut);
            if (bad)
                printf("# cut before sync %d, variant %d\n", sweep->syncs, variant);
            fflush(stdout);
            _exit(bad);
        }
        if (pid < 0)
            give_up("cannot fork");
        sweep->jobs[job] = pid;
    }
}

static void cut_all(struct sweep *sweep, const uint8_t *log, size_t size, const char *scratch) {
    size_t at = 0;
    bool begun =
        false; /* what the server finds is on the disk, with its name: the first of the log */
    while (at < size) {
        const struct record *record = (const struct record *)(const void *)(log + at);
        if (record->kind == RECORD_SYNC && begun && sweep->syncs++ % sweep->step == 0) {
            learn_up_to(at);
            cut_now(sweep, scratch);
        }
        sweep->checkpoints += record->kind == RECORD_SYNC && record->name == RECORD_DATABASE;
        happen(record);
        begun |= record->kind == RECORD_SYNC && record->name == RECORD_DIRECTORY;
        at += record_size(record);
    }
    learn_up_to(UINT64_MAX);
    cut_now(sweep, scratch);
    for (int i = 0; i < JOBS; i++)
        end_job(sweep, i);
}

/* A directory in memory, when there is such. */
static void make_scratch(char path[60]) {
    const char *slash = strrchr(scratch_parent(), '/');
    snprintf(path, 60, "/dev/shm/%.30s-cut-XXXXXX", slash ? slash + 1 : "");
    if (mkdtemp(path))
        return;
    scratch_template(path, "cut");
    if (!mkdtemp(path))
        give_up("cannot make a directory");
}

static void remove_scratch(const char *scratch) {
    static const char *const suffixes[] = {"", "-wal", "-journal", "-shm", "-lock"};
    char path[100];
    for (int i = 0; i < JOBS * 5; i++) {
        snprintf(path, sizeof path, "%s/%d%s", scratch, i / 5, suffixes[i % 5]);
        unlink(path);
    }
    rmdir(scratch);
}

int main(int argc, char **argv) {
    char scratch[60];
    struct stat info;
    if (argc != 6)
        give_up("usage: power_cut LOG FACTS VARIANTS STEP SEED");
    struct sweep sweep = {.variants = (int)strtol(argv[3], NULL, 10),
                          .step = (int)strtol(argv[4], NULL, 10),
                          .seed = (unsigned)strtol(argv[5], NULL, 10)};
    int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size == 0)
        give_up("there is no log");
    const uint8_t *log = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (log == MAP_FAILED)
        give_up("cannot read the log");
    read_facts(argv[2]);
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    make_scratch(scratch);
    cut_all(&sweep, log, (size_t)info.st_size, scratch);
    remove_scratch(scratch);
    is_int(sweep.bad, 0, "the store opens, is whole and has all that was acknowledged");
    ok(sweep.cuts > 0, "%d syncs, %d of them of the database, %d cuts, %d items, %d facts",
       sweep.syncs, sweep.checkpoints, sweep.cuts, item_count, fact_count);
    return done_testing();
}
