/* cursor_run.c - rows that lie side by side in a leaf, given without a look at anything else.
 *
 * Behind a row, the run is what follows in the leaf of the tree's cursor up to the nearest key that
 * is staged, or that the transaction has written, and up to the bound of the range. What is visible
 * to the cursor's snapshot does not change, and what its transaction writes lets its cursors rest,
 * or lies behind.
 *
 * A serializable transaction has read a run when it is found, whether or not it takes all of it: so
 * its first rows are given one by one, and a run has no more rows than were given before it.
 *
 * While rows are given the place and the tree's cursor stay; settling has them follow.
 *
 * Threads: loop only. */
#include "server/txn/cursors_internal.h"

#include "server/storage/page.h"
#include "server/txn/reads.h"

#define RUN_NOTED_FIRST 32 /* rows of a serializable transaction that are given one by one */

/* Rows of the leaf from first to before end, less what is at or beyond key. */
static void cut_end(const struct page *page, unsigned first, unsigned *end, struct slice key)
{
    bool is_equal;

    ASSERT(*end <= page->count);
    if (first < *end && slice_compare(page_key(page, *end - 1), key) >= 0)
        *end = page_find(page, key, &is_equal);
}

/* ... less what is at or below key; has_key: what has that very key stays. */
static void cut_first(const struct page *page, unsigned *first, unsigned end, struct slice key,
                      bool has_key)
{
    bool is_equal;

    ASSERT(end <= page->count);
    if (*first < end && slice_compare(page_key(page, *first), key) <= 0) {
        *first = page_find(page, key, &is_equal);
        *first += is_equal && !has_key;
    }
}

/* Less than all of the rows from first to before end, in the direction of the cursor. */
static void cut_long(const struct cursor *c, unsigned *first, unsigned *end)
{
    uint64_t rows = c->run_given < RUN_NOTED_FIRST ? 0 : c->run_given;

    if (*end - *first <= rows)
        return;
    if (c->reverse)
        *first = *end - (unsigned)rows;
    else
        *end = *first + (unsigned)rows;
}

/* From the place to the end of the run nothing else is; false: that cannot be noted now. */
static bool run_note(struct op *op, struct cursor *c, const struct page *page, unsigned first,
                     unsigned end)
{
    struct slice place = slice_make(c->place, c->place_size);
    struct slice last = page_key(page, c->reverse ? first : end - 1);
    uint8_t behind[KEY_BYTES_MAX + 1];

    ASSERT(c->txn && !c->place_is_end && last.size < sizeof behind);
    if (c->reverse)
        return reads_note_range(op, c->txn, c->schema, last, place) == ERR_OK;
    memcpy(behind, last.data, last.size);
    behind[last.size] = 0;
    return reads_note_range(op, c->txn, c->schema, place, slice_make(behind, last.size + 1)) ==
           ERR_OK;
}

void cursor_run_find(struct op *op, struct cursor *c)
{
    unsigned slot = 0, first, end;
    const struct page *page = tree_cursor_leaf(&c->tree, &slot);

    ASSERT(c->runs && c->is_placed && c->tree_placed && !c->run_left);
    c->run_given++;
    if (!page || c->only_staged)
        return;
    first = c->reverse ? 0 : slot + c->tree_used;
    end = c->reverse ? slot + !c->tree_used : page->count;
    for (size_t i = 0; i < c->source_count; i++) {
        struct cursor_source *s = &c->sources[i];

        if (s->used)
            cursor_source_advance(c, s);
        if (s->at && c->reverse)
            cut_first(page, &first, end, record_key(s->at), false);
        else if (s->at)
            cut_end(page, first, &end, record_key(s->at));
    }
    if (c->reverse && c->from_size)
        cut_first(page, &first, end, slice_make(c->from, c->from_size), true);
    if (!c->reverse && c->to_size)
        cut_end(page, first, &end, slice_make(c->to, c->to_size));
    if (c->run_is_noted && first < end)
        cut_long(c, &first, &end);
    if (first >= end || (c->run_is_noted && !run_note(op, c, page, first, end)))
        return;
    ASSERT(end <= page->count);
    c->run = page;
    c->run_left = end - first;
    c->run_given += c->run_left;
    c->run_slot = c->reverse ? end : first - 1; /* it wraps: the next one is 0 */
}
