#include "server/txn/read_tree.h"

#include "server/base/assert.h"
#include "server/txn/read_range.h"

#define BOUND_ROUND 32u /* bytes: neighbouring keys have much the same size */

int read_key_compare(struct read_key a, struct read_key b)
{
    if (a.store != b.store)
        return a.store < b.store ? -1 : 1;
    return slice_compare(a.key, b.key);
}

static int bound_compare(const struct read_bound *a, const struct read_bound *b)
{
    return read_key_compare(read_bound_key(a), read_bound_key(b));
}

static struct read_range **tree_root(const struct read_range *range, enum read_tree tree)
{
    return tree == READ_OWN ? &range->reads->ranges : &range->reads->set->ranges;
}

/* ---- bounds ---- */

static size_t bound_room(size_t size)
{
    return (size + BOUND_ROUND) & ~(size_t)(BOUND_ROUND - 1);
}

/* Have room for size bytes; what is there stays. */
static bool bound_reserve(struct reads *r, struct read_bound *b, size_t size)
{
    size_t room = bound_room(size);
    uint8_t *data;

    ASSERT(room <= UINT16_MAX);
    ASSERT(b->data || b->room == 0);
    if (b->data && size <= b->room)
        return true;
    data = os_alloc(r->set->os, room);
    if (!data)
        return false;
    if (b->data)
        memcpy(data, b->data, b->size);
    os_free(r->set->os, b->data, b->room);
    r->range_bytes += room - b->room;
    b->data = data;
    b->room = (uint16_t)room;
    return true;
}

static void bound_set(struct read_bound *b, struct read_key key)
{
    ASSERT(b->data && key.key.size <= b->room);
    if (key.key.size)
        memmove(b->data, key.key.data, key.key.size);
    b->size = (uint16_t)key.key.size;
    b->store = key.store;
    ASSERT(b->size <= b->room);
}

static void bound_fini(struct reads *r, struct read_bound *b)
{
    ASSERT(r->range_bytes >= b->room);
    os_free(r->set->os, b->data, b->room);
    r->range_bytes -= b->room;
    *b = (struct read_bound){0};
}

/* ---- the greatest end of a subtree ---- */

static void range_sum_up(struct read_range *range)
{
    range->last = range;
    for (unsigned i = 0; i < 2; i++) {
        struct read_range *child = range->node[READ_ALL].child[i];

        if (child && bound_compare(&child->last->to, &range->last->to) > 0)
            range->last = child->last;
    }
}

/* The end of the range has been raised. */
static void range_tell_raised(struct read_range *range)
{
    ASSERT(range->reads->set->ranges);
    for (struct read_range *at = range; at; at = at->node[READ_ALL].parent) {
        range->reads->set->steps++;
        if (at->last == range)
            continue;
        if (bound_compare(&at->last->to, &range->to) >= 0)
            return;
        at->last = range;
    }
}

/* ---- treaps ---- */

/* Of two ranges of different readers that begin at the same place the older reader's is first. */
static int range_compare(const struct read_range *a, const struct read_range *b)
{
    int order = bound_compare(&a->from, &b->from);

    if (order)
        return order;
    return a->reads->number < b->reads->number ? -1 : a->reads->number > b->reads->number;
}

static struct read_range **tree_place(struct read_range *range, enum read_tree tree)
{
    struct read_range *parent = range->node[tree].parent;

    ASSERT(!parent || parent->node[tree].child[0] == range ||
           parent->node[tree].child[1] == range);
    if (!parent)
        return tree_root(range, tree);
    return &parent->node[tree].child[parent->node[tree].child[1] == range];
}

/* The child on that side goes up, in its parent's place. */
static void tree_rotate(struct read_range *range, enum read_tree tree, unsigned side)
{
    struct read_range *up = range->node[tree].child[side];
    struct read_range *between = up->node[tree].child[!side];

    ASSERT(side < 2 && up);
    ASSERT(up->node[tree].parent == range);
    *tree_place(range, tree) = up;
    up->node[tree].parent = range->node[tree].parent;
    up->node[tree].child[!side] = range;
    range->node[tree].parent = up;
    range->node[tree].child[side] = between;
    if (between)
        between->node[tree].parent = range;
    if (tree == READ_ALL) {
        range_sum_up(range);
        range_sum_up(up);
    }
}

