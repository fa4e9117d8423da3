/* Messages of the channel, and what the writer's store makes of those that are sane: the first byte
 * says which operation, the others are its body. */
#include "fcgi/queue/channel.h"

#include "fcgi/writer/operation.h"
#include "fuzz.h"
#include "t/unit/sqlite/fixture.h"

enum { INPUTS = 2000 /* of one store */ };

static struct store *store;
static int inputs;

/* A store with items in every state. */
static void begin(void) {
    if (!store) {
        set_up();
        log_set_level(LOG_LEVEL_ERROR);
    } else {
        store_close(store);
        remove_database("db");
    }
    store = open_store();
    sqlite3_exec(sqlite_of(store)->database, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    inputs = 0;
}

/* The message that an input stands for; NULL when no process can have sent it. */
static struct channel_message *make(const uint8_t *data, size_t size) {
    static struct channel_message message;
    size_t body = size - 1 < sizeof message.body ? size - 1 : sizeof message.body;
    memset(&message, 0, sizeof message);
    message.header.version = CHANNEL_VERSION;
    message.header.operation = data[0];
    memcpy(&message.body, data + 1, body);
    return operation_kind(&message) && operation_size(&message) > 0 ? &message : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct channel_message answer;
    struct channel_message *message = size > 0 ? make(data, size) : NULL;
    if (!message || !operation_sane(message) || !operation_kind(message)->apply)
        return 0;
    if (!store || inputs++ == INPUTS)
        begin();
    memset(&answer, 0, sizeof answer);
    answer.header.operation = message->header.operation;
    must(operation_rows(message) >= 0);
    must(store_begin(store));
    enum queue_result result = operation_kind(message)->apply(store, message, &answer);
    must(result >= QUEUE_OK && result <= QUEUE_BUSY);
    answer.header.result = (uint16_t)result;
    must(operation_answer_size(&answer) <= operation_answer_max(message));
    if (!store_commit(store))
        store_rollback(store);
    must(store_state(store) == STORE_GOOD);
    must(inputs % 64 != 0 || counts_true(store));
    return 0;
}
