/* restore_request.h - what is to be restored, as the command line says it.
 *
 * Threads: any; a plain value. */
#ifndef HOLDFAST_NET_RESTORE_REQUEST_H
#define HOLDFAST_NET_RESTORE_REQUEST_H

struct restore_request {
    const char *backup; /* directory of the backup; NULL: nothing is to be restored */
};

#endif
