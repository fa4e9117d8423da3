/* Query strings. */
#include "fcgi/http/query.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[] = {"iterations", "top", "order", NULL};
    struct query query;
    char why[100];
    int64_t number = -7;
    char *text = fuzz_text(data, size);
    if (query_parse(&query, text, names, why, sizeof why)) {
        for (int i = 0; i < 3; i++) {
            const char *value = query_text(&query, names[i]);
            must(!value || strlen(value) < QUERY_VALUE_SIZE);
        }
        if (query_integer(&query, "top", 1, 1000, &number, why, sizeof why))
            must(number >= 1 && number <= 1000);
        else
            must(number == -7 && strlen(why) > 0 && strlen(why) < sizeof why);
    } else {
        must(strlen(why) > 0 && strlen(why) < sizeof why);
    }
    free(text);
    return 0;
}