static void tree_add(struct read_range *range, enum read_tree tree)
{
    struct read_range **at = tree_root(range, tree), *parent = NULL;

    ASSERT(!range->node[tree].parent && !range->node[tree].child[0] &&
           !range->node[tree].child[1]);
    while (*at) {
        parent = *at;
        range->reads->set->steps++;
        at = &parent->node[tree].child[range_compare(range, parent) > 0];
    }
    *at = range;
    range->node[tree] = (struct read_node){.parent = parent};
    if (tree == READ_ALL) {
        range->last = range;
        range_tell_raised(range);
    }
    while ((parent = range->node[tree].parent) && parent->priority < range->priority)
        tree_rotate(parent, tree, parent->node[tree].child[1] == range);
}

static void tree_remove(struct read_range *range, enum read_tree tree)
{
    struct read_node *node = &range->node[tree];
    struct read_range *parent;

    ASSERT(*tree_place(range, tree) == range);
    while (node->child[0] || node->child[1]) {
        unsigned side = !node->child[0] ||
                        (node->child[1] && node->child[1]->priority > node->child[0]->priority);

        range->reads->set->steps++;
        tree_rotate(range, tree, side);
    }
    parent = node->parent;
    *tree_place(range, tree) = NULL;
    ASSERT(!node->child[0] && !node->child[1]);
    *node = (struct read_node){{NULL, NULL}, NULL};
    if (tree == READ_OWN)
        return;
    for (; parent; parent = parent->node[tree].parent) {
        range->reads->set->steps++;
        range_sum_up(parent);
    }
}

/* ---- ranges ---- */

static uint32_t read_tree_random(struct read_set *set)
{
    ASSERT(set->random != 0);
    set->random ^= set->random << 13; /* xorshift */
    set->random ^= set->random >> 7;
    set->random ^= set->random << 17;
    return (uint32_t)(set->random >> 32);
}

struct read_range *read_range_new(struct reads *r, struct read_key from, struct read_key to)
{
    struct read_set *set = r->set;
    struct read_range *range = os_alloc(set->os, sizeof *range);

    ASSERT(read_key_compare(from, to) < 0);
    if (!range)
        return NULL;
    memset(range, 0, sizeof *range);
    range->reads = r;
    r->range_bytes += sizeof *range;
    if (!bound_reserve(r, &range->from, from.key.size) ||
        !bound_reserve(r, &range->to, to.key.size)) {
        bound_fini(r, &range->from);
        r->range_bytes -= sizeof *range;
        os_free(set->os, range, sizeof *range);
        return NULL;
    }
    bound_set(&range->from, from);
    bound_set(&range->to, to);
    range->priority = read_tree_random(set);
    ASSERT(range->from.data && range->to.data);
    return range;
}

void read_range_free(struct read_range *range)
{
    struct reads *r = range->reads;
    struct os *os = r->set->os;

    ASSERT(!range->node[READ_OWN].parent); /* it is in no tree of its reader */
    tree_remove(range, READ_ALL);
    ASSERT(r->range_count > 0 && r->set->range_count > 0);
    r->range_count--;
    r->set->range_count--;
    bound_fini(r, &range->from);
    bound_fini(r, &range->to);
    r->range_bytes -= sizeof *range;
    os_free(os, range, sizeof *range);
}

enum err read_range_raise(struct read_range *range, struct read_key to)
{
    ASSERT(read_key_compare(to, read_bound_key(&range->to)) > 0);
    ASSERT(range->reads->range_count > 0);
    if (!bound_reserve(range->reads, &range->to, to.key.size))
        return ERR_NOMEM;
    bound_set(&range->to, to);
    range_tell_raised(range);
    return ERR_OK;
}

