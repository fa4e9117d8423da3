/* The calls of workers and of other nodes. */
#include "call.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    run_call(LISTENER_WORKER, api_routes, data, size);
    return 0;
}
