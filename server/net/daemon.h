/* daemon.h - the server's life: opened, run, told to stop, told to read its options again.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_DAEMON_H
#define HOLDFAST_NET_DAEMON_H

#include "server/net/command_line.h"
#include "server/net/server.h"

struct db_options;

/* What the options say of the database. */
void daemon_db_options(const struct options *o, struct db_options *to);

struct daemon_ground { /* what it stands on; lent until daemon_run has returned */
    uv_loop_t *loop;
    struct os_posix *posix;
    struct log_output *log;
};

/* Open the database in the directory and make ready to serve. why: OPTION_ERROR_BYTES. */
enum err daemon_open(struct server *server, const struct daemon_ground *ground,
                     const struct options *options, const struct command_line *line, char *why);

/* Serve until stopped; returns the exit code. Frees everything. */
int daemon_run(struct server *server);

/* Take nothing new, answer what came, end. code: of the process. */
void daemon_stop(struct server *server, int code, const char *why);

/* Read the options again. */
void daemon_reload(struct server *server);

/* The exit code that stands for e (sysexits.h). */
int daemon_exit_code(enum err e);

#endif
