#ifndef HASHMILL_CLIENT_VERBS_H
#define HASHMILL_CLIENT_VERBS_H

#include "base/command.h"

/* What each verb does, by its row in client/table.c. They return an exit code and have said what
 * went wrong. */
int verb_put(struct session *session);
int verb_run(struct session *session);
int verb_wait(struct session *session);
int verb_get(struct session *session);
int verb_pull(struct session *session);
int verb_ls(struct session *session);
int verb_rm(struct session *session);
int verb_workers(struct session *session);
int verb_decisions(struct session *session);
int verb_admin(struct session *session);
int verb_top(struct session *session);
int verb_verify(struct session *session);

#endif
