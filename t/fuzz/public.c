/* Clients' calls: paths, queries, header fields, bodies. */
#include "call.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run_call(LISTENER_PUBLIC, api_routes, data, size);
    return 0;
}
