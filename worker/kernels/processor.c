#include "processor.h"

#include <stdio.h>
#include <string.h>

void processor_name(char *name, size_t size) {
    char line[256];
    FILE *in = fopen("/proc/cpuinfo", "re");
    snprintf(name, size, "unknown");
    while (in && fgets(line, sizeof line, in)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(name, size, "%s", colon + 1 + (colon[1] == ' '));
        break;
    }
    if (in)
        fclose(in);
}
