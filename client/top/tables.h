#ifndef HASHMILL_CLIENT_TABLES_H
#define HASHMILL_CLIENT_TABLES_H

#include "top/screen.h"

/* The parts of the screen that have files of their own; `lines` is how many they may take, with the
 * title. Without anything to show they take none. */

/* Items that workers have, with how far each is. `leased` is how many there are. */
void put_running(struct screen *screen, const struct json *running, double leased, int lines);

/* The workers of the last hour, of GET /stats. */
void put_workers(struct screen *screen, const struct json *stats, int lines);

/* How many elements these have. */
int count_running(const struct json *running);
int count_workers(const struct json *stats);

/* What was done and what waited in the last hour, a line each. */
void put_history(struct screen *screen, const struct json *history);

#endif
