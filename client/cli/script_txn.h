/* script_txn.h - a whole script as one transaction (--single-transaction), which is run again
 * from its beginning where another transaction was first. */
#ifndef HOLDFAST_CLI_SCRIPT_TXN_H
#define HOLDFAST_CLI_SCRIPT_TXN_H

#include "client/cli/cli.h"

/* Run what -c, -f and standard input say in one transaction and commit it. What it prints is
 * held back until it is known whether it stands: of several attempts only the last one's is
 * seen. After some losses the stores that it wrote are locked first (hf_transact). A cli_exit; a
 * message was printed. */
int script_txn_run(struct cli *cli);

#endif
