/* The cores that a worker may use. In a container or a service they can be fewer than there are. */
#include "cores.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096, LINE_SIZE = 2 * PATH_SIZE, CPUS_MAX = 1 << 16 };

/* Where the cgroups of a version are mounted, by /proc/self/mountinfo. */
struct mount {
    char root[PATH_SIZE]; /* the group that is visible at `place` */
    char place[PATH_SIZE];
};

/* Whether a word is in a comma-separated list. */
static bool has_word(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && strchr(",\n ", at[length]))
            return true;
    }
    return false;
}

static FILE *open_below(const char *root, const char *path) {
    char name[LINE_SIZE];
    int length = snprintf(name, sizeof name, "%s%s", root, path);
    return length < (int)sizeof name ? fopen(name, "re") : NULL;
}

/* The group of this process: of version 1's controller "cpu", or of version 2. */
static bool find_group(const char *root, bool second, char group[PATH_SIZE]) {
    char line[LINE_SIZE];
    bool found = false;
    FILE *file = open_below(root, "/proc/self/cgroup");
    while (file && !found && fgets(line, sizeof line, file)) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        found = second ? strncmp(line, "0:", 2) == 0 : has_word(controllers + 1, "cpu");
        snprintf(group, PATH_SIZE, "%.*s", (int)strcspn(path, "\n"), path);
    }
    if (file)
        fclose(file);
    return found;
}

/* Reads a line of mountinfo: "36 35 98:0 ROOT PLACE options ... - TYPE source OPTIONS". */
static bool read_mount(const char *line, bool second, struct mount *mount) {
    char type[32];
    char options[LINE_SIZE];
    const char *rest = strstr(line, " - ");
    return rest && sscanf(rest, " - %31s %*s %8191s", type, options) == 2 &&
           sscanf(line, "%*s %*s %*s %4095s %4095s", mount->root, mount->place) == 2 &&
           (second ? strcmp(type, "cgroup2") == 0
                   : strcmp(type, "cgroup") == 0 && has_word(options, "cpu"));
}

static bool find_mount(const char *root, bool second, struct mount *mount) {
    char line[LINE_SIZE];
    bool found = false;
    FILE *file = open_below(root, "/proc/self/mountinfo");
    while (file && !found && fgets(line, sizeof line, file))
        found = read_mount(line, second, mount);
    if (file)
        fclose(file);
    return found;
}

/* The first and the second number of a file, each 0 when it is missing; "max" is no number. */
static void read_numbers(const char *root, const char *directory, const char *name, double *first,
                         double *second) {
    char path[LINE_SIZE];
    char line[80] = "";
    char *end = line;
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = length < (int)sizeof path ? open_below(root, path) : NULL;
    if (file && !fgets(line, sizeof line, file))
        line[0] = '\0';
    if (file)
        fclose(file);
    *first = strtod(line, &end);
    *second = strtod(end, NULL);
}

/* The quota of one group, in cores; 0 without one. */
static double quota_of(const char *root, const char *directory, bool second) {
    double quota;
    double period;
    double ignored;
    if (second) {
        read_numbers(root, directory, "cpu.max", &quota, &period);
    } else {
        read_numbers(root, directory, "cpu.cfs_quota_us", &quota, &ignored);
        read_numbers(root, directory, "cpu.cfs_period_us", &period, &ignored);
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

/* The least quota of this process's group and all its parents, as far as they are visible. */
static double least_quota(const char *root, bool second) {
    static struct mount mount;
    static char group[PATH_SIZE];
    static char directory[2 * PATH_SIZE];
    if (!find_group(root, second, group) || !find_mount(root, second, &mount))
        return 0;
    size_t place = strlen(mount.place);
    size_t above = strcmp(mount.root, "/") == 0 ? 0 : strlen(mount.root);
    bool below = strncmp(group, mount.root, above) == 0 && !strstr(group, "/..");
    snprintf(directory, sizeof directory, "%s%s", mount.place, below ? group + above : "");
    double least = 0;
    for (;;) {
        double quota = quota_of(root, directory, second);
        if (quota > 0 && (least == 0 || quota < least))
            least = quota;
        char *slash = strrchr(directory, '/');
        if (!slash || (size_t)(slash - directory) < place)
            return least;
        *slash = '\0';
    }
}

double cores_quota(const char *root) {
    double first = least_quota(root, false);
    double second = least_quota(root, true);
    return first > 0 && (second == 0 || first < second) ? first : second;
}

/* How many cores this process may run on. The system refuses a set too small for all its cores. */
static int count_allowed(void) {
    for (int most = CPU_SETSIZE; most <= CPUS_MAX; most *= 2) {
        cpu_set_t *set = CPU_ALLOC(most);
        size_t size = CPU_ALLOC_SIZE(most);
        bool good = set && sched_getaffinity(0, size, set) == 0;
        int count = good ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (good || errno != EINVAL)
            return count < 1 ? 1 : count;
    }
    return 1;
}

int cores_usable(void) {
    int allowed = count_allowed();
    double quota = cores_quota("");
    if (quota > 0 && ceil(quota) < allowed)
        return (int)ceil(quota);
    return allowed;
}
