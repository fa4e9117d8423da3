/* SQLite as an engine of readers. */

#include "reader_engine.h"

const struct reader_engine reader_engine_sqlite = {
    .new = sqlite_reader_new,
    .free = sqlite_reader_free,
    .look = sqlite_reader_look,
    .pulled = sqlite_reader_pulled,
    .list = sqlite_reader_list,
    .fleet = sqlite_reader_fleet,
    .clients = sqlite_reader_clients,
    .history = sqlite_reader_history,
    .load = sqlite_reader_load,
    .progress = sqlite_reader_progress,
    .running = sqlite_reader_running,
    .peers = sqlite_reader_peers,
    .hash_items = sqlite_reader_hash_items,
    .pull_fate = sqlite_reader_pull_fate,
    .met = sqlite_reader_met,
    .look_then = sqlite_reader_look_then,
    .list_then = sqlite_reader_list_then,
};
