/* command_line.h - the flags of holdfastd.
 *
 * --NAME VALUE and --NAME=VALUE for each option of the table; a yes-or-no
 * option may stand alone. Flags win over the configuration file, wherever
 * --config stands among them. */
#ifndef HOLDFAST_NET_COMMAND_LINE_H
#define HOLDFAST_NET_COMMAND_LINE_H

#include "server/net/config_file.h"
#include "server/net/restore_request.h"

enum command {
    COMMAND_SERVE,
    COMMAND_HELP,
    COMMAND_VERSION,
    COMMAND_CHECK_CONFIG,
    COMMAND_PRINT_CONFIG,
    COMMAND_RESTORE,
    COMMAND_CHECK_DATA, /* DIR */
    COMMAND_DUMP_FILE,  /* FILE [OFFSET] */
    COMMAND_SALVAGE,    /* DIR OUT */
};

#define COMMAND_VALUES_MAX 2

struct command_line {
    enum command command;
    const char *config; /* path of the configuration file, borrowed from argv; NULL: none */
    struct restore_request restore; /* borrowed from argv */
    int argc;           /* kept for reading again at SIGHUP; borrowed */
    char **argv;
    const char *values[COMMAND_VALUES_MAX]; /* of a command that takes some; from argv */
    unsigned value_count;
};

/* What went wrong decides the exit code. */
enum command_line_result {
    COMMAND_LINE_OK,
    COMMAND_LINE_USAGE,  /* a flag is wrong */
    COMMAND_LINE_CONFIG, /* the file is wrong, or the options do not go together */
};

/* Read the flags, and the file that they name, into o. complain gets every error. */
enum command_line_result command_line_read(int argc, char **argv, struct command_line *line,
                                           struct options *o, config_complain *complain,
                                           void *context);

#endif
