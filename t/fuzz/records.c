/* Records of batches, as another node sends them. */
#include "fcgi/queue/batch_log.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *bytes = (const char *)data;
    struct batch_record record;
    size_t used;
    unsigned sum = 0;
    while (size > 0 && (used = batch_record_read(bytes, size, &record)) > 0) {
        must(used <= size);
        must(record.changes == bytes + BATCH_HEAD_SIZE);
        must(record.size == used - BATCH_HEAD_SIZE && record.size <= BATCH_CHANGES_MAX);
        for (size_t i = 0; i < record.size; i++)
            sum += (unsigned char)record.changes[i];
        bytes += used;
        size -= used;
    }
    must(sum < UINT32_MAX);
    return 0;
}
