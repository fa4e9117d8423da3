/* What may stand in a line of the keys file behind the hash. */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keys.h"
#include "memory.h"

enum { DAY_SECONDS = 86400, WEIGHT_MAX = 1000, RATE_MAX = 1000000 };

static const char blanks[] = " \t\r\n";
static const int64_t count_max = ((int64_t)1 << 53) - 1; /* what any JSON reader keeps exact */

/* Reads a whole number from 1 to max that ends at the character `end`. Returns what is behind that
 * number; NULL when it is none. */
static const char *read_number(const char *text, char end, int64_t max, int64_t *number) {
    char *rest = NULL;
    errno = 0;
    long long value = isdigit((unsigned char)*text) ? strtoll(text, &rest, 10) : 0;
    if (!rest || errno != 0 || *rest != end || value < 1 || value > max)
        return NULL;
    *number = value;
    return rest;
}

/* Reads a day, YYYY-MM-DD; the key gets the moment at which it ends. */
static bool read_until(struct key *key, const char *text) {
    struct tm day = {0};
    const char *rest = strptime(text, "%Y-%m-%d", &day);
    if (!rest || *rest != '\0' || strlen(text) != strlen("2027-01-31"))
        return false;
    int number = day.tm_mday;
    key->until_seconds = (int64_t)timegm(&day) + DAY_SECONDS;
    return day.tm_mday == number; /* else the month has fewer days: timegm went on to the next */
}

static bool read_weight(struct key *key, const char *text) {
    return read_number(text, '\0', WEIGHT_MAX, &key->weight);
}

static bool read_items(struct key *key, const char *text) {
    return read_number(text, '\0', count_max, &key->items);
}

static bool read_work(struct key *key, const char *text) {
    return read_number(text, '\0', count_max, &key->work);
}

static bool read_iterations_max(struct key *key, const char *text) {
    return read_number(text, '\0', count_max, &key->iterations_max);
}

static bool read_rate(struct key *key, const char *text) {
    const char *slash = read_number(text, '/', RATE_MAX, &key->rate);
    return slash && read_number(slash + 1, '\0', RATE_MAX, &key->burst);
}

static const struct {
    const char *name;
    bool (*read)(struct key *key, const char *text); /* false: malformed or out of range */
    bool of_items;                                   /* only for roles that have items */
    const char *must;                                /* be, else */
} attributes_known[] = {
    {"until", read_until, false, "the last day of the key, such as until=2027-01-31"},
    {"weight", read_weight, true, "a whole number from 1 to 1000, such as weight=3"},
    {"items", read_items, true, "a whole number from 1 to 2^53 - 1, such as items=1000"},
    {"work", read_work, true, "a whole number from 1 to 2^53 - 1, such as work=5000000000"},
    {"rate", read_rate, true,
     "items a second and items at once, each from 1 to 1000000, such as rate=10/100"},
    {"iterations_max", read_iterations_max, true,
     "a whole number from 1 to 2^53 - 1, such as iterations_max=1000000"},
};

enum { KNOWN = sizeof attributes_known / sizeof *attributes_known };

static bool has_items(enum key_role role) {
    return role == KEY_CLIENT || role == KEY_OPERATOR;
}

/* The row of an attribute, NAME=VALUE; KNOWN when there is none. */
static size_t row_of(const char *attribute) {
    size_t length = strcspn(attribute, "=");
    size_t row = 0;
    while (row < KNOWN &&
           (attribute[length] == '\0' || strlen(attributes_known[row].name) != length ||
            strncmp(attributes_known[row].name, attribute, length) != 0))
        row++;
    return row;
}

/* Reads one attribute; seen has a bit for each row that was read before. */
static bool read_attribute(struct key *key, const char *attribute, unsigned *seen, char *why,
                           size_t why_size) {
    size_t row = row_of(attribute);
    const char *name = row < KNOWN ? attributes_known[row].name : "";
    if (row == KNOWN)
        snprintf(why, why_size,
                 "\"%.40s\" is not known here; a key can have until=, that of a client or operator "
                 "also weight=, items=, work=, rate= and iterations_max=",
                 attribute);
    else if (attributes_known[row].of_items && !has_items(key->role))
        snprintf(why, why_size,
                 "%s= is for the key of a client or operator, as other roles have no items; "
                 "remove it",
                 name);
    else if (*seen & 1U << row)
        snprintf(why, why_size, "%s= stands twice; remove one", name);
    else if (!attributes_known[row].read(key, attribute + strlen(name) + 1))
        snprintf(why, why_size, "%s= must be %s", name, attributes_known[row].must);
    else {
        *seen |= 1U << row;
        return true;
    }
    return false;
}

bool key_read_attributes(struct key *key, char *attributes, char *why, size_t why_size) {
    char *rest = NULL;
    unsigned seen = 0;
    key->until_seconds = INT64_MAX;
    key->weight = 1;
    key->items = key->work = key->iterations_max = key->rate = key->burst = 0;
    for (char *at = strtok_r(attributes, blanks, &rest); at; at = strtok_r(NULL, blanks, &rest)) {
        if (!read_attribute(key, at, &seen, why, why_size))
            return false;
    }
    return true;
}

static int by_name(const void *one, const void *other) {
    return strcmp(((const struct key *)one)->name, ((const struct key *)other)->name);
}

static bool agree(const struct key *one, const struct key *other) {
    return one->weight == other->weight && one->items == other->items && one->work == other->work &&
           one->iterations_max == other->iterations_max && one->rate == other->rate &&
           one->burst == other->burst;
}

bool key_disagreeing(const struct key *list, int count, char name[KEY_NAME_SIZE]) {
    struct key *sorted = memory_or_end(malloc(((size_t)count + 1) * sizeof *sorted), "the keys");
    size_t clients = 0;
    bool found = false;
    for (int i = 0; i < count; i++) {
        if (has_items(list[i].role))
            sorted[clients++] = list[i];
    }
    qsort(sorted, clients, sizeof *sorted, by_name);
    for (size_t i = 1; i < clients && !found; i++) {
        found = by_name(&sorted[i - 1], &sorted[i]) == 0 && !agree(&sorted[i - 1], &sorted[i]);
        if (found)
            memcpy(name, sorted[i].name, KEY_NAME_SIZE);
    }
    free(sorted);
    return found;
}

int key_names(const struct key *list, int count) {
    struct key *sorted = memory_or_end(malloc(((size_t)count + 1) * sizeof *sorted), "the keys");
    int names = 0;
    for (int i = 0; i < count; i++)
        sorted[i] = list[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_name);
    for (int i = 0; i < count; i++)
        names += i == 0 || by_name(&sorted[i - 1], &sorted[i]) != 0;
    free(sorted);
    return names;
}
