/* pager.h - a program that shows what does not fit the terminal. */
#ifndef HOLDFAST_CLI_PAGER_H
#define HOLDFAST_CLI_PAGER_H

#include "client/cli/cli.h"

/* From now on cli->out gathers what is printed, as far as it fits the terminal; beyond that it
 * goes to $HOLDFAST_PAGER, $PAGER or less. Nothing changes where output is no terminal, nobody
 * sits at it, or the variable that is set is empty. What to give to pager_end. */
FILE *pager_begin(struct cli *cli);

/* Print what was gathered, or wait for the pager to end; cli->out is again what it was. */
void pager_end(struct cli *cli, FILE *before);

#endif
