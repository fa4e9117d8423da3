/* The writer with COPY=sync: answers that wait for the replica at the peer, watches for a batch;
 * and what the verbs of queue_peers.h carry to it and back. */
#include "fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "fcgi/base/child.h"
#include "fcgi/base/child_start.h"
#include "fcgi/master/sockets.h"
#include "fcgi/queue/channel.h"
#include "fcgi/writer/operation.h"
#include "fcgi/writer/writer.h"

static char channel[100];
static pid_t writer;
static struct queue *queue;
static struct channel_message message;

static void run_writer(int listen_fd, int ready_fd, pid_t master) {
    static struct child_slot slot;
    struct child_job job = {.conf = &conf, .channel = channel, .listen_fd = listen_fd};
    child_start(&slot, ready_fd, "writer", master);
    _exit(serve_writer(&job));
}

static void start_writer(void) {
    int ready[2];
    char byte;
    int listen_fd = sockets_listen(channel, SOCK_SEQPACKET, (gid_t)-1);
    pid_t master = getpid();
    if (listen_fd < 0 || pipe(ready) != 0 || (writer = fork()) < 0)
        abort();
    if (writer == 0)
        run_writer(listen_fd, ready[1], master);
    close(listen_fd);
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1)
        abort();
    close(ready[0]);
}

