/* The files of SQLite: they are plain files, but their locks and their shared memory are ours, so
 * that they belong to fibers; and what was written since the last sync is known, so that a power
 * cut can undo some of it. */

#include "sim.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

enum { REGION_BYTES = 32768, REGIONS_MAX = 64, PATH_SIZE = 200 };

/* A write that was not synced, and what was there before. */
struct write {
    int64_t at;
    int length;   /* of before */
    int64_t size; /* of the file before */
    uint8_t *before;
    STAILQ_ENTRY(write) next;
};

/* A file; shared by all that have it open. */
struct inode {
    char path[PATH_SIZE];
    ino_t number;
    int opens;
    void *regions[REGIONS_MAX];
    int region_count;
    STAILQ_HEAD(writes, write) writes; /* the last one first */
    LIST_ENTRY(inode) all;
};

struct file {
    sqlite3_file base;
    struct inode *inode;
    uint32_t owner; /* number of the fiber */
    int lock;
    uint16_t shm_shared;
    uint16_t shm_exclusive;
    bool mapped;
    bool gone; /* its process was killed */
    LIST_ENTRY(file) all;
    sqlite3_file *real;
};

static LIST_HEAD(inodes, inode) inodes = LIST_HEAD_INITIALIZER(inodes);
static LIST_HEAD(files, file) files = LIST_HEAD_INITIALIZER(files);
static sqlite3_vfs *below;
int64_t disk_syncs;

static struct file *of(sqlite3_file *file) {
    return (struct file *)(void *)file;
}

/* --- Inodes --- */

/* What the name stands for now; NULL when there is no such file. */
static struct inode *find_inode(const char *path) {
    struct inode *inode;
    struct stat info;
    if (stat(path, &info) != 0)
        return NULL;
    LIST_FOREACH(inode, &inodes, all) {
        if (inode->number == info.st_ino && strcmp(inode->path, path) == 0)
            return inode;
    }
    inode = calloc(1, sizeof *inode);
    if (!inode)
        abort();
    snprintf(inode->path, sizeof inode->path, "%s", path);
    inode->number = info.st_ino;
    STAILQ_INIT(&inode->writes);
    LIST_INSERT_HEAD(&inodes, inode, all);
    return inode;
}

static void forget_writes(struct inode *inode) {
    struct write *write;
    while ((write = STAILQ_FIRST(&inode->writes)) != NULL) {
        STAILQ_REMOVE_HEAD(&inode->writes, next);
        free(write->before);
        free(write);
    }
}

static void free_regions(struct inode *inode) {
    for (int i = 0; i < inode->region_count; i++)
        free(inode->regions[i]);
    inode->region_count = 0;
}

/* Whether another open file holds one of these locks. */
static bool shm_taken(const struct file *own, uint16_t mask, bool also_shared) {
    struct file *file;
    LIST_FOREACH(file, &files, all) {
        if (file != own && file->inode == own->inode &&
            ((file->shm_exclusive & mask) || (also_shared && (file->shm_shared & mask))))
            return true;
    }
    return false;
}

static void let_go(struct file *file) {
    struct inode *inode = file->inode;
    bool mapped = false;
    struct file *other;
    LIST_REMOVE(file, all);
    LIST_FOREACH(other, &files, all) {
        mapped |= other->inode == inode && other->mapped;
    }
    if (file->mapped && !mapped)
        free_regions(inode);
    inode->opens--;
    file->gone = true;
}

void disk_forget(uint32_t number) {
    struct file *next;
    for (struct file *file = LIST_FIRST(&files); file; file = next) {
        next = LIST_NEXT(file, all);
        if (file->owner != number)
            continue;
        let_go(file);
        if (file->real->pMethods)
            file->real->pMethods->xClose(file->real);
    }
}

/* --- Power cuts --- */

static bool is_in(const struct inode *inode, const char *directory) {
    size_t length = strlen(directory);
    return strncmp(inode->path, directory, length) == 0 && inode->path[length] == '/';
}

static void put_back(FILE *stream, const struct write *write) {
    if (write->length > 0 && fseek(stream, (long)write->at, SEEK_SET) == 0)
        fwrite(write->before, 1, (size_t)write->length, stream);
}

/* Undoes none, all or some of the unsynced writes. */
static void undo(struct inode *inode, struct dice *dice) {
    FILE *stream = fopen(inode->path, "r+");
    int how = dice_below(dice, 4);
    struct write *write;
    if (!stream)
        return;
    setvbuf(stream, NULL, _IONBF, 0);
    STAILQ_FOREACH(write, &inode->writes, next) {
        if (how == 0 || (how > 1 && dice_one_in(dice, 2)))
            continue;
        put_back(stream, write);
    }
    fclose(stream);
}

