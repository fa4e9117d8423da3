/* Which engine the database has. */

#include "reader/reader_engine.h"
#include "sqlite/store_engine.h"
#include "store/engine.h"

const struct store_engine *store_engine_of(const struct conf *conf) {
    (void)conf; /* there is one */
    return &store_engine_sqlite;
}

const struct reader_engine *reader_engine_of(const struct conf *conf) {
    (void)conf;
    return &reader_engine_sqlite;
}
