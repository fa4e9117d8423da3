/* Enqueues as tickets: sent together, each answered once, in time, and never sent twice. The writer
 * is this test. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fcgi/base/conf.h"
#include "fcgi/master/sockets.h"
#include "fcgi/queue/channel.h"
#include "fcgi/queue/id.h"
#include "fcgi/queue/queue.h"
#include "tap.h"

enum { OPERATION_SECONDS = 5, MANY = 300 };

static char directory[] = "/tmp/hm-tickets-XXXXXX";
static char channel[100];
static char clock_file[100];
static int64_t *clock_offsets; /* wall, steady: see lib/clock.h */
static struct conf conf = {.operation_seconds = OPERATION_SECONDS};
static struct queue *queue;
static int listen_fd;
static int writer = -1; /* our end of the channel */
static struct channel_message message;

static void set_up(void) {
    if (!mkdtemp(directory))
        abort();
    snprintf(channel, sizeof channel, "%s/channel", directory);
    snprintf(clock_file, sizeof clock_file, "%s/clock", directory);
    int fd = open(clock_file, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, 16) != 0)
        abort();
    clock_offsets = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    setenv("HASHMILL_TEST_CLOCK", clock_file, 1);
    listen_fd = sockets_listen(channel, SOCK_SEQPACKET, (gid_t)-1);
    queue = queue_open(&conf, channel);
    if (clock_offsets == MAP_FAILED || listen_fd < 0 || !queue)
        abort();
}

static void tear_down(void) {
    queue_close(queue);
    close(writer);
    close(listen_fd);
    unlink(channel);
    unlink(clock_file);
    rmdir(directory);
}

static uint64_t start(int64_t iterations) {
    struct queue_enqueue item = {.id = id_new(1), .iterations = iterations};
    return queue_start_enqueue(queue, &item);
}

static void accept_channel(void) {
    if (writer >= 0)
        close(writer);
    writer = accept(listen_fd, NULL, NULL);
}

/* The iterations of the next operation that has come, and its id; 0 when there is none. */
static int64_t next_operation(uint64_t *id) {
    size_t size;
    if (channel_receive(writer, &message, &size) != CHANNEL_OK)
        return 0;
    *id = message.header.id;
    return message.body.enqueue.iterations;
}

static void answer(uint64_t id, enum queue_result result, int number) {
    static struct channel_message to_send; /* too large for the stack */
    memset(&to_send.header, 0, sizeof to_send.header);
    to_send.header = (struct channel_header){.version = CHANNEL_VERSION,
                                             .operation = OPERATION_ENQUEUE,
                                             .id = id,
                                             .result = (uint16_t)result,
                                             .retry_seconds = (uint32_t)number};
    to_send.body.id = (struct uuid){{(uint8_t)number}};
    size_t body = result == QUEUE_OK ? sizeof to_send.body.id : 0;
    if (channel_send(writer, &to_send, CHANNEL_HEADER_SIZE + body) != CHANNEL_OK)
        abort();
}

/* Whether the queue answers this ticket next, with this result. */
static bool answers(uint64_t ticket, enum queue_result result, struct queue_answer *found) {
    return queue_next(queue, found) && found->ticket == ticket && found->result == result;
}

static void test_together(void) {
    uint64_t id[3];
    struct queue_answer found;
    uint64_t tickets[3] = {start(1), start(2), start(3)};
    queue_flush(queue);
    accept_channel();
    ok(next_operation(&id[0]) == 1 && next_operation(&id[1]) == 2 && next_operation(&id[2]) == 3,
       "what was started is sent by one flush");
    ok(next_operation(&id[0]) == 0, "once");
    ok(!queue_next(queue, &found), "nothing is answered yet");
    for (int i = 2; i >= 0; i--)
        id[i] = tickets[i];
    answer(id[2], QUEUE_OK, 33);
    answer(id[0], QUEUE_FULL, 7);
    ok(answers(tickets[2], QUEUE_OK, &found) && found.id.bytes[0] == 33,
       "the last is answered first, with its id");
    ok(answers(tickets[0], QUEUE_FULL, &found) && queue_retry_seconds(queue) == 7,
       "another is refused, with its Retry-After");
    answer(id[2], QUEUE_OK, 44);
    answer(id[1], QUEUE_OK, 22);
    ok(answers(tickets[1], QUEUE_OK, &found) && found.id.bytes[0] == 22,
       "a second answer to the same ticket meets nobody");
    ok(queue_under_way(queue) == 0 && !queue_next(queue, &found), "all are answered, once");
}