void disk_power_cut(const char *directory, struct dice *dice) {
    struct inode *inode;
    LIST_FOREACH(inode, &inodes, all) {
        if (!is_in(inode, directory))
            continue;
        if (!STAILQ_EMPTY(&inode->writes) && find_inode(inode->path) == inode)
            undo(inode, dice);
        forget_writes(inode);
    }
}

void disk_settle(const char *directory) {
    struct inode *inode;
    LIST_FOREACH(inode, &inodes, all) {
        if (is_in(inode, directory))
            forget_writes(inode);
    }
}

/* Notes what a write will overwrite. */
static void note_write(struct file *file, int64_t at, int length) {
    struct write *write = calloc(1, sizeof *write);
    if (!write || !(write->before = malloc((size_t)length + 1)))
        abort();
    const struct sqlite3_io_methods *real = file->real->pMethods;
    sqlite3_int64 size = 0;
    real->xFileSize(file->real, &size);
    write->at = at;
    write->size = size;
    write->length = at >= size ? 0 : at + length > size ? (int)(size - at) : length;
    if (write->length > 0)
        real->xRead(file->real, write->before, write->length, at);
    STAILQ_INSERT_HEAD(&file->inode->writes, write, next);
}

/* --- The methods of a file --- */

static int file_close(sqlite3_file *base) {
    struct file *file = of(base);
    if (file->gone)
        return SQLITE_OK;
    let_go(file);
    return file->real->pMethods->xClose(file->real);
}

static int file_read(sqlite3_file *base, void *to, int size, sqlite3_int64 at) {
    struct file *file = of(base);
    return file->real->pMethods->xRead(file->real, to, size, at);
}

static bool is_full(const struct file *file, int64_t end) {
    int node = fiber_node();
    sqlite3_int64 size = 0;
    if (node < 0 || !machines[node].disk_full)
        return false;
    file->real->pMethods->xFileSize(file->real, &size);
    return end > size;
}

static int file_write(sqlite3_file *base, const void *from, int size, sqlite3_int64 at) {
    struct file *file = of(base);
    fiber_point();
    if (is_full(file, at + size))
        return SQLITE_FULL;
    note_write(file, at, size);
    return file->real->pMethods->xWrite(file->real, from, size, at);
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
    struct file *file = of(base);
    sqlite3_int64 before = 0;
    fiber_point();
    file->real->pMethods->xFileSize(file->real, &before);
    if (before > size && before - size < 100 * 1024 * 1024)
        note_write(file, size, (int)(before - size));
    return file->real->pMethods->xTruncate(file->real, size);
}

static int file_sync(sqlite3_file *base, int flags) {
    struct file *file = of(base);
    (void)flags;
    fiber_point();
    disk_syncs++;
    forget_writes(file->inode);
    fiber_point();
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size) {
    struct file *file = of(base);
    return file->real->pMethods->xFileSize(file->real, size);
}

/* The highest lock of another open file. */
static int highest_of_others(const struct file *own) {
    int highest = SQLITE_LOCK_NONE;
    struct file *file;
    LIST_FOREACH(file, &files, all) {
        if (file != own && file->inode == own->inode && file->lock > highest)
            highest = file->lock;
    }
    return highest;
}

static int file_lock(sqlite3_file *base, int level) {
    struct file *file = of(base);
    int others = highest_of_others(file);
    if (level <= file->lock)
        return SQLITE_OK;
    bool taken = level == SQLITE_LOCK_SHARED     ? others >= SQLITE_LOCK_PENDING
                 : level == SQLITE_LOCK_RESERVED ? others >= SQLITE_LOCK_RESERVED
                                                 : others >= SQLITE_LOCK_SHARED;
    if (taken)
        return SQLITE_BUSY;
    file->lock = level;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level) {
    struct file *file = of(base);
    if (file->lock > level)
        file->lock = level;
    return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *base, int *result) {
    *result = highest_of_others(of(base)) >= SQLITE_LOCK_RESERVED;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int operation, void *argument) {
    struct file *file = of(base);
    return file->real->pMethods->xFileControl(file->real, operation, argument);
}

static int file_sector(sqlite3_file *base) {
    struct file *file = of(base);
    return file->real->pMethods->xSectorSize(file->real);
}

