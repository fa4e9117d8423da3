/* Which engine the database is of. */

#include "sqlite/store_engine.h"
#include "store/engine.h"

const struct store_engine *store_engine_of(const struct conf *conf) {
    (void)conf; /* there is one */
    return &store_engine_sqlite;
}
