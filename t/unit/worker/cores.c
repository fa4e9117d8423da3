/* The CPU quota of a process, as the system's files have it: version 1 and 2, groups in groups,
 * containers that see a part of it. */
#include "cores.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char base[] = "/tmp/hm-cores-XXXXXX"; /* all that is made, */
static char root[sizeof base + 8];           /* and a part of it for each check */

/* Writes a file below root, with its directories. */
static void put(const char *path, const char *text) {
    char name[400];
    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *at = name + strlen(base) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(name, 0700);
        *at = '/';
    }
    FILE *out = fopen(name, "w");
    if (!out)
        abort();
    fputs(text, out);
    fclose(out);
}

/* Begins with nothing. */
static void clear(void) {
    static int count;
    snprintf(root, sizeof root, "%s/%d", base, count++);
    mkdir(root, 0700);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where) {
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static void is_quota(double wanted, const char *name) {
    double got = cores_quota(root);
    ok(got > wanted - 0.001 && got < wanted + 0.001, "%s: %.3f", name, got);
    clear();
}

static const char second_mount[] = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 "
                                   "cgroup2 rw\n";

static void test_second(void) {
    is_quota(0, "nothing there");
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", second_mount);
    is_quota(0, "no quota file, as in the first group of all");
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo", second_mount);
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    is_quota(0, "\"max\" is none");
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo", second_mount);
    put("/sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
    is_quota(1.5, "a quota");
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/proc/self/mountinfo", second_mount);
    put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "30000 100000\n");
    is_quota(0.3, "that of a group around it");
    put("/proc/self/cgroup", "0::/\n");
    put("/proc/self/mountinfo", second_mount);
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    is_quota(2, "in a container, that of its first group");
    put("/proc/self/cgroup", "0::/../other\n");
    put("/proc/self/mountinfo", second_mount);
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    is_quota(2, "a group that cannot be seen");
}

static void test_first(void) {
    static const char mount[] =
        "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "32 30 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
    put("/proc/self/cgroup", "4:cpuset:/x\n3:cpu,cpuacct:/x/y\n0::/\n");
    put("/proc/self/mountinfo", mount);
    put("/sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/y/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "250000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
    is_quota(2.5, "version 1, by a group around it");
    put("/proc/self/cgroup", "3:cpu,cpuacct:/docker/1\n");
    put("/proc/self/mountinfo",
        "31 30 0:27 /docker/1 /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpuacct,cpu\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
    put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    is_quota(0.5, "a container that sees its own group only");
    put("/proc/self/cgroup", "3:cpu:/\n");
    put("/proc/self/mountinfo", "31 30 0:27 / /cpu rw - cgroup cgroup rw,cpu\n");
    put("/cpu/cpu.cfs_quota_us", "nonsense\n");
    put("/cpu/cpu.cfs_period_us", "0\n");
    is_quota(0, "nonsense is none");
}

int main(void) {
    if (!mkdtemp(base))
        return 1;
    clear();
    test_second();
    test_first();
    ok(cores_usable() >= 1, "this process may use %d", cores_usable());
    nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return done_testing();
}
