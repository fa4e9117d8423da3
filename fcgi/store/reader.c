/* The functions of reader.h, as the reader's engine has them. */

#include "engine.h"

struct reader *reader_new(const struct conf *conf) {
    return reader_engine_of(conf)->new (conf);
}

void reader_free(struct reader *reader) {
    reader->engine->free(reader);
}

enum queue_result reader_look(struct reader *reader, struct uuid id,
                              const struct queue_whose *whose, struct queue_item *item) {
    return reader->engine->look(reader, id, whose, item);
}

enum queue_result reader_look_then(struct reader *reader, struct uuid id,
                                   const struct queue_whose *whose, struct queue_item *item,
                                   int64_t *wall_ms) {
    return reader->engine->look_then ? reader->engine->look_then(reader, id, whose, item, wall_ms)
                                     : QUEUE_FAULT;
}

enum queue_result reader_pulled(struct reader *reader, const struct queue_pull *pull) {
    return reader->engine->pulled(reader, pull);
}

enum queue_result reader_list(struct reader *reader, const struct queue_list *list,
                              struct queue_page *page) {
    return reader->engine->list(reader, list, page);
}

enum queue_result reader_list_then(struct reader *reader, const struct queue_list *list,
                                   struct queue_page *page) {
    return reader->engine->list_then ? reader->engine->list_then(reader, list, page) : QUEUE_FAULT;
}

enum queue_result reader_fleet(struct reader *reader, const struct queue_fleet_since *since,
                               struct queue_fleet *fleet) {
    return reader->engine->fleet(reader, since, fleet);
}

enum queue_result reader_clients(struct reader *reader, struct queue_clients *clients) {
    return reader->engine->clients(reader, clients);
}

enum queue_result reader_history(struct reader *reader, struct queue_history *history) {
    return reader->engine->history(reader, history);
}

const struct queue_load *reader_load(struct reader *reader) {
    return reader->engine->load(reader);
}

enum queue_result reader_progress(struct reader *reader, struct uuid id,
                                  const struct queue_whose *whose,
                                  struct queue_progress *progress) {
    return reader->engine->progress(reader, id, whose, progress);
}

enum queue_result reader_running(struct reader *reader, const struct queue_whose *whose, int limit,
                                 struct queue_running *running) {
    return reader->engine->running(reader, whose, limit, running);
}

enum queue_result reader_hash_items(struct reader *reader, int64_t items,
                                    struct queue_range *range) {
    return reader->engine->hash_items ? reader->engine->hash_items(reader, items, range)
                                      : QUEUE_FAULT;
}

enum queue_result reader_pull_fate(struct reader *reader, const uint8_t tag[PULL_TAG_SIZE],
                                   struct queue_fate *fate) {
    return reader->engine->pull_fate ? reader->engine->pull_fate(reader, tag, fate) : QUEUE_FAULT;
}

enum queue_result reader_peers(struct reader *reader, struct queue_peers *peers) {
    return reader->engine->peers(reader, peers);
}

enum queue_result reader_met(struct reader *reader, struct queue_identity *met) {
    return reader->engine->met ? reader->engine->met(reader, met) : QUEUE_FAULT;
}
