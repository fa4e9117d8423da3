/* FastCGI records as an intake process receives them. Where they are cut changes nothing: neither
 * the requests that come out, nor what is left over. */
#include "buffer.h"
#include "fcgi/intake/records.h"
#include "fuzz.h"

enum {
    BODY_SIZE = 24,
    HEAD_MOST = 80 * 1024 + 8 + 65535 + 255, /* the last record is kept whole */
    CUTS = 100                               /* of an input, at most */
};

/* What came out of an input: each request's head, length and body, and the unfinished one. */
static void note(struct buffer *out, const struct records *records) {
    size_t kept =
        records->body_length < records->body_size ? records->body_length : records->body_size;
    must(records->head.length <= HEAD_MOST);
    buffer_printf(out, "%d %zu %zu ", (int)records->state, records->head.length,
                  records->body_length);
    if (records->head.length > 0)
        buffer_append(out, records->head.data, records->head.length);
    if (kept > 0)
        buffer_append(out, records->body, kept);
}

/* Begins a request. Every other one has no room for a body. */
static void begin(struct records *records, uint8_t *body, int number) {
    records_begin(records);
    must(!records_begun(records));
    records->body = number % 2 == 0 ? body : NULL;
    records->body_size = number % 2 == 0 ? BODY_SIZE : 0;
}

/* Takes an input in two pieces, or byte by byte when `cut` is 0. The body has memory of exactly its
 * size, so that writing behind it is seen. */
static void take(struct buffer *out, const uint8_t *data, size_t size, size_t cut) {
    struct records records = {0};
    uint8_t *body = malloc(BODY_SIZE);
    int number = 0;
    if (!body)
        abort();
    buffer_clear(out);
    begin(&records, body, number);
    for (size_t at = 0; at < size && records.state != RECORDS_BROKEN;) {
        size_t end = cut == 0 ? at + 1 : at < cut && cut < size ? cut : size;
        enum records_state before = records.state;
        size_t taken = records_take(&records, data + at, end - at);
        must(taken > 0 && taken <= end - at);
        must(taken == end - at || records.state != before);
        must(records.state >= before);
        at += taken;
        if (records.state == RECORDS_WHOLE) {
            note(out, &records);
            begin(&records, body, ++number);
        }
    }
    note(out, &records);
    buffer_free(&records.head);
    free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct buffer whole;
    static struct buffer pieces;
    take(&whole, data, size, size);
    for (size_t cut = 0; cut < size; cut += 1 + size / CUTS) {
        take(&pieces, data, size, cut);
        must(pieces.length == whole.length);
        must(memcmp(pieces.data, whole.data, whole.length) == 0);
    }
    return 0;
}
