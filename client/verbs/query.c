#include "verbs/query.h"

#include <ctype.h>
#include <string.h>

void query_add(struct buffer *query, const char *name, const char *value) {
    if (!value)
        return;
    buffer_printf(query, "&%s=", name);
    for (; *value != '\0'; value++) {
        unsigned char byte = (unsigned char)*value;
        if ((byte < 0x80 && isalnum(byte)) || strchr("-._~", byte))
            buffer_append(query, value, 1);
        else
            buffer_printf(query, "%%%02X", byte);
    }
}
