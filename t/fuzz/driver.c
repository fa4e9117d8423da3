/* A fuzz target without libFuzzer: each file given is an input, and so is every beginning of it and
 * what some single mistakes make of it, always the same. */
#include "fuzz.h"

enum { MISTAKES = 300, INPUT_MAX = 1 << 20 };

static uint64_t state = 1;
static long long inputs;

static unsigned draw(unsigned limit) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(state >> 33) % limit;
}

/* Gives the input in memory of exactly its size, so that reading past its end is seen. */
static void give(const uint8_t *bytes, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (!copy)
        abort();
    if (size > 0)
        memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    inputs++;
}

/* One byte becomes another, goes or comes; what matters to texts more often. */
static size_t make_mistake(uint8_t *bytes, size_t size) {
    static const char special[] = "\"\\{}[]:,;=%+-0179eE.\n\r\t \x7f\xff\x80u&";
    size_t at = draw((unsigned)size + 1);
    uint8_t byte = draw(2) ? (uint8_t)special[draw(sizeof special)] : (uint8_t)draw(256);
    unsigned kind = draw(3);
    if (kind == 0 || at == size) {
        memmove(bytes + at + 1, bytes + at, size - at);
        bytes[at] = byte;
        return size + 1;
    }
    bytes[at] = byte;
    if (kind == 1)
        return size;
    memmove(bytes + at, bytes + at + 1, size - at - 1);
    return size - 1;
}

static void give_variants(const uint8_t *bytes, size_t size) {
    uint8_t *changed = malloc(size + 4);
    if (!changed)
        abort();
    for (size_t length = 0; length <= size; length += 1 + size / 2000)
        give(bytes, length);
    give(bytes, size);
    for (int i = 0; i < MISTAKES; i++) {
        size_t now = size;
        memcpy(changed, bytes, size);
        for (unsigned more = 1 + draw(3); more > 0; more--)
            now = make_mistake(changed, now);
        give(changed, now);
    }
    free(changed);
}

int main(int argc, char **argv) {
    static uint8_t bytes[INPUT_MAX];
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file) {
            perror(argv[i]);
            return 2;
        }
        size_t size = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        give_variants(bytes, size);
    }
    printf("inputs: %lld\n", inputs);
    return 0;
}
