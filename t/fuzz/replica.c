/* The calls of the other node about the replica of its database, on a stand-in for the replica. */
#include "fcgi/queue/replica.h"

#include "call.h"

/* Checks what a handler gives to the replica, and ends with the result that the input asks for. */
static enum replica_result end(const struct replica_source *source) {
    must(source->node == 1 && source->schema >= 1 && source->identity.epoch >= 0);
    must(source->complete == 0 || source->complete == 1);
    return (enum replica_result)fuzz_result % (REPLICA_FAILED + 1);
}

const char *replica_result_name(enum replica_result result) {
    must(result >= REPLICA_OK && result <= REPLICA_FAILED);
    return "a result";
}

struct replica *replica_open(const struct conf *conf) {
    (void)conf;
    return NULL;
}

void replica_close(struct replica *replica) {
    (void)replica;
}

void replica_state(const struct replica *replica, struct replica_state *state) {
    (void)replica;
    *state = (struct replica_state){.there = fuzz_result == QUEUE_OK,
                                    .node = 1,
                                    .identity.epoch = 5,
                                    .schema = 11,
                                    .batch = 1000,
                                    .wall_ms = 1700000000000,
                                    .bytes = 4096};
}

bool replica_is_taken(const struct replica *replica) {
    (void)replica;
    return fuzz_result == QUEUE_OK;
}

bool replica_is_newer(const struct replica *replica, const struct replica_source *source) {
    (void)replica;
    return source->identity.epoch < 5;
}

enum replica_result replica_apply(struct replica *replica, const struct replica_source *source,
                                  const char *records, size_t length) {
    struct batch_record record;
    size_t used;
    (void)replica;
    for (; length > 0; records += used, length -= used) {
        used = batch_record_read(records, length, &record);
        must(used > 0 && used <= length);
    }
    return end(source);
}

enum replica_result replica_copy(struct replica *replica, const struct replica_source *source,
                                 const struct replica_part *part) {
    (void)replica;
    must(part->number >= 0 && part->number <= INT32_MAX);
    must(part->file_bytes >= 0 && part->file_bytes % 4096 == 0);
    must(part->length % (8 + 4096) == 0 && (part->pages || part->length == 0));
    return end(source);
}

enum replica_result replica_take(struct replica *replica, const struct queue_identity *identity) {
    (void)replica;
    must(identity->epoch >= 0);
    return (enum replica_result)fuzz_result % (REPLICA_FAILED + 1);
}

int64_t replica_read(struct replica *replica, int64_t at, char *to, size_t size) {
    (void)replica;
    must(at >= 0 && at < INT64_MAX - 4096 && size >= 1);
    memset(to, 'x', size);
    return fuzz_result == QUEUE_OK ? (int64_t)size : fuzz_result == QUEUE_NONE ? 0 : -1;
}

enum replica_result replica_compare(struct replica *replica, const struct replica_source *source,
                                    const struct queue_range *range) {
    (void)replica;
    must(range->batch >= 0 && range->first >= 0 && range->last >= 0);
    return end(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run_call(LISTENER_WORKER, replica_routes, data, size);
    return 0;
}
