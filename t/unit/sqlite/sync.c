/* The writer with peers: answers that wait for the peer, watches for a change. */
#include "fixture.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "fcgi/base/child.h"
#include "fcgi/base/child_start.h"
#include "fcgi/master/sockets.h"
#include "fcgi/queue/channel.h"
#include "fcgi/writer/writer.h"

static char channel[100];
static pid_t writer;
static struct queue *queue;
static struct channel_message message;

/* Node 2 was heard from, for as long as the clock is not moved by more than an hour. */
static void hear_from_peer(void) {
    struct store *store = open_store();
    store_begin(store);
    store_peer(store, 2)->heard_ms = store_now_ms(store) + 3600 * 1000;
    store->peers.all[2].away = false;
    store_commit(store);
    store_close(store);
}

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
    if (fd < 0 || channel_send(fd, &message, channel_operation_size(&message)) != CHANNEL_OK)
        abort();
    return fd;
}

static int send_item(int64_t iterations, const char *key) {
    message.body.enqueue = new_item(iterations);
    snprintf(message.body.enqueue.key, QUEUE_KEY_SIZE, "%s", key);
    return send_operation(OPERATION_ENQUEUE);
}

/* Whether a process has its answer by now. Of the two tallies that the writer answers before this,
 * it has accepted the process with the first, and applied its operation with the second. */
static bool is_answered(int fd) {
    struct queue_tally tally;
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    for (int i = 0; i < 2; i++) {
        if (queue_tally(queue, &tally) != QUEUE_OK)
            abort();
    }
    return poll(&readable, 1, 0) == 1;
}

/* How it ends, and the process with it. */
static enum queue_result answer(int fd) {
    size_t size;
    enum channel_result result = channel_await(fd, &message, &size);
    close(fd);
    return result == CHANNEL_OK ? (enum queue_result)message.header.result : QUEUE_UNKNOWN;
}

static int64_t last_change(void) {
    static struct queue_peers peers;
    if (queue_peers(queue, &peers) != QUEUE_OK)
        abort();
    return peers.change;
}

static void held(void) {
    int first = send_item(5, "key");
    ok(!is_answered(first), "an enqueue waits for the peer");
    int again = send_item(5, "key");
    ok(!is_answered(again), "the same again, too");
    is_int(queue_told(queue, 2, last_change() - 1), QUEUE_OK, "the peer has less than that");
    ok(!is_answered(first), "it still waits");
    is_int(queue_told(queue, 2, last_change()), QUEUE_OK, "the peer has it");
    is_int(answer(first), QUEUE_OK, "it is answered");
    struct uuid id = message.body.id;
    is_int(answer(again), QUEUE_OK, "the other as well");
    ok(memcmp(&id, &message.body.id, ID_SIZE) == 0, "with the same id");
    message.body.pull = (struct queue_pull){.top = 5};
    is_int(answer(send_operation(OPERATION_PULL)), QUEUE_OK, "a pull of nothing does not wait");
    message.body.id = id;
    int cancelled = send_operation(OPERATION_CANCEL);
    ok(!is_answered(cancelled), "a cancellation does");
    int gone = send_item(5, "");
    ok(!is_answered(gone), "who waits may go");
    close(gone);
    clock_offsets[1] += 2500;
    is_int(answer(cancelled), QUEUE_OK, "the peer is too late: it is answered anyway");
}

