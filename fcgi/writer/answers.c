/* Answers to jobs, which share one piece of memory. */

#include "batch_parts.h"
#include "log.h"

size_t batch_align(size_t size) {
    return (size + 15) & ~(size_t)15;
}

struct channel_message *batch_start_answer(struct batch *batch, struct job *job) {
    job->answer = (struct channel_message *)(void *)(batch->out + batch->out_used);
    job->answer->header = (struct channel_header){
        .version = CHANNEL_VERSION,
        .operation =
            (uint16_t)(job->wait ? job->wait->operation : job->operation->header.operation),
        .id = job->wait ? job->wait->ticket : job->operation->header.id};
    return job->answer;
}

void batch_end_answer(struct batch *batch, struct job *job, enum queue_result result) {
    job->answer->header.result = (uint16_t)result;
    batch->out_used += batch_align(operation_answer_size(job->answer));
    log_set_request(NULL);
}

struct job *batch_unpark(struct batch *batch, struct parked_wait *wait) {
    size_t most = wait->operation == OPERATION_LEASE ? OUT_BYTES_LEASES : OUT_BYTES;
    if (batch->count == JOBS_MAX || batch->out_used + sizeof(struct channel_message) > most)
        return NULL;
    parked_take(batch->parked, wait);
    struct job *job = &batch->jobs[batch->count++];
    *job = (struct job){.owner = wait->owner, .wait = wait};
    batch_start_answer(batch, job);
    log_set_request(wait->request.id);
    return job;
}
