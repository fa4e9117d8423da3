#include "idempotency.h"

#include <string.h>

#include "problem.h"

bool idempotency_key(struct call *call, char key[QUEUE_KEY_SIZE]) {
    const char *field = call_field(call, "HTTP_IDEMPOTENCY_KEY");
    key[0] = '\0';
    if (!field)
        return true;
    field += strspn(field, " \t");
    size_t length = 0;
    while (field[length] > ' ' && field[length] < 0x7f)
        length++;
    const char *rest = field + length;
    /* Two lines are joined to "KEY, " when the second is empty. */
    bool joined = length > 0 && field[length - 1] == ',' && *rest == ' ';
    if (length == 0 || length >= QUEUE_KEY_SIZE || joined || rest[strspn(rest, " \t")] != '\0') {
        problem_reply(&call->server->reply, PROBLEM_BAD_HEADER,
                      "Idempotency-Key must be given once, as 1 to %d visible ASCII characters "
                      "without spaces; a UUID is a good one.",
                      QUEUE_KEY_SIZE - 1);
        return false;
    }
    memcpy(key, field, length);
    key[length] = '\0';
    return true;
}

bool idempotency_none(struct call *call, const char *instead) {
    if (!call_field(call, "HTTP_IDEMPOTENCY_KEY"))
        return true;
    problem_reply(&call->server->reply, PROBLEM_BAD_HEADER,
                  "This call takes no Idempotency-Key: %s. Nothing was done.", instead);
    return false;
}
