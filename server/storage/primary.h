/* primary.h - the on-disk tree: one file of copy-on-write pages, a tree per store,
 * roots, and the merge that makes new ones.
 *
 * A root is the whole primary as of one commit: immutable, counted. A tree is found
 * by its store number. Pages are lz4-packed into extents of 512-byte units and never
 * overwritten in place. A pointer to a page is (extent, length, checksum, record
 * count, birth root): damage, lost and misdirected writes are found on the way
 * down. A page holds a soft target of bytes; a record larger than that has a leaf of
 * its own, so there are no overflow chains. Two slots at the beginning of the file
 * name the durable root; both are written, one after the other, at each switch
 * (so what the former root alone used is free at once). Free space is what neither
 * a slot nor a held root reaches: it is found at open by walking the branches, never stored.
 *
 * Damage stops its own store. A tree with a page that cannot be read takes no more changes:
 * what still must be merged (commits that came before the damage was known) goes into the
 * store's side tree, which readers ask before the damaged one. A side tree is a tree of its
 * own under the store's number + PRIMARY_STORES_END; its counter is where the damage was found.
 * It ends with its store. What all stores depend on, the tree of the trees and the store
 * PRIMARY_STORE_TWICE, has each page in two places: where one copy is damaged the other is
 * read, and the next merge writes both anew.
 *
 * Threads: loop, but merge_run and reclaim_run, which run on the merge lane and own the
 * allocator from primary_merge_begin to primary_merge_end, or _reclaim_. */
#ifndef HOLDFAST_STORAGE_PRIMARY_H
#define HOLDFAST_STORAGE_PRIMARY_H

#include "proto/slice.h"
#include "server/base/failure.h"
#include "server/os/os.h"
#include "server/storage/wait.h"

struct primary; /* opaque */
struct root;    /* opaque, shared */

#define PRIMARY_FILE "primary"
#define PRIMARY_IDENTITY_BYTES 16

#define PRIMARY_STORES_END (UINT32_C(1) << 31) /* numbers of stores are below it */

#define PRIMARY_STORE_TWICE 0u /* whose definitions all other stores need */

#define PRIMARY_PAGE_BYTES_DEFAULT 8192u /* docs/decisions/0003-page-size.md */

struct primary_options {
    uint32_t page_bytes;  /* soft target of an unpacked page, for a new file; 4096 to 65536;
                              0: the default */
    uint64_t cache_bytes; /* limit of unpacked pages kept */
    const uint8_t *identity; /* of a new file, PRIMARY_IDENTITY_BYTES; NULL: random */
    bool is_read_only; /* nothing is written: the file must be there, and no merge may begin */
};

struct root_facts {        /* what a root says of itself */
    uint64_t number;       /* grows with each root; births are root numbers */
    uint64_t commit;       /* the last commit it holds */
    uint64_t log_position; /* replay from here */
    uint64_t version_reserved, commit_reserved; /* numbers reserved when it was made */
};

struct tree_facts {
    uint64_t records;
    uint64_t bytes;        /* of keys and values */
    uint64_t extent_bytes; /* on disk, packed */
    uint64_t counter;      /* the store's generator: greatest number given */
    bool has_side;         /* damaged, and changed since: records and bytes leave that out */
};

struct tree_damage {
    uint32_t store;
    bool is_lost;    /* nothing of it is read any more: its side tree is damaged as well */
    uint64_t offset; /* of the page, bytes in the file */
};

/* Open or make the file; find the newest valid slot; learn what is free. Blocks.
 * ERR_CORRUPT with file and offset (slots, catalogue; damage below a store stops only who reads
 * there, see damage_offset), ERR_FORMAT. A new file has a durable empty root. */
enum err primary_open(struct os *os, const struct primary_options *options,
                      struct primary **out, struct failure *f);
/* Every root must have been given back, no load or merge be under way (abandon: a simulated
 * crash, jobs never finish; free the memory). */
/* The random number that names the database: PRIMARY_IDENTITY_BYTES. */
void primary_identity(const struct primary *p, uint8_t *to);

void primary_close(struct primary *p, bool abandon);

/* The durable root; borrowed, take a reference to keep it. */
struct root *primary_root(struct primary *p);
struct root *root_ref(struct root *r);
void root_unref(struct root *r);
const struct root_facts *root_facts(const struct root *r);
/* How many trees it has, and bytes of memory that a root of so many takes. */
size_t root_trees(const struct root *r);
size_t root_memory(size_t trees);
/* Bytes of memory that all held roots but the durable one take. */
uint64_t primary_roots_bytes(const struct primary *p);
/* The one of them that was made first, borrowed; NULL: there is none. */
const struct root *primary_oldest_root(const struct primary *p);
/* The one behind it; NULL: there is none. */
const struct root *primary_newer_root(const struct primary *p, const struct root *r);
/* Bytes on the disk that wait for this root and for no other, as the last merge or reclaiming found
 * them: so much is free at the next one if the root is let go now, and more if others have been
 * let go since. */
