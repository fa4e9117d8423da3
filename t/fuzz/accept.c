/* The header field Accept. */
#include "fcgi/http/accept.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = fuzz_text(data, size);
    accept_plain(text);
    free(text);
    return 0;
}
