#ifndef HASHMILL_RECOVER_H
#define HASHMILL_RECOVER_H

#include "conf.h"

/*
 * hashmill-fcgi --recover FILE: makes FILE, which must not be there, a whole database out of what
 * can be read of DATABASE and its WAL, and prints what became of the items and how to put it in
 * place. The database itself is only read, through the system's memory: what that shows though the
 * disk lacks it is what was meant to be there, so this is best done before the machine is booted
 * anew. Nobody may serve the database meanwhile. The exit code: 0 when FILE was made, else 1.
 */
int recover_run(const struct conf *conf, const char *file);

#endif