static void test_channel_lost(void) {
    uint64_t id;
    struct queue_answer found;
    uint64_t sent = start(11);
    queue_flush(queue);
    uint64_t unsent = start(12);
    ok(next_operation(&id) == 11, "one is sent, another is not yet");
    close(writer);
    writer = -1;
    bool ended = false;
    for (int tries = 0; tries < 10 && !ended; tries++)
        ended = answers(sent, QUEUE_UNKNOWN, &found);
    ok(ended, "the writer goes away: the outcome of the sent one is unknown");
    queue_flush(queue);
    accept_channel();
    ok(next_operation(&id) == 12 && id == unsent, "the other goes to the next writer");
    ok(next_operation(&id) == 0, "and nothing is sent twice");
    answer(unsent, QUEUE_OK, 1);
    ok(answers(unsent, QUEUE_OK, &found), "which answers it");
}

static void test_late(void) {
    uint64_t id;
    struct queue_answer found;
    uint64_t late = start(21);
    queue_flush(queue);
    ok(next_operation(&id) == 21, "the writer has one, and hangs");
    clock_offsets[1] += OPERATION_SECONDS * 1000 - 1000;
    ok(!queue_next(queue, &found), "it has its time");
    clock_offsets[1] += 2000;
    ok(answers(late, QUEUE_UNKNOWN, &found), "then the outcome is unknown");
    uint64_t next = start(22);
    queue_flush(queue);
    ok(next_operation(&id) == 22, "the next one is sent on the same channel");
    answer(late, QUEUE_OK, 1);
    ok(!queue_next(queue, &found), "the late answer meets nobody");
    answer(next, QUEUE_OK, 2);
    ok(answers(next, QUEUE_OK, &found) && found.id.bytes[0] == 2, "the right one meets its own");
}

static void test_full(void) {
    uint64_t id;
    struct queue_answer found;
    static uint64_t tickets[MANY];
    int size = 4096;
    int received = 0;
    setsockopt(queue_descriptor(queue), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    for (int i = 0; i < MANY; i++)
        tickets[i] = start(i + 1);
    queue_flush(queue);
    ok(queue_is_behind(queue), "a full channel does not take all");
    bool same = true;
    for (int rounds = 0; received < MANY && rounds < 10 * MANY; rounds++) {
        while (next_operation(&id) > 0) {
            same = same && id == tickets[received];
            received++;
        }
        queue_flush(queue);
    }
    ok(same && received == MANY && !queue_is_behind(queue), "the rest follows, each once");
    for (int i = 0; i < MANY; i++) {
        answer(tickets[i], QUEUE_OK, 1);
        same = same && answers(tickets[i], QUEUE_OK, &found);
    }
    ok(same && queue_under_way(queue) == 0, "and all are answered");
}

static void test_no_writer(void) {
    struct queue_answer found;
    close(writer);
    close(listen_fd);
    writer = -1;
    while (queue_descriptor(queue) >= 0 && !queue_next(queue, &found))
        continue;
    uint64_t ticket = start(31);
    queue_flush(queue);
    ok(answers(ticket, QUEUE_DOWN, &found), "without a writer nothing is done");
    ok(queue_under_way(queue) == 0, "and nothing is left");
}

int main(void) {
    set_up();
    test_together();
    test_channel_lost();
    test_late();
    test_full();
    test_no_writer();
    tear_down();
    return done_testing();
}