uint64_t root_only_bytes(const struct root *r);
/* false: the root has no such tree. */
bool root_tree_facts(const struct root *r, uint32_t store, struct tree_facts *out);
/* Call each for every tree of the root, ascending by number. */
void root_each_tree(const struct root *r,
                    void (*each)(void *context, uint32_t store, const struct tree_facts *facts),
                    void *context);

/* ---- reading: ERR_WAIT as wait.h says; ERR_CORRUPT and ERR_IO set f ---- */

void wait_init(struct wait *w, void (*wake)(struct wait *));
/* Unpin all, forget loads not yet come; nothing is woken afterwards. May be called twice. */
void wait_release(struct primary *p, struct wait *w);
/* Wake at the next turn, for a request that has used its share of this one. */
void wait_yield(struct primary *p, struct wait *w);
/* While it is on, reads block and never answer ERR_WAIT: for a database that is being opened. */
void primary_read_blocking(struct primary *p, bool on);
/* Call wake of all that are ready; the loop calls this each turn. True if any was. */
bool primary_wake(struct primary *p);
/* Set a function that is called when primary_wake has something to do (from the loop). */
void primary_on_ready(struct primary *p, void (*ready)(void *context), void *context);

/* Set a function that is called when a read has met a damaged page of a store, from within it. */
void primary_on_damage(struct primary *p,
                       void (*damaged)(void *context, uint32_t store, uint64_t offset),
                       void *context);
/* Set a function that is called when one of two copies of a page is damaged: nothing is lost. It is
 * told of what the open has met at once. */
void primary_on_bad_copy(struct primary *p, void (*bad)(void *context, uint64_t offset),
                         void *context);
/* Call each for every store whose damage the durable root tells of or the open has found. */
void primary_each_damage(const struct primary *p,
                         void (*each)(void *context, const struct tree_damage *damage),
                         void *context);

/* ERR_OK, ERR_NOT_FOUND, ERR_WAIT, ERR_CORRUPT, ERR_IO, ERR_NOMEM. *value is borrowed until
 * wait_release. A store that the root does not have holds nothing. */
enum err tree_get(struct root *r, uint32_t store, struct slice key, struct wait *w,
                  struct slice *value, struct failure *f);

/* One of several records that are read at once. */
struct tree_want {
    struct slice key;   /* the caller's; borrowed */
    struct slice value; /* as of tree_get; none: there is no such record */
};

#define TREE_LOADS_MAX 16u               /* of pages that one tree_get_many asks for ... */
#define TREE_LOAD_BYTES_MAX (1u << 20)   /* ... and what they come to; at least one */

/* All of them in one pass over the tree; keys ascending. Pages that are not in memory are asked
 * for together, before ERR_WAIT. ERR_OK, ERR_WAIT, ERR_CORRUPT, ERR_IO, ERR_NOMEM. */
enum err tree_get_many(struct root *r, uint32_t store, struct tree_want *wants, unsigned count,
                       struct wait *w, struct failure *f);

/* How many records have a key below key (size 0: none; data NULL: all). O(height). Of a tree
 * that has a side (tree_facts) it leaves that out: there, only walking counts. */
enum err tree_rank(struct root *r, uint32_t store, struct slice key, struct wait *w,
                   uint64_t *out, struct failure *f);

/* A cursor over one tree of one root, which the caller keeps referenced. It pins what
 * it stands on by itself, until the next move or fini. */
struct tree_cursor {
    struct primary *p;
    struct root *r;
    uint32_t store;
    bool valid;         /* it stands on a record */
    struct slice key;   /* borrowed until the next move */
    struct slice value; /* borrowed until the next move; none: the record was deleted (of a
                           damaged tree, whose side tree says so) */
    struct {            /* from the top; pages pinned */
        struct page *page;
        unsigned slot;
    } path[24];
    unsigned height;
    struct tree_layers *layers; /* owned; of a damaged tree beside its side tree, or NULL */
    bool is_layer;              /* it is one of such two itself */
};
void tree_cursor_init(struct tree_cursor *c, struct root *r, uint32_t store);
void tree_cursor_fini(struct tree_cursor *c);
/* Stand on the first record with key >= key (size 0: the first record), or, backwards,
 * on the last with key < key (data NULL: the last record). OK with valid false when there
 * is none. */
enum err tree_cursor_seek(struct tree_cursor *c, struct slice key, bool backwards,
                          struct wait *w, struct failure *f);
/* Move from a record to its neighbour. After ERR_WAIT the cursor stands where it stood. */
enum err tree_cursor_next(struct tree_cursor *c, struct wait *w, struct failure *f);
enum err tree_cursor_previous(struct tree_cursor *c, struct wait *w, struct failure *f);
/* The leaf in which it stands, with its record's place there: neighbours can be read from it until
 * the cursor moves. NULL: it stands on none, or what is beside it need not be what is next. */
