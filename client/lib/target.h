/* target.h - the text of an address taken apart.
 *
 *     HOST[:PORT]   [IPV6]:PORT   unix:PATH
 *     holdfast://[USER@]HOST[:PORT][/DATABASE]      holdfast+unix:PATH
 *     holdfast+tls://[USER@]HOST[:PORT][/DATABASE]  tls://... for short */
#ifndef HOLDFAST_LIB_TARGET_H
#define HOLDFAST_LIB_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#define HOST_SIZE_MAX 256

struct endpoint {
    const char *path; /* of a Unix socket, borrowed from the address; NULL: host and port */
    bool tls;
    char host[HOST_SIZE_MAX];
    char port[32];
    char user[HOST_SIZE_MAX];     /* "": none is named */
    char database[HOST_SIZE_MAX]; /* likewise */
};

/* NULL, or what is wrong with it, in words. */
const char *target_read(const char *address, struct endpoint *out);

#endif
