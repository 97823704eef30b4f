/* tree_rescue.h - the records of a tree that is damaged, in order, as far as they can be read.
 *
 * The tree is walked from its top. Below a leaf that is lost nothing is found. Where a branch is
 * lost the leaves that were below it are looked for in the whole file, by their labels: those of
 * the same tree, with keys within the branch's bounds and not younger than it. A leaf that was
 * replaced may still be there; where leaves overlap, what the younger one spans is believed, so a
 * record comes back that was deleted only where no younger leaf spans its key. The pointer to the
 * branch says how many records there were.
 *
 * Threads: one; blocks. Memory: a path of pages, and all leaves below one lost branch. */
#ifndef HOLDFAST_STORAGE_TREE_RESCUE_H
#define HOLDFAST_STORAGE_TREE_RESCUE_H

#include "server/storage/page_find.h"
#include "server/storage/root.h"

struct rescue_leaf { /* below a branch that is lost */
    struct page *page;
    uint64_t birth;
};

struct rescue_record { /* borrowed from its page */
    struct slice key, value;
};

struct tree_loss { /* what could not be read */
    uint32_t store;
    uint64_t offset;    /* of the page, bytes */
    unsigned level;
    struct slice low;   /* keys from here */
    struct slice high;  /* up to, but without, here; data NULL: to the end */
    uint64_t records;   /* that there were; 0: unknown */
    uint64_t found;     /* of them, below a branch */
    const char *why;
};

struct tree_rescue {
    struct os *os;
    struct os_file *file; /* borrowed */
    uint32_t store;
    void (*lost)(void *context, const struct tree_loss *loss);
    void *context;
    struct page_scratch scratch;
    struct {
        struct page *page; /* owned; a branch, or at the end a leaf */
        unsigned next;
        struct slice low, high;
    } path[PAGE_LEVELS_MAX];
    unsigned depth;
    struct page_ptr top;
    unsigned height; /* 0: it has not begun, or has no records */
    struct rescue_leaf *leaves; /* owned */
    size_t leaf_count, leaf_room;
    struct rescue_record *records; /* owned; ascending */
    size_t record_count, record_room, record_next;
    uint64_t count; /* records given */
};

/* height 0: the tree has no records. */
void tree_rescue_init(struct tree_rescue *t, struct os *os, struct os_file *file,
                      const struct tree_info *info);
void tree_rescue_fini(struct tree_rescue *t);
/* The next record, borrowed until the next call. ERR_END, ERR_NOMEM. */
enum err tree_rescue_next(struct tree_rescue *t, struct slice *key, struct slice *value);

#endif