const struct page *tree_cursor_leaf(const struct tree_cursor *c, unsigned *slot);
/* Stand on another record of that leaf. */
void tree_cursor_stand(struct tree_cursor *c, unsigned slot);
/* Where the page that holds its record begins in the file, bytes; 0: it stands on none. */
uint64_t tree_cursor_offset(const struct tree_cursor *c);

/* ---- merging ---- */

/* What goes into a merge, in (store, key) order, one change a key. Called on the
 * merge lane; reads only what nobody changes. */
struct merge_change {
    uint32_t store;
    struct slice key;   /* borrowed until the next call */
    struct slice value; /* data NULL: delete */
};
struct merge_input {
    void *context;
    /* ERR_OK, ERR_END. */
    enum err (*next)(void *context, struct merge_change *out);
};

struct merge_plan {
    struct root *from; /* merge onto this root: the durable one, or one made on top of it
                                  since. Roots that were made after it are left aside by that:
                                  they can be read on, but nothing is merged onto them */
    struct merge_input input;
    struct root_facts facts; /* of the new root, but number, which the primary gives */
    bool durable; /* write it to the slots; false: an intermediate root, pages only, no sync */
    const uint32_t *dropped; /* stores whose trees end here, ascending; lent until merge_end */
    size_t dropped_count;
    const struct merge_counter { /* generators to note, ascending by store; lent */
        uint32_t store;
        uint64_t counter;
    } * counters;
    size_t counter_count;
    const struct tree_damage *damaged; /* stores that are damaged, ascending; lent */
    size_t damaged_count;
};

struct merge; /* opaque */

/* Loop. ERR_NOMEM. Only one merge at a time. */
enum err primary_merge_begin(struct primary *p, const struct merge_plan *plan,
                             struct merge **out);

/* Merge lane: do about bytes_max of work (read plus written), for pacing. ERR_WAIT:
 * call again for more (a later job); ERR_OK: pages written and, if durable, synced and both
 * slots written and synced; else the merge has failed (ERR_NO_SPACE, ERR_IO, ERR_CORRUPT,
 * ERR_NOMEM) and the old root stands. A failed sync of the file is ERR_LOG_FAILED: final. */
enum err merge_run(struct merge *m, uint64_t bytes_max);

/* Loop. After merge_run failed: whether it was a page of a store that could not be read, and which
 * (is_lost: of its side tree). The same plan with that damage named will get past it. */
bool merge_found_damage(const struct merge *m, struct tree_damage *out);

/* Loop. After merge_run said ERR_OK: *out is the new root with one reference, the
 * primary's root from now on if it was durable; what the old one alone used will be
 * free when nobody holds it. After a failure: *out is NULL, what was written is free. */
enum err primary_merge_end(struct primary *p, struct merge *m, struct root **out,
                           struct failure *f);

/* ---- reclaiming ---- */

/* What merges replaced is free when the last root that reached it has gone; that is found out,
 * and given back to the system, by the next merge, or by a reclaiming. */
struct reclaim; /* opaque */
/* Whether a root has gone since the last reclaiming began: there may be something to do. Loop. */
bool primary_needs_reclaim(const struct primary *p);
/* Loop. ERR_NOMEM. No merge may be under way, and none may begin before primary_reclaim_end. */
enum err primary_reclaim_begin(struct primary *p, struct reclaim **out);
/* Merge lane: free what no held root reaches, cut off the file's end, punch holes. */
void reclaim_run(struct reclaim *t);
/* Loop, after reclaim_run. */
void primary_reclaim_end(struct primary *p, struct reclaim *t);

struct primary_stats {
    uint64_t file_bytes; /* size of the file */
    uint64_t used_bytes; /* extents that the durable root reaches */
    uint64_t held_bytes; /* extents only older held roots reach */
    uint64_t free_bytes; /* the rest of the file; large parts of it take no space on the disk */
    uint64_t cache_bytes, cache_limit, cache_hits, cache_misses;
    uint64_t pages_read, pages_written, bytes_written;
    uint64_t records, trees;
    unsigned roots_held; /* the durable one included */
    uint64_t
        damage_offset; /* of a branch that was found damaged at open, 0: none. Reads below it
                                 fail, free space is not known, and new pages go to the end */
    uint64_t
        leaked_bytes; /* known only to damaged branches, or to none: the next start finds it */
};
void primary_stats(const struct primary *p, struct primary_stats *out);
bool primary_is_busy(const struct primary *p);

/* Walk everything the durable root reaches, check checksums, order, counts and
 * that no extent is used twice; blocks (tests and fsck). Damage that is known is told last. */
enum err primary_check(struct primary *p, struct failure *f);

#endif
