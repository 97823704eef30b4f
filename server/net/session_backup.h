/* session_backup.h - the backups that a client reads, by their numbers.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_SESSION_BACKUP_H
#define HOLDFAST_NET_SESSION_BACKUP_H

#include "server/net/session.h"
#include "server/txn/backup.h"

struct session_backup {
    uint32_t number;         /* within its session; not 0 */
    struct session *session; /* borrowed */
    struct backup *core;     /* owned */
    size_t bytes;            /* counted for it */
    uint64_t used_ms;        /* last read, the loop's clock */
    struct list_link in_session;
};

/* Takes core. NULL: out of memory; core is not taken then. */
struct session_backup *session_backup_new(struct session *s, struct backup *core);
/* NULL: there is none of that number. */
struct session_backup *session_backup_find(const struct session *s, uint64_t number);
void session_backup_close(struct session_backup *b);
/* Those that were not read since before_ms; UINT64_MAX: all. */
void session_backups_close(struct session *s, uint64_t before_ms);

#endif