static void away(void) {
    int fd = send_item(1, "");
    ok(!is_answered(fd), "an enqueue waits");
    message.body.pull = (struct queue_pull){.top = 5};
    int pulled = send_operation(OPERATION_PULL);
    ok(!is_answered(pulled), "a pull, too");
    clock_offsets[1] += 2 * 3600 * 1000;
    is_int(answer(fd), QUEUE_OK, "the peer is away: it is answered");
    is_int(answer(pulled), QUEUE_OK, "the pull, too");
    is_int(message.body.batch.count, 1, "with the item");
    is_int(answer(send_item(5, "")), QUEUE_OK, "nothing waits any more");
    static struct queue_peers peers;
    is_int(queue_peers(queue, &peers), QUEUE_OK, "everybody can see it");
    is_int(peers.peers[0].away, 1, "that the peer is away");
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
    int64_t seen = last_change();
    uint64_t old = queue_start_change(queue, seen - 1, 20000);
    struct queue_answer found = next();
    ok(found.ticket == old && found.result == QUEUE_OK && found.number == seen,
       "a change that was is told at once");
    uint64_t new = queue_start_change(queue, seen, 20000);
    int fd = send_item(5, "");
    found = next();
    ok(found.ticket == new &&found.result == QUEUE_OK &&found.number == seen + 1,
       "one that comes is told when it does");
    close(fd);
    struct queue_tally tally;
    uint64_t none = queue_start_change(queue, seen + 1, 1000);
    is_int(queue_tally(queue, &tally), QUEUE_OK, "other things go on");
    is_int(tally.parked, 0, "nobody is parked for clients");
    clock_offsets[1] += 1500;
    found = next();
    ok(found.ticket == none && found.result == QUEUE_NONE, "none is told when its time is over");
}

/* What the verbs carry to the writer and back. */
static void verbs(void) {
    static struct queue_copies copies;
    static struct queue_peers peers;
    struct queue_place place = {0};
    struct queue_item item;
    int64_t complete;
    int home;
    is_int(queue_changed(queue, &place, &complete, &copies), QUEUE_OK, "changes are read");
    ok(copies.count > 3 && copies.node == 1 && complete == last_change(), "all of them");
    struct queue_transfer transfer = {.id = id_new(1), .node = 2, .top = 3, .copies = 1};
    is_int(queue_transfer_begin(queue, &transfer), QUEUE_OK, "a transfer is begun");
    queue_peers(queue, &peers);
    ok(peers.transfer_count == 1 && memcmp(&peers.transfers[0].id, &transfer.id, ID_SIZE) == 0 &&
           peers.transfers[0].top == 3,
       "and saved");
    copies.count = 1;
    copies.node = 2;
    copies.items[0].id = id_new(2);
    copies.items[0].key[0] = '\0';
    copies.items[0].state = ITEM_DONE;
    copies.items[0].remaining = 0;
    copies.items[0].completed_wall_ms = 1000;
    copies.items[0].home = 1;
    copies.items[0].moves = 1;
    copies.items[0].has_pull = 0;
    is_int(queue_transfer_end(queue, transfer.id, &copies), QUEUE_OK, "it brings an item");
    is_int(queue_look_home(queue, copies.items[0].id, &item, &home), QUEUE_OK, "which is here");
    is_int(home, 1, "at home");
    queue_peers(queue, &peers);
    is_int(peers.transfer_count, 0, "the transfer is over");
    transfer.id = id_new(2);
    is_int(queue_give(queue, &transfer, &copies), QUEUE_OK, "it is given back");
    ok(copies.count == 1 && copies.items[0].home == 2 && copies.items[0].moves == 2, "as it was");
    queue_look_home(queue, copies.items[0].id, &item, &home);
    is_int(home, 2, "its home is the peer");
    copies.node = 2;
    copies.items[0].state = ITEM_PULLED;
    is_int(queue_merge(queue, &copies), QUEUE_OK, "the peer tells that it was handed out");
    queue_look_home(queue, copies.items[0].id, &item, &home);
    is_int(item.state, ITEM_PULLED, "so it was");
}

int main(void) {
    set_up();
    log_set_level(LOG_LEVEL_ERROR);
    snprintf(channel, sizeof channel, "%s/channel", directory);
    conf.node = 1;
    conf.peer_count = 1;
    conf.peers[0].node = 2;
    conf.copying = COPY_SYNC;
    conf.peer_lost_seconds = 864000;
    conf.operation_seconds = 14;
    hear_from_peer();
    start_writer();
    queue = queue_open(&conf, channel);
    held();
    away();
    watches();
    verbs();
    queue_close(queue);
    stop_writer();
    return done_testing();
}