enum err read_range_widen(struct read_range *range, struct read_key from, struct read_key to)
{
    ASSERT(read_key_compare(from, read_bound_key(&range->from)) < 0);
    ASSERT(range->reads->range_count > 0);
    if (!bound_reserve(range->reads, &range->from, from.key.size))
        return ERR_NOMEM;
    if (read_key_compare(to, read_bound_key(&range->to)) > 0 && read_range_raise(range, to))
        return ERR_NOMEM;
    tree_remove(range, READ_ALL); /* its place in its reader's own tree stays */
    bound_set(&range->from, from);
    tree_add(range, READ_ALL);
    return ERR_OK;
}

void read_tree_insert(struct read_range *range)
{
    tree_add(range, READ_OWN);
    tree_add(range, READ_ALL);
    range->reads->range_count++;
    range->reads->set->range_count++;
    ASSERT(range->reads->set->range_count >= range->reads->range_count);
}

void read_tree_join(struct read_range *low, struct read_range *high)
{
    struct reads *r = low->reads;
    struct read_bound to = low->to;

    ASSERT(high->reads == r && read_tree_next(low) == high);
    ASSERT(bound_compare(&low->to, &high->from) < 0); /* */
    tree_remove(high, READ_OWN);
    low->to = high->to;
    range_tell_raised(low);
    /* high has the lesser end from here on: what knew it as the greatest knows low now */
    high->to = to;
    for (struct read_range *at = high; at; at = at->node[READ_ALL].parent)
        range_sum_up(at);
}

/* ---- cutting ---- */

static void own_hang(struct read_range **at, struct read_range *parent,
                     struct read_range *child)
{
    ASSERT(child != parent);
    *at = child;
    if (child)
        child->node[READ_OWN].parent = parent;
}

/* Part a tree into what begins before the key and the others; or_at: what begins at it is before,
 * too. */
static void own_split(struct read_range *tree, struct read_key key, bool or_at,
                      struct read_range **before, struct read_range **behind)
{
    struct read_range **at[2] = {before, behind};
    struct read_range *parent[2] = {NULL, NULL};

    ASSERT(!tree || !tree->node[READ_OWN].parent);
    *before = *behind = NULL;
    while (tree) {
        int order = read_key_compare(read_bound_key(&tree->from), key);
        unsigned side = order > 0 || (order == 0 && !or_at); /* where the tree's root goes */

        tree->reads->set->steps++;
        own_hang(at[side], parent[side], tree);
        parent[side] = tree;
        at[side] = &tree->node[READ_OWN].child[!side];
        tree = *at[side];
    }
    *at[0] = *at[1] = NULL;
}

/* All of low begins before all of high. */
static struct read_range *own_join(struct read_range *low, struct read_range *high)
{
    struct read_range *root = NULL, **at = &root, *parent = NULL;

    ASSERT(!low || !low->node[READ_OWN].parent);
    ASSERT(!high || !high->node[READ_OWN].parent);
    while (low && high) {
        struct read_range **top = low->priority > high->priority ? &low : &high;
        struct read_range *range = *top;

        range->reads->set->steps++;
        own_hang(at, parent, range);
        parent = range;
        at = &range->node[READ_OWN].child[top == &low];
        *top = *at;
    }
    own_hang(at, parent, low ? low : high);
    return root;
}

struct read_range *read_tree_cut(struct reads *r, struct read_range *range)
{
    struct read_range *low, *rest, *covered, *high, *next = read_tree_next(range);

    ASSERT(range->reads == r);
    if (!next || bound_compare(&next->from, &range->to) > 0)
        return NULL;
    own_split(r->ranges, read_bound_key(&range->from), true, &low, &rest);
    own_split(rest, read_bound_key(&range->to), true, &covered, &high);
    r->ranges = own_join(low, high);
    ASSERT(covered);
    return covered;
}

void read_tree_push(struct read_range **trees, struct read_range *tree)
{
    ASSERT(!tree->node[READ_OWN].parent);
    ASSERT(*trees != tree);
    tree->node[READ_OWN].parent = *trees;
    *trees = tree;
}

struct read_range *read_tree_pop(struct read_range **trees)
{
    struct read_range *range = *trees;
    struct read_node *node = &range->node[READ_OWN];