static void stop_writer(void) {
    int status = 0;
    kill(writer, SIGTERM);
    waitpid(writer, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the writer ends well");
}

/* A process that has sent an operation and does not wait for its answer. */
static int send_operation(enum operation operation) {
    int fd = channel_connect(channel, 20000);
    message.header.version = CHANNEL_VERSION;
    message.header.operation = (uint16_t)operation;
    message.header.id = 1;
    message.header.until_ms = clock_steady_ms() + 20000;
    if (fd < 0 || channel_send(fd, &message, operation_size(&message)) != CHANNEL_OK)
        abort();
    return fd;
}

static int send_item(int64_t iterations, const char *key) {
    message.body.enqueue = new_item(iterations);
    snprintf(message.body.enqueue.key, QUEUE_KEY_SIZE, "%s", key);
    return send_operation(OPERATION_ENQUEUE);
}

/* Has the writer store an item. Its sender stays: what one who has gone had sent may be left out.
 */
static void put_item(void) {
    send_item(1, "");
}

/* Whether a process has its answer. Two tallies before make this certain: with the first the writer
 * has accepted the process, with the second it has applied the operation. */
static bool is_answered(int fd) {
    struct queue_tally tally;
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    for (int i = 0; i < 2; i++) {
        if (queue_tally(queue, &queue_everybodys, &tally) != QUEUE_OK)
            abort();
    }
    return poll(&readable, 1, 0) == 1;
}

/* Waits for the result of an operation, and ends its process. */
static enum queue_result answer(int fd) {
    size_t size;
    enum channel_result result = channel_await(fd, &message, &size);
    close(fd);
    return result == CHANNEL_OK ? (enum queue_result)message.header.result : QUEUE_UNKNOWN;
}

static const struct queue_peers *peers(void) {
    static struct queue_peers known;
    if (queue_peers(queue, &known) != QUEUE_OK)
        abort();
    return &known;
}

/* The replica has acknowledged all batches but the last `lacks`. */
static void tell(int lacks, int state) {
    struct queue_acknowledged acknowledged = {
        .batch = peers()->batch - lacks, .state = state, .proven = 1};
    is_int(queue_acknowledge(queue, &acknowledged), QUEUE_OK, "the writer is told");
}

static struct queue_copying copying(void) {
    struct queue_tally tally;
    if (queue_tally(queue, &queue_everybodys, &tally) != QUEUE_OK)
        abort();
    return tally.copying;
}

static void held(void) {
    int first = send_item(5, "key");
    ok(!is_answered(first), "an enqueue waits for the replica");
    int again = send_item(5, "key");
    ok(!is_answered(again), "the same again, too");
    tell(1, COPY_FOLLOWING);
    ok(!is_answered(first), "a replica that lacks it is not enough");
    is_int(copying().batches, 1, "everybody can see what it lacks");
    tell(0, COPY_COPYING);
    ok(!is_answered(first), "nor is one that is only being copied");
    tell(0, COPY_FOLLOWING);
    is_int(answer(first), QUEUE_OK, "once it has it the client is answered");
    struct uuid id = message.body.id;
    is_int(answer(again), QUEUE_OK, "the other as well");
    ok(memcmp(&id, &message.body.id, ID_SIZE) == 0, "with the same id");
    is_int(copying().batches, 0, "it lacks nothing");
    message.body.pull = (struct queue_pull){.top = 5};
    is_int(answer(send_operation(OPERATION_PULL)), QUEUE_OK, "a pull of nothing does not wait");
    message.body.cancel = (struct queue_cancel){.id = id, .whose = queue_everybodys};
    int cancelled = send_operation(OPERATION_CANCEL);
    ok(!is_answered(cancelled), "a cancellation does");
    int gone = send_item(5, "");
    ok(!is_answered(gone), "who waits may go");
    close(gone);
    clock_offsets[1] += 1900;
    ok(!is_answered(cancelled), "for not quite two seconds it waits");
    is_int(peers()->incomplete_wall_ms, 0, "the replica is complete");
    clock_offsets[1] += 200;
    is_int(answer(cancelled), QUEUE_OK, "then it is answered all the same");
    ok(peers()->incomplete_wall_ms > 0, "and it is saved by then that the replica is incomplete");
}

static void incomplete(void) {
    int fd = send_item(1, "");
    is_int(answer(fd), QUEUE_OK, "as long as it is incomplete nobody waits");
    message.body.pull = (struct queue_pull){.top = 1};
    is_int(answer(send_operation(OPERATION_PULL)), QUEUE_OK, "a pull does not either");
    is_int(message.body.batch.count, 1, "with an item");
    int64_t since = peers()->incomplete_wall_ms;
    clock_offsets[0] += 5000;
    tell(100, COPY_FOLLOWING);
    is_int(answer(send_item(5, "")), QUEUE_OK, "it is while it lacks much");
    tell(1, COPY_FOLLOWING);
    fd = send_item(5, "");
    ok(!is_answered(fd), "once it lacks little answers wait for it, so that it can catch up");
    is_int(peers()->incomplete_wall_ms, since, "but it is incomplete since then");
    clock_offsets[1] += 2100;
    is_int(answer(fd), QUEUE_OK, "too late for that");
    is_int(answer(send_item(5, "")), QUEUE_OK, "nobody waits any more");
    tell(1, COPY_FOLLOWING);
    fd = send_item(5, "");
    ok(!is_answered(fd), "close again");
    tell(1, COPY_FOLLOWING);
    is_int(peers()->incomplete_wall_ms, 0,
           "with what was answered before it is complete, however much is going on");
    ok(!is_answered(fd), "what came since still waits");
    tell(0, COPY_FOLLOWING);
    is_int(answer(fd), QUEUE_OK, "until it has that, too");
    fd = send_item(5, "");
    ok(!is_answered(fd), "an enqueue waits again");
    clock_offsets[1] += 2100;
    is_int(answer(fd), QUEUE_OK, "until it is too late");
    ok(peers()->incomplete_wall_ms > since, "it is incomplete once more");
}

static void over_a_start(void) {
    stop_writer();
    start_writer();
    ok(peers()->incomplete_wall_ms > 0, "behind a start it still is");
    is_int(answer(send_item(5, "")), QUEUE_OK, "nobody waits");
    tell(0, COPY_FOLLOWING);
    is_int(peers()->incomplete_wall_ms, 0, "until it has all");
    stop_writer();
    start_writer();
    int fd = send_item(5, "");
    ok(!is_answered(fd), "behind another start one waits: what the replica has is not known");
    tell(0, COPY_FOLLOWING);
    is_int(answer(fd), QUEUE_OK, "until it is");
}

/* A writer that stops gives the withheld answers before. */
static void stops(void) {
    int fd = send_item(5, "");
    ok(!is_answered(fd), "an enqueue waits");
    kill(writer, SIGTERM);
    poll(NULL, 0, 100);
    struct queue_acknowledged acknowledged = {
        .batch = INT64_MAX, .state = COPY_FOLLOWING, .proven = 1};
    is_int(queue_acknowledge(queue, &acknowledged), QUEUE_OK, "a writer that is to end is told");
    is_int(answer(fd), QUEUE_OK, "and answers before");
    stop_writer();
    start_writer();
    tell(0, COPY_FOLLOWING);
}

/* The next answer of the event loop's kind. */
static struct queue_answer next(void) {
    struct queue_answer found = {0};
    while (!queue_next(queue, &found)) {
        struct pollfd readable = {.fd = queue_descriptor(queue), .events = POLLIN};
        poll(&readable, 1, 100);
    }
    return found;
}

static void watches(void) {
    int64_t seen = peers()->batch;
    uint64_t old = queue_start_batch(queue, seen - 1, 20000);
    struct queue_answer found = next();
    ok(found.ticket == old && found.result == QUEUE_OK && found.number == seen,
       "a batch that was is told at once");
    uint64_t new = queue_start_batch(queue, seen, 20000);
    int fd = send_item(5, "");
    found = next();
    ok(found.ticket == new &&found.result == QUEUE_OK &&found.number == seen + 1,
       "one that comes is told when it does, before its client is");
    ok(!is_answered(fd), "who waits for what the watch is for");
    uint64_t saved = queue_start_batch(queue, seen + 1, 20000);
    clock_offsets[1] += 2100;
    is_int(answer(fd), QUEUE_OK, "when that is too late");
    found = next();
    ok(found.ticket == saved && found.result == QUEUE_OK && found.number == seen + 2,
       "the batch that says so is told as well");
    struct queue_tally tally;
    uint64_t none = queue_start_batch(queue, seen + 2, 1000);
    is_int(queue_tally(queue, &queue_everybodys, &tally), QUEUE_OK, "other things go on");
    is_int(tally.parked, 0, "nobody is parked for clients");
    clock_offsets[1] += 1500;
    found = next();
    ok(found.ticket == none && found.result == QUEUE_NONE, "none is told when its time is over");
    tell(0, COPY_FOLLOWING);
}

/* Which answers of pulls over both nodes wait for the replica. */
static void waits_of_pulls(void) {
    struct queue_pull pull = {.top = 5, .reach = PULL_OVER_BOTH, .peer = 2, .key = "pull"};
    put_item();
    message.body.pull = pull;
    int fd = send_operation(OPERATION_PULL);
    is_int(answer(fd), QUEUE_OK, "a pull that is opened does not wait: nobody is told of it");
    ok(message.body.batch.count == 1 && message.body.batch.share == PULL_OPEN, "open");
    struct queue_close close_it = {.rest = 3};
    memcpy(close_it.tag, message.body.batch.tag, PULL_TAG_SIZE);
    message.body.close = close_it;
    fd = send_operation(OPERATION_CLOSE_PULL);
    ok(!is_answered(fd), "its closing, too");
    tell(0, COPY_FOLLOWING);
    is_int(answer(fd), QUEUE_OK, "until then");
    put_item();
    message.body.reserve =
        (struct queue_reserve){.tag = "r", .node = 2, .identity = {.epoch = 5}, .top = 3};
    fd = send_operation(OPERATION_RESERVE);
    ok(!is_answered(fd), "and what is set aside for the peer");
    tell(0, COPY_FOLLOWING);
    is_int(answer(fd), QUEUE_OK, "until then");
    is_int(message.body.batch.count, 1, "with an item");
}

/* What the verbs carry to the writer and back. */
static void verbs(void) {
    static struct queue_batch batch;
    struct queue_fate fate;
    struct queue_pull pull = {.top = 5, .reach = PULL_OVER_BOTH, .peer = 2, .key = "pull"};
    is_int(queue_pull(queue, &pull, &batch), QUEUE_OK, "a pull is asked for again");
    ok(batch.count == 1 && batch.share == PULL_CLOSED && batch.rest == 3, "it is closed");
    is_int(queue_pull_fate(queue, batch.tag, &fate), QUEUE_OK, "everybody can see");
    ok(fate.fate == PULL_IS_CLOSED && fate.rest == 3, "that it is");
    struct queue_close close_it = {.rest = 2};
    memcpy(close_it.tag, batch.tag, PULL_TAG_SIZE);
    is_int(queue_close_pull(queue, &close_it), QUEUE_CONFLICT, "not to be closed otherwise");
    close_it.settled = 1;
    is_int(queue_close_pull(queue, &close_it), QUEUE_OK, "to be settled");
    struct queue_reserve reserve = {
        .tag = "r", .again = 1, .node = 2, .identity = {.epoch = 5}, .top = 3};
    is_int(queue_reserve(queue, &reserve, &batch), QUEUE_OK, "what is set aside is asked for");
    is_int(batch.count, 1, "and there");
    is_int(peers()->reserved_items, 1, "as everybody can see");
    struct queue_settle settle = {.tag = "r", .node = 2, .epoch = 5};
    is_int(queue_settle(queue, &settle), QUEUE_OK, "it is freed");
    is_int(peers()->reserved_items, 0, "then it is not");
}

static void verbs_of_hellos(void) {
    static struct queue_hello_answer answered;
    static struct queue_heard heard;
    struct queue_hello hello = {.node = 2, .identity = {.epoch = 7}};
    memset(hello.identity.database.bytes, 2, ID_SIZE);
    is_int(queue_hello(queue, &hello, &answered), QUEUE_OK, "a peer says hello");
    ok(answered.nonce > 0 && !answered.counts, "it is told a nonce");
    ok(peers()->met.epoch == 7 &&
           memcmp(&peers()->met, &hello.identity, sizeof hello.identity) == 0,
       "which database it has is known");
    hello.identity.epoch = 6;
    is_int(queue_hello(queue, &hello, &answered), QUEUE_CONFLICT, "an older one is refused");
    hello.identity.epoch = 8;
    struct queue_raise raise = {.node = 2, .identity = hello.identity};
    is_int(queue_raise(queue, &raise), QUEUE_OK, "a later one takes its place");
    hello.identity.epoch = 7;
    is_int(queue_hello(queue, &hello, &answered), QUEUE_CONFLICT, "the former is refused then");
    hello.identity.epoch = 9;
    memset(hello.identity.database.bytes, 3, ID_SIZE);
    is_int(queue_hello(queue, &hello, &answered), QUEUE_OK, "another that is later is not");
    hello.identity.epoch = 9;
    memset(hello.identity.database.bytes, 4, ID_SIZE);
    is_int(queue_hello(queue, &hello, &answered), QUEUE_CONFLICT, "another of the same epoch is");
    struct queue_loan_step step = {.id = id_new(1), .node = 2, .step = LOAN_WANT};
    is_int(queue_loan(queue, &step), QUEUE_OK, "a loan is wanted");
    heard = (struct queue_heard){.sent = {.node = 2, .count = 1, .loans = {step.id}},
                                 .clock_ms = peers()->clock_ms + 1000000,
                                 .answer = {.counts = 1, .count = 1, .ttl_ms = {5000}}};
    is_int(queue_heard(queue, &heard), QUEUE_OK, "and given");
    ok(peers()->loan_count == 1 && peers()->loans[0].state == LOAN_HELD, "as everybody can see");
    clock_offsets[1] += PEER_AWAY_MS + 100;
    ok(copying().away && copying().heard_ms > PEER_AWAY_MS, "a peer that is silent is away");
    is_int(queue_heard(queue, &heard), QUEUE_OK, "when it answers");
    ok(!copying().away && copying().heard_ms < PEER_AWAY_MS, "it is there");
    tell(0, COPY_FOLLOWING);
    tell(0, COPY_FOLLOWING); /* that it is complete again was a batch */
    clock_offsets[1] += 15000;
    is_int(copying().behind_ms, 0,
           "a replica that has all is not behind, however long nothing comes");
    heard.clock_ms += 20000;
    is_int(queue_heard(queue, &heard), QUEUE_OK, "a batch that it lacks");
    ok(copying().batches > 0 && copying().behind_ms < 5000, "is what it is behind by");
    int64_t lacks = copying().batches;
    tell(0, COPY_UNKNOWN);
    ok(copying().known && copying().batches >= lacks, "and stays so while it does not answer");
    tell(0, COPY_MISSING);
    ok(!copying().known, "not when there is none");
}

/* Withheld answers are never given when a newer database has taken the place. */
static void superseded(void) {
    int status = 0;
    tell(0, COPY_FOLLOWING);
    tell(0, COPY_FOLLOWING);
    int fd = send_item(5, "");
    ok(!is_answered(fd), "an enqueue waits");
    struct queue_acknowledged acknowledged = {.state = COPY_SUPERSEDED};
    queue_acknowledge(queue, &acknowledged);
    waitpid(writer, &status, 0);
    ok(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_UNSAFE, "the writer ends, code 76");
    is_int(answer(fd), QUEUE_UNKNOWN, "and has not answered");
    start_writer();
}

/* A writer that stood still first waits to hear whether another one has its database. */
static void pause_of_the_writer(void) {
    tell(0, COPY_FOLLOWING);
    tell(0, COPY_FOLLOWING);
    int fd = send_item(5, "");
    ok(!is_answered(fd), "an enqueue waits");
    kill(writer, SIGSTOP);
    clock_offsets[1] += 600000;
    kill(writer, SIGCONT);
    ok(!is_answered(fd), "a long pause is no wait");
    tell(0, COPY_FOLLOWING);
    is_int(answer(fd), QUEUE_OK, "it is answered when the replica has it");
}

int main(void) {
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    snprintf(channel, sizeof channel, "%s/channel", directory);
    conf.node = 1;
    conf.has_peer = true;
    conf.peer.node = 2;
    conf.copying = COPY_SYNC;
    conf.operation_seconds = 14;
    if (!store_create(&conf, 0))
        abort();
    start_writer();
    queue = queue_open(&conf, channel);
    tell(0, COPY_FOLLOWING);
    held();
    incomplete();
    over_a_start();
    stops();
    watches();
    waits_of_pulls();
    verbs();
    verbs_of_hellos();
    superseded();
    pause_of_the_writer();
    queue_close(queue);
    stop_writer();
    return done_testing();
}
