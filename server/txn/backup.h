/* backup.h - backups that are being sent: each holds one root of the data file, and nothing else.
 *
 * A backup is begun when what is to be in it has been merged (db_amalgamate): it is the durable
 * root then, so its commit is that of the whole backup, and what is committed later goes on beside
 * it. Its bytes (root_stream.h) are asked for chunk by chunk and read by a job, so neither a slow
 * client nor a slow disk stops anybody. It ends with backup_close, whatever became of it; an
 * operator, and the limit of memory for roots, end it earlier: then the root is let go at once, or
 * when the job under way is done, and the next read is told why.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_BACKUP_H
#define HOLDFAST_TXN_BACKUP_H

#include "server/base/failure.h"
#include "server/txn/backups.h"
#include "server/txn/op.h"

struct backup; /* opaque, owned by who opened it */
struct root;

void backups_init(struct backups *all, struct os *os, struct pulse *pulse);
/* In a turn: wake those whose chunk has come. */
void backups_turn(struct backups *all);
/* At the end, or (abandoned) in the middle: free those that are left. */
void backups_fini(struct backups *all);
/* End those that hold this root. */
void backups_expire_root(struct backups *all, const struct root *r, const struct failure *why);

struct backup_options {
    uint32_t chunk_bytes;
    struct slice identity; /* of the database that the base is of; none: it is a full backup */
    uint64_t base;         /* number of the base's root */
    uint64_t base_commit;
};

/* Hold the durable root. ERR_BAD_REQUEST: the base is not of this database, or younger;
 * ERR_NOMEM. */
enum err backup_open(struct op *op, struct backups *all, const struct backup_options *options,
                     struct backup **out);

/* The chunk that begins at position: the one read last (it may have been lost on its way), or the
 * one behind it. *bytes is lent until the next call; it is empty behind the end. ERR_WAIT;
 * ERR_BAD_REQUEST: another position, or another request reads it; ERR_CORRUPT, ERR_IO: a page could
 * not be read, the backup is at its end; ERR_TXN_KILLED, ERR_TXN_EXPIRED. */
enum err backup_read(struct op *op, struct backup *b, uint64_t position, struct slice *bytes,
                     bool *last);

/* An operator ends it; its owner is told at the next read, and still closes it. */
void backup_kill(struct backup *b);
/* Whoever reads it is woken and does not find it any more. */
void backup_close(struct backup *b);

/* The op does not wait for a chunk any more. */
void backup_leave(struct op *op);

struct backup_facts {
    uint64_t commit, root, log_position;
    uint64_t time_ms;
    uint64_t bytes; /* of all pages of the root on the disk */
    uint64_t sent;  /* given so far */
    uint64_t age_ms;
    uint64_t memory; /* that it takes, its root left out */
    uint64_t disk;   /* as root_only_bytes */
    bool is_open;    /* it holds its root */
};
void backup_facts(const struct backup *b, struct backup_facts *out);

#endif
