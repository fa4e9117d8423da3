#ifndef HASHMILL_CORES_H
#define HASHMILL_CORES_H

/* The number of cores that this process may compute with, at least 1: the cores that it may run on,
 * or its CPU quota, rounded up, if that is less. */
int cores_usable(void);

/* The CPU quota of this process in cores: the least one of its cgroups (version 1 or 2) and all
 * their parents; 0 without any. root is put before every path that is read; "" except in tests. */
double cores_quota(const char *root);

#endif
