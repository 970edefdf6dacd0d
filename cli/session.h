/* session.h — sessions in files: what generate and chat go on from, and leave. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "engine.h"

/* A session as the file holds it, or an empty one where `path` is NULL. EXIT_DONE, or the failure told. */
int cli_session_open(const engine *e, const brink_session_desc *desc, const char *path,
                     brink_session **out);

/* Whether the file can be written, before there is work to lose. EXIT_DONE, or the failure told. */
int cli_session_can_save(const char *path);

/* Writes what the session holds. EXIT_DONE, or the failure told. */
int cli_session_save(const engine *e, brink_session *session, const char *path);

#endif
