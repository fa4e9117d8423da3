#ifndef HASHMILL_CORES_H
#define HASHMILL_CORES_H

/* How many cores this process may compute with: those that it may run on, or as many as its CPU
 * quota is worth, rounded up, if that is less. At least 1. */
int cores_usable(void);

/* The CPU quota of this process in cores, by the cgroups (version 1 or 2) that it is in and all
 * those around them; 0 without one. root is put before every path that is read: "" but in tests. */
double cores_quota(const char *root);

#endif
