/* estimate.h - how much a range holds, about, and whether an index has an entry for every record:
 * what a planner asks before it decides what to read.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_ESTIMATE_H
#define HOLDFAST_TXN_ESTIMATE_H

#include "server/txn/op.h"

struct cursor;
struct key_range;
struct schema;

/* Exact for what the tree of the root has; staged: keys of the store that are not in it, or not
 * only, wherever they lie. */
struct range_estimate {
    uint64_t in_root, root_records;
    uint64_t staged;
};

/* Whether what is read counts for conflicts: a serializable transaction. */
bool estimate_notes_reads(const struct cursor *anchor);

/* It is no read: nobody conflicts over it. The anchor is one of cursor_open_anchor. ERR_WAIT. */
enum err estimate_range(struct op *op, struct cursor *anchor, struct schema *s,
                        const struct key_range *range, struct range_estimate *out);

struct total_count { /* zeroed by who begins; kept over ERR_WAIT */
    bool has_records;
    uint64_t records;
};

/* Whether each record of the store has one entry in the index, as the anchor sees them: counted
 * exactly, which is a read of the whole store. false, too, if so much is staged that counting
 * would take longer than it could save. ERR_WAIT. */
enum err estimate_is_total(struct op *op, struct cursor *anchor, struct schema *index,
                           struct total_count *count, bool *is_total);

#endif
