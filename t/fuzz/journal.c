/* The journal of a job, as a crash, a disk or another program may have left it. With "#sum" before
 * it each line of an input gets its right sum, so that what comes behind the sums is tried, too.
 * What is taken is taken again in the same way, also after an item was added. */
#include "files/journal.h"

#include <sys/stat.h>
#include <unistd.h>

#include "client_files.h"
#include "files/journal_parts.h"
#include "fnv.h"
#include "scratch.h"

static char path[100];

static void make_place(void) {
    static char directory[60];
    scratch_template(directory, "fuzz-journal");
    if (!mkdtemp(directory) || setenv("XDG_STATE_HOME", directory, 1) != 0)
        abort();
    snprintf(path, sizeof path, "%s/hashmill", directory);
    if (mkdir(path, 0700) != 0)
        abort();
    snprintf(path, sizeof path, "%s/hashmill/job", directory);
}

/* Writes an input as the journal. */
static void write_input(const char *bytes, size_t size) {
    FILE *out = fopen(path, "w");
    uint32_t sum = FNV_START;
    char text[JOURNAL_SUM_LENGTH];
    const char *end = bytes + size;
    bool summed = size > 5 && memcmp(bytes, "#sum\n", 5) == 0;
    if (!out)
        abort();
    for (bytes += summed ? 5 : 0; bytes < end;) {
        const char *stop = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t length = (size_t)((stop ? stop : end) - bytes);
        bool head = memcmp(bytes, JOURNAL_HEAD, length < 9 ? length : 9) == 0;
        if (summed && stop && !head) {
            journal_sum(text, &sum, bytes, length);
            fwrite(text, 1, sizeof text, out);
        }
        length += stop ? 1 : 0;
        fwrite(bytes, 1, length, out);
        bytes += length;
    }
    if (fclose(out) != 0)
        abort();
}

/* What a journal says, in one number. */
static uint32_t digest_of(const struct journal *journal, int count) {
    uint32_t sum = FNV_START;
    for (int i = 0; i < count; i++) {
        const char *node = journal_node(journal, i);
        const uint8_t *id = journal_id(journal, i);
        const char *name = journal_path(journal, i);
        must(journal_find(journal, journal->items[i].key) == i);
        sum = fnv_add(sum, node ? node : "", node ? strlen(node) + 1 : 1);
        sum = fnv_add(sum, name, strlen(name) + 1);
        sum = fnv_add(sum, id ? id : journal->items[i].key, 16);
    }
    return sum;
}

/* An item that was sent and has got its id. */
static void add_item(struct journal *journal) {
    static const uint8_t key[ITEM_KEY_BYTES] = {1, 2, 3};
    int item = journal_enter(journal, key, "/a\nb\\c");
    must(item != JOURNAL_NONE);
    if (!journal_send(journal, item, "http://127.0.0.1:1", "/a\nb\\c"))
        return; /* it knows as many nodes as it may */
    journal_place(journal, item, key);
    must(journal_write(journal, false));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int code = 0;
    if (path[0] == '\0')
        make_place();
    say_through(&nobody);
    write_input((const char *)data, size);
    struct journal *journal = journal_open("job", false, true, &code);
    if (!journal) {
        must(code == 1 && !journal_open("job", true, true, &code) && code == 1);
        return 0;
    }
    int count = journal_count(journal);
    uint32_t sum = digest_of(journal, count);
    journal_close(journal);
    journal = journal_open("job", true, true, &code);
    must(journal && journal_count(journal) == count && digest_of(journal, count) == sum);
    add_item(journal);
    count = journal_count(journal);
    sum = digest_of(journal, count);
    bool sent = journal_node(journal, count - 1) != NULL;
    journal_close(journal);
    journal = journal_open("job", false, true, &code);
    must(journal &&
         (!sent || (journal_count(journal) == count && digest_of(journal, count) == sum)));
    journal_close(journal);
    return 0;
}
