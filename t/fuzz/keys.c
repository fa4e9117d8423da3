/* The keys file. */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fcgi/base/key_text.h"
#include "fcgi/base/keys.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static int file = -1;
    char path[40];
    char why[600] = "";
    enum key_role role;
    if (file < 0 && (file = memfd_create("keys", MFD_CLOEXEC)) >= 0 && fchmod(file, 0600) != 0)
        abort();
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    struct keys *keys = keys_read(path, why, sizeof why);
    must(keys ? keys_count(keys) >= 0 && keys_count(keys) <= KEYS_MAX
              : strlen(why) > 0 && strlen(why) < sizeof why);
    char *text = fuzz_text(data, size);
    const struct key *key = keys ? keys_find(keys, text) : NULL;
    must(!key || key_name_is_good(key->name));
    must(!key_text_parse(text, &role) || role < KEY_ROLES);
    free(text);
    keys_free(keys);
    return 0;
}
