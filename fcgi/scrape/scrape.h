#ifndef HASHMILL_SCRAPE_H
#define HASHMILL_SCRAPE_H

/* GET /metrics, in Prometheus' text format: the one call of the process that serves it. */

#include "http/router.h"

extern const struct route scrape_routes[];

/* The routes of all processes are numbered, table by table. How many there are; the number of the
 * first one of a table, which is one of those that processes serve. */
int scrape_route_count(void);
int scrape_first_route(const struct route *routes);

/* How long the writer may take to say what the queue has: less than a scraper waits. */
enum { SCRAPE_WRITER_SECONDS = 2 };

#endif
