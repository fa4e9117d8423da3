/* What a provider prints. */
#include "fcgi/scaler/provider.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct provider_machine list[PROVIDER_LIST_MAX];
    const char *why = NULL;
    char *text = fuzz_text(data, size);
    int count = provider_read_list(text, list, &why);
    must(count <= PROVIDER_LIST_MAX && (count >= 0 || why));
    for (int i = 0; i < count; i++) {
        must(provider_is_id(list[i].id) && list[i].launched >= 0);
        must(strcmp(list[i].name, "-") == 0 || provider_is_id(list[i].name));
    }
    free(text);
    return 0;
}