    *trees = node->parent;
    for (unsigned i = 0; i < 2; i++) {
        if (!node->child[i])
            continue;
        node->child[i]->node[READ_OWN].parent = NULL;
        read_tree_push(trees, node->child[i]);
    }
    *node = (struct read_node){{NULL, NULL}, NULL};
    return range;
}

/* ---- walking ---- */

static struct read_range *own_edge(struct read_range *tree, unsigned side)
{
    while (tree && tree->node[READ_OWN].child[side])
        tree = tree->node[READ_OWN].child[side];
    return tree;
}

/* The neighbour on that side, in its reader's tree. */
static struct read_range *own_step(const struct read_range *range, unsigned side)
{
    const struct read_node *node = &range->node[READ_OWN];

    if (node->child[side])
        return own_edge(node->child[side], !side);
    while (node->parent && node->parent->node[READ_OWN].child[side] == range) {
        range = node->parent;
        node = &range->node[READ_OWN];
    }
    return node->parent;
}

struct read_range *read_tree_first(const struct reads *r)
{
    return own_edge(r->ranges, 0);
}

struct read_range *read_tree_next(const struct read_range *range)
{
    return own_step(range, 1);
}

struct read_range *read_tree_at_or_below(const struct reads *r, struct read_key key)
{
    struct read_range *found = NULL, *at = r->ranges;

    ASSERT(!r->is_ended);
    while (at) {
        bool below = read_key_compare(read_bound_key(&at->from), key) <= 0;

        r->set->steps++;
        if (below)
            found = at;
        at = at->node[READ_OWN].child[below];
    }
    return found;
}

bool read_tree_has_pair(const struct reads *r)
{
    const struct read_range *root = r->ranges;

    return root && (root->node[READ_OWN].child[0] || root->node[READ_OWN].child[1]);
}

struct read_range *read_tree_any_pair(struct reads *r)
{
    struct read_range *at = r->ranges, *down = at;

    ASSERT(read_tree_has_pair(r));
    ASSERT(r->range_count > 1);
    while (down) {
        at = down;
        down = at->node[READ_OWN].child[read_tree_random(r->set) & 1];
    }
    return read_tree_next(at) ? at : own_step(at, 0);
}

static struct read_range *tree_find(struct read_set *set, struct read_range *at,
                                    struct read_key key, uint64_t commit)
{
    while (at) {
        const struct read_node *node = &at->node[READ_ALL];
        struct read_range *found;

        set->steps++;
        if (read_key_compare(read_bound_key(&at->last->to), key) <= 0)
            return NULL;
        found = tree_find(set, node->child[0], key, commit);
        if (found)
            return found;
        if (read_key_compare(read_bound_key(&at->from), key) > 0)
            return NULL;
        if (!at->reads->is_ended && at->reads->snapshot < commit &&
            read_key_compare(read_bound_key(&at->to), key) > 0)
            return at;
        at = node->child[1];
    }
    return NULL;
}

struct read_range *read_tree_find(struct read_set *set, struct read_key key, uint64_t commit)
{
    ASSERT(!set->ranges || set->range_count > 0);
    return tree_find(set, set->ranges, key, commit);
}

/* ---- checking ---- */

static bool tree_check(const struct read_range *at, const struct read_range *parent,
                       size_t *count)
{
    const struct read_node *node = &at->node[READ_ALL];
    const struct read_range *last = at;

    ++*count;
    if (node->parent != parent || (parent && parent->priority < at->priority)) /* */
        return false;
    for (unsigned i = 0; i < 2; i++) {
        const struct read_range *child = node->child[i];

        if (!child)
            continue;
        if (range_compare(child, at) * (i ? 1 : -1) < 0 || !tree_check(child, at, count))
            return false;
        if (bound_compare(&child->last->to, &last->to) > 0)
            last = child->last;
    }
    return bound_compare(&last->to, &at->last->to) == 0; /* */
}

bool read_tree_check(const struct read_set *set)
{
    size_t count = 0;

    return (!set->ranges || tree_check(set->ranges, NULL, &count)) && count == set->range_count;
}
