/* colour.h - colours of a terminal, where there is one that has them and nobody minds. */
#ifndef HOLDFAST_CLI_COLOUR_H
#define HOLDFAST_CLI_COLOUR_H

#include "client/cli/cli.h"

#define COLOUR_END "\x1b[0m"
#define COLOUR_ERROR "\x1b[31m"
#define COLOUR_HEAD "\x1b[1m"
#define COLOUR_NAME "\x1b[34m"   /* of a field */
#define COLOUR_TEXT "\x1b[32m"
#define COLOUR_NUMBER "\x1b[36m"
#define COLOUR_WORD "\x1b[35m"   /* null, true, false */
#define COLOUR_KEYWORD "\x1b[1;35m"
#define COLOUR_FUNCTION "\x1b[33m"
#define COLOUR_OPTION "\x1b[33m"
#define COLOUR_COMMENT "\x1b[90m"

/* Standard output is a terminal, NO_COLOR is not set or empty, and TERM is not "dumb". */
bool colour_wanted(const struct cli *cli);

#endif
