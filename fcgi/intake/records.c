#include "records.h"

#include <string.h>

enum {
    VERSION = 1,
    BEGIN_REQUEST = 1,
    PARAMS = 4,
    STDIN = 5,
    HEAD_MAX = 80 * 1024 /* bytes: nginx sends at most one record of parameters */
};

void records_begin(struct records *records) {
    buffer_clear(&records->head);
    records->state = RECORDS_HEAD;
    records->body_length = 0;
    records->header_length = 0;
    records->content = 0;
    records->padding = 0;
}

bool records_begun(const struct records *records) {
    return records->header_length > 0 || records->head.length > 0;
}

static int type_of(const struct records *records) {
    return records->header[1];
}

/* Whether the present record may come now: the first one begins the request, the others are of the
 * same number. */
static bool is_expected(const struct records *records) {
    const uint8_t *header = records->header;
    if (header[0] != VERSION)
        return false;
    if (records->state == RECORDS_HEAD && records->head.length == 0)
        return type_of(records) == BEGIN_REQUEST;
    bool same = memcmp(header + 2, records->head.data + 2, 2) == 0;
    return same && type_of(records) == (records->state == RECORDS_HEAD ? PARAMS : STDIN);
}

/* Reads the header of a record, now that it is whole. */
static void begin_record(struct records *records) {
    const uint8_t *header = records->header;
    if (!is_expected(records)) {
        records->state = RECORDS_BROKEN;
        return;
    }
    records->content = (size_t)header[4] << 8 | header[5];
    records->padding = header[6];
    if (records->state == RECORDS_HEAD)
        buffer_append(&records->head, header, sizeof records->header);
}

/* A record without content ends the parameters, and the body. */
static void end_record(struct records *records) {
    bool empty = records->header[4] == 0 && records->header[5] == 0;
    records->header_length = 0;
    if (records->head.length > HEAD_MAX)
        records->state = RECORDS_BROKEN;
    else if (empty && type_of(records) == PARAMS)
        records->state = RECORDS_BODY;
    else if (empty && type_of(records) == STDIN)
        records->state = RECORDS_WHOLE;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Takes content of the present record. */
static void take_content(struct records *records, const uint8_t *bytes, size_t length) {
    records->content -= length;
    if (records->state == RECORDS_HEAD) {
        buffer_append(&records->head, bytes, length);
        return;
    }
    if (records->body_length < records->body_size)
        memcpy(records->body + records->body_length, bytes,
               smaller(length, records->body_size - records->body_length));
    records->body_length += length;
}

size_t records_take(struct records *records, const uint8_t *bytes, size_t length) {
    enum records_state before = records->state;
    size_t at = 0;
    while (at < length && records->state == before) {
        size_t count;
        if (records->header_length < sizeof records->header) {
            count = smaller(length - at, sizeof records->header - records->header_length);
            memcpy(records->header + records->header_length, bytes + at, count);
            records->header_length += count;
            if (records->header_length == sizeof records->header)
                begin_record(records);
        } else if (records->content > 0) {
            count = smaller(length - at, records->content);
            take_content(records, bytes + at, count);
        } else {
            count = smaller(length - at, records->padding);
            if (records->state == RECORDS_HEAD)
                buffer_append(&records->head, bytes + at, count);
            records->padding -= count;
        }
        at += count;
        if (records->state == before && records->header_length == sizeof records->header &&
            records->content == 0 && records->padding == 0)
            end_record(records);
    }
    return at;
}
