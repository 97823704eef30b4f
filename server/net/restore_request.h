/* restore_request.h - what is to be restored, as the command line says it.
 *
 * Threads: any; a plain value. */
#ifndef HOLDFAST_NET_RESTORE_REQUEST_H
#define HOLDFAST_NET_RESTORE_REQUEST_H

#define RESTORE_WALS_MAX 8

struct restore_request {             /* texts as they were given; NULL: they were not */
    const char *backup;              /* directory of the backup */
    const char *wal[RESTORE_WALS_MAX]; /* directories with segments of the WAL */
    unsigned wal_count;
    const char *to_commit;     /* the last commit that is restored */
    const char *before_commit; /* the first one that is not */
    const char *to_time;       /* RFC 3339: nothing that was written later */
};

#endif
