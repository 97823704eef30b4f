/* prompt.h - what stands before the line that is typed. */
#ifndef HOLDFAST_CLI_PROMPT_H
#define HOLDFAST_CLI_PROMPT_H

#include "client/cli/cli.h"

#define PROMPT_ESCAPE '\1' /* around what a terminal does not show: libedit's sign for it */

/* Server and database, "127.0.0.1:4653/main> ", with the open transaction "...main[txn 36]> ", and
 * "...main[txn 36!]> " once it has failed. Behind an open statement "...main-> ". coloured: with
 * escape sequences between PROMPT_ESCAPEs. */
void prompt_format(const struct cli *cli, bool is_open, bool coloured, char *to, size_t room);

#endif
