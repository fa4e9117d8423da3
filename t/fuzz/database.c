/* A database, or a backup, that somebody has changed: each four bytes of an input are a place and
 * what stands there. */
#include "fcgi/store/offline.h"
#include "fcgi/store/store.h"
#include "fuzz.h"
#include "t/unit/sqlite/fixture.h"

enum { CHANGES_MAX = 64 };

static uint8_t *image;
static size_t bytes;
static char changed[100];

/* Makes a whole database with some items, and keeps its bytes. */
static void begin(void) {
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    struct store *store = open_store();
    for (int i = 0; i < 20; i++) {
        struct queue_enqueue item = new_item(1 + i % 3);
        struct uuid id;
        must(store_begin(store) && store_enqueue(store, &item, &id) == QUEUE_OK &&
             store_commit(store));
    }
    must(store_close(store));
    FILE *in = fopen(conf.database, "r");
    struct stat file;
    if (!in || fstat(fileno(in), &file) != 0 || !(image = malloc((size_t)file.st_size)) ||
        fread(image, 1, (size_t)file.st_size, in) != (size_t)file.st_size)
        abort();
    fclose(in);
    bytes = (size_t)file.st_size;
    snprintf(changed, sizeof changed, "%s/copy", directory);
}

/* Serves what has been changed, as a server does whose disk turns bytes over: a lease, and a report
 * of all of it. */
static void serve(void) {
    static struct queue_grant grant;
    static struct queue_report report;
    static struct queue_verdict verdict;
    struct conf other = conf;
    int exit_code;
    snprintf(other.database, sizeof other.database, "%s", changed);
    struct store *store = store_open(&other, &exit_code);
    if (!store)
        return;
    struct queue_lease request = lease_of(QUEUE_LEASE_MAX);
    if (store_begin(store) && store_lease(store, &request, &grant) == QUEUE_OK && grant.count > 0) {
        report.worker = request.worker;
        report.count = grant.count;
        for (int i = 0; i < grant.count; i++)
            report.items[i] = (struct queue_report_item){
                .id = grant.items[i].id, .lease = request.request, .remaining = 0};
        store_report(store, &report, &verdict);
    }
    if (!store_commit(store))
        store_rollback(store);
    store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!image)
        begin();
    uint8_t *copy = malloc(bytes);
    FILE *out = fopen(changed, "w");
    if (!copy || !out)
        abort();
    memcpy(copy, image, bytes);
    size_t differ = 0;
    for (size_t i = 0; i + 4 <= size && i < 4 * CHANGES_MAX; i += 4) {
        size_t place = ((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) % bytes;
        differ += copy[place] != data[i + 3];
        copy[place] = data[i + 3];
    }
    if (fwrite(copy, 1, bytes, out) != bytes || fclose(out) != 0)
        abort();
    bool good = store_check(changed);
    must(good || differ > 0);
    serve();
    remove_database("copy");
    free(copy);
    return 0;
}
