/* notice.h - what the server says without being asked: a transaction that has lost, a limit that is
 * near, the server's end. */
#ifndef HOLDFAST_CLI_NOTICE_H
#define HOLDFAST_CLI_NOTICE_H

#include "client/cli/cli.h"

/* Have such notices printed as they come, from this connection. Servers without `subscribe` send
 * none: then the next request tells. */
void notice_subscribe(struct cli *cli);

/* Bytes have come while nobody waited for an answer. True: something was printed. */
bool notice_read(struct cli *cli);

#endif
