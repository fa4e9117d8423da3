#ifndef HASHMILL_RECORDS_H
#define HASHMILL_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/*
 * The records of one FastCGI request (FastCGI specification 1.0, section 3.3), as they come in: the
 * head, up to the last of its parameters, is kept as it is; what the body's records carry is put
 * together.
 */

enum records_state {
    RECORDS_HEAD, /* of the head, or nothing yet */
    RECORDS_BODY, /* the head is whole */
    RECORDS_WHOLE,
    RECORDS_BROKEN /* this is no FastCGI, or nothing that a web server sends */
};

struct records {
    enum records_state state;
    struct buffer head;   /* the records of the head */
    uint8_t *body;        /* the caller's, of body_size bytes */
    size_t body_size;     /* more of the body is counted, and dropped */
    size_t body_length;   /* so far */
    uint8_t header[8];    /* of the present record */
    size_t header_length; /* so far */
    size_t content;       /* bytes of the present record's content that are still to come, */
    size_t padding;       /* and of its padding behind that */
};

/* Begins another request. The caller sets body and body_size before the first bytes come. */
void records_begin(struct records *records);

/* Whether anything of a request has come. */
bool records_begun(const struct records *records);

/* Takes bytes as they were received, up to the next change of the state. Returns how many it took.
 */
size_t records_take(struct records *records, const uint8_t *bytes, size_t length);

#endif
