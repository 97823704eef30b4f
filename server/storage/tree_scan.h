/* tree_scan.h - reading every page of a root from the disk, a slice at a time.
 *
 * For checks and for the scrub. A scan reads past the cache and, where the file system can do
 * that, past the system's memory. It checks of each page: checksum, form, order of keys, sums,
 * bounds that its parent gives, birth, place; of a page that is there twice, both copies. It goes
 * on beside a page that is damaged, and says so in the findings; what the page hid is not looked
 * at. Memory: one path of pages, and the sets of units.
 *
 * A scan can be ended after any slice, and another one begun where it stood (tree_scan_place), of a
 * later root too: what lies before is passed over, but for the branches that lead to it.
 *
 * Threads: any, one at a time. It reads only what never changes: the root, and pages that the
 * root reaches. */
#ifndef HOLDFAST_STORAGE_TREE_SCAN_H
#define HOLDFAST_STORAGE_TREE_SCAN_H

#include "server/storage/findings.h"
#include "server/storage/key.h"
#include "server/storage/root.h"
#include "server/storage/unit_set.h"

struct tree_scan_frame { /* of a branch that is being gone through */
    struct page *page;   /* owned */
    struct page_ptr ptr;
    unsigned next;       /* child */
    struct slice low;    /* keys below it are at or above */
    struct slice high;   /* and below; data NULL: no bound */
};

struct tree_scan_place { /* what comes next: keys from this one on; all zero: everything */
    bool is_begun;         /* the tree of trees is done, and all stores before this one */
    uint32_t store;
    size_t key_size;
    uint8_t key[KEY_BYTES_MAX];
};

struct tree_scan {
    struct os *os;
    struct os_file *file;  /* owned */
    const struct root *r;  /* kept by the caller */
    struct findings *to;   /* the caller's */
    /* May be NULL. found: units that were reached; a page that claims what is in it is damage.
     * used: units that may be claimed. */
    struct unit_set *found;
    const struct unit_set *used;
    uint32_t store;        /* at hand: ROOT_CATALOGUE, or of infos[tree] */
    size_t tree;           /* that come next */
    bool has_catalogue;
    const struct tree_scan_place *from; /* the caller's; NULL: all of it */
    unsigned depth;
    struct tree_scan_frame path[PAGE_LEVELS_MAX];
    struct scratch packed, image;
    uint64_t pages, bytes; /* that were read */
    uint64_t leaves;       /* of pages, or damaged */
    uint64_t records;
    uint64_t hidden_units; /* below damaged pages, as far as is known */
};

/* ERR_IO, ERR_NOMEM, ERR_NOT_FOUND: the file could not be opened. fini also then. */
enum err tree_scan_init(struct tree_scan *s, struct os *os, const struct root *r,
                        struct findings *to);
void tree_scan_fini(struct tree_scan *s);
/* Before it runs: begin there. from stays the caller's, and as it is, until tree_scan_fini. */
void tree_scan_from(struct tree_scan *s, const struct tree_scan_place *from);
/* What comes next; all zero when nothing does. */
void tree_scan_place_of(const struct tree_scan *s, struct tree_scan_place *out);
/* Read about bytes_max, and a leaf at least. ERR_WAIT: there is more; ERR_OK: that was all;
 * ERR_NOMEM. */
enum err tree_scan_run(struct tree_scan *s, uint64_t bytes_max);

#endif
