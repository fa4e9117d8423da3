/* The header field Content-Digest. */
#include "fcgi/http/digest_field.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct digest_field field;
    const char *why = NULL;
    char *text = fuzz_text(data, size);
    if (!digest_field_parse(&field, text, &why))
        must(why && strlen(why) > 0);
    free(text);
    return 0;
}