static int file_characteristics(sqlite3_file *base) {
    struct file *file = of(base);
    return file->real->pMethods->xDeviceCharacteristics(file->real);
}

static int file_shm_map(sqlite3_file *base, int region, int size, int extend,
                        void volatile **memory) {
    struct file *file = of(base);
    struct inode *inode = file->inode;
    *memory = NULL;
    if (size != REGION_BYTES || region >= REGIONS_MAX)
        return SQLITE_IOERR_SHMMAP;
    file->mapped = true;
    while (extend && inode->region_count <= region)
        inode->regions[inode->region_count++] = calloc(1, REGION_BYTES);
    if (region < inode->region_count)
        *memory = inode->regions[region];
    return SQLITE_OK;
}

static int file_shm_lock(sqlite3_file *base, int offset, int count, int flags) {
    struct file *file = of(base);
    uint16_t mask = (uint16_t)(((1u << count) - 1) << offset);
    if (flags & SQLITE_SHM_UNLOCK) {
        file->shm_shared &= (uint16_t)~mask;
        file->shm_exclusive &= (uint16_t)~mask;
        return SQLITE_OK;
    }
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    if (shm_taken(file, mask, exclusive))
        return SQLITE_BUSY;
    if (exclusive)
        file->shm_exclusive |= mask;
    else
        file->shm_shared |= mask;
    return SQLITE_OK;
}

static void file_shm_barrier(sqlite3_file *base) {
    (void)base;
}

static int file_shm_unmap(sqlite3_file *base, int delete) {
    struct file *file = of(base);
    (void)delete;
    file->shm_shared = 0;
    file->shm_exclusive = 0;
    return SQLITE_OK;
}

static const struct sqlite3_io_methods methods = {.iVersion = 2,
                                                  .xClose = file_close,
                                                  .xRead = file_read,
                                                  .xWrite = file_write,
                                                  .xTruncate = file_truncate,
                                                  .xSync = file_sync,
                                                  .xFileSize = file_size,
                                                  .xLock = file_lock,
                                                  .xUnlock = file_unlock,
                                                  .xCheckReservedLock = file_check_reserved,
                                                  .xFileControl = file_control,
                                                  .xSectorSize = file_sector,
                                                  .xDeviceCharacteristics = file_characteristics,
                                                  .xShmMap = file_shm_map,
                                                  .xShmLock = file_shm_lock,
                                                  .xShmBarrier = file_shm_barrier,
                                                  .xShmUnmap = file_shm_unmap};

/* --- The VFS --- */

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
                    int *flags_out) {
    struct file *file = of(base);
    (void)vfs;
    memset(file, 0, sizeof *file);
    file->real = (sqlite3_file *)(void *)(file + 1);
    int code = below->xOpen(below, name, file->real, flags, flags_out);
    if (code != SQLITE_OK)
        return code;
    file->inode = name ? find_inode(name) : NULL;
    if (!file->inode)
        sim_fail("SQLite opens a file that is not there: %s", name ? name : "a temporary one");
    file->inode->opens++;
    file->owner = fiber_number();
    file->base.pMethods = &methods;
    LIST_INSERT_HEAD(&files, file, all);
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    struct inode *inode = find_inode(name);
    (void)vfs;
    fiber_point();
    if (inode)
        forget_writes(inode);
    return below->xDelete(below, name, sync);
}

static int vfs_random(sqlite3_vfs *vfs, int size, char *to) {
    static struct dice nobody = {5};
    (void)vfs;
    dice_bytes(fiber_node() >= 0 ? &machines[fiber_node()].dice : &nobody, to, (size_t)size);
    return size;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us) {
    (void)vfs;
    if (!fiber_self())
        sim_fail("SQLite waits for a lock outside of all processes");
    fiber_sleep(us);
    return us;
}

static int vfs_time(sqlite3_vfs *vfs, sqlite3_int64 *ms) {
    (void)vfs;
    *ms = INT64_C(210866760000000) + machine_wall_us(fiber_node()) / 1000;
    return SQLITE_OK;
}

void disk_open(void) {
    static sqlite3_vfs vfs;
    below = sqlite3_vfs_find("unix-none");
    vfs = *below;
    vfs.iVersion = 2;
    vfs.zName = "sim";
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(struct file) + below->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xRandomness = vfs_random;
    vfs.xSleep = vfs_sleep;
    vfs.xCurrentTimeInt64 = vfs_time;
    sqlite3_vfs_register(&vfs, 1);
}
