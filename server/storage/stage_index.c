#include "server/storage/stage_index.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"
#include "server/storage/stage.h"

#define NODE_ENTRIES 64
#define CACHE_LINE_BYTES 64
#define NODE_FILL 56       /* of them, when many are entered at once: some may still come */
#define NODE_PREFIX_MAX 32 /* more that is shared is compared like the rest */
#define NODE_PREFIX_WORTH \
    3 /* bytes that a longer prefix must gain, to look at all keys again */

struct stage_index_node {
    uint16_t count;
    uint16_t level;  /* 0: a leaf */
    uint16_t prefix; /* bytes that all keys share, and that are left out of heads */
    uint8_t prefix_bytes[NODE_PREFIX_MAX]; /* here, so that no record is touched for them */
    uint64_t heads[NODE_ENTRIES];          /* the eight bytes behind the prefix */
    struct record *records[NODE_ENTRIES];  /* ascending; in a branch the least of each child */
    struct stage_index_node *children[];   /* NODE_ENTRIES in a branch, none in a leaf */
};

uint64_t stage_index_head(struct slice key, size_t offset)
{
    uint8_t bytes[8] = {0};

    if (key.size >= offset + 8)
        return bytes_get_be64(key.data + offset);
    if (key.size > offset)
        memcpy(bytes, key.data + offset, key.size - offset);
    return bytes_get_be64(bytes);
}

static size_t shared_bytes(struct slice a, struct slice b)
{
    size_t most = a.size < b.size ? a.size : b.size, shared = 0;

    while (shared < most && a.data[shared] == b.data[shared])
        shared++;
    ASSERT(shared <= most);
    return shared;
}

/* How many entries have a key below key (or_equal: at or below); *equal: one has that very key. */
static unsigned node_place(const struct stage_index_node *n, struct slice key, bool or_equal,
                           bool *equal)
{
    unsigned low = 0, high = n->count;
    uint64_t head;
    int order;

    ASSERT(n->count <= NODE_ENTRIES && n->prefix <= NODE_PREFIX_MAX);
    *equal = false;
    if (!high)
        return 0;
    if (n->prefix) {
        size_t size = key.size < n->prefix ? key.size : n->prefix;

        order = memcmp(key.data, n->prefix_bytes, size);
        if (order < 0 || (order == 0 && size < n->prefix))
            return 0;
        if (order > 0)
            return high;
    }
    head = stage_index_head(key, n->prefix);
    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (n->heads[middle] != head) {
            order = n->heads[middle] < head ? -1 : 1;
        } else {
            order = slice_compare(record_key(n->records[middle]), key);
            if (order == 0) {
                *equal = true;
                return or_equal ? middle + 1 : middle;
            }
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    ASSERT(low <= n->count);
    return low;
}

static unsigned node_rank(const struct stage_index_node *n, struct slice key)
{
    bool equal;

    return node_place(n, key, true, &equal);
}

/* A binary search would wait for its cache lines one after the other. */
static void node_prefetch(const struct stage_index_node *n)
{
    const char *at = (const char *)n, *end = (const char *)&n->heads[NODE_ENTRIES];

    for (; at < end; at += CACHE_LINE_BYTES)
        __builtin_prefetch(at);
}

/* The last entered record with key <= key, or < key. */
static inline struct record *index_walk(const struct stage_index *x, struct slice key,
                                        bool or_equal, bool *equal)
{
    const struct stage_index_node *n = x->root;

    *equal = false;
    while (n) {
        unsigned rank = node_place(n, key, or_equal, equal);

        if (!rank)
            return NULL; /* the least of a child is the least of all that is in it */
        ASSERT(rank <= n->count);
        if (!n->level)
            return n->records[rank - 1];
        n = n->children[rank - 1];
        node_prefetch(n);
    }
    return NULL;
}

struct record *stage_index_find(const struct stage_index *x, struct slice key, bool *equal)
{
    return index_walk(x, key, true, equal);
}

struct record *stage_index_below(const struct stage_index *x, struct slice key)
{
    bool equal;

    return index_walk(x, key, false, &equal);
}

struct record *stage_index_place(const struct stage_index *x, struct slice key, bool *equal,
                                 struct stage_index_path *path)
{
    struct stage_index_node *n = x->root;
    unsigned depth = 0, rank = 0;

    *equal = false;
    path->depth = 0;
    if (!n)
        return NULL;
    for (;; depth++) {
        ASSERT(depth <= STAGE_INDEX_HEIGHT_MAX);
        rank = node_place(n, key, true, equal);
        path->nodes[depth] = n;
        if (!n->level)
            break;
        path->slots[depth] = rank ? rank - 1 : 0; /* below all: it becomes the least */
        n = n->children[path->slots[depth]];
        node_prefetch(n);
    }
    path->slots[depth] = rank;
    path->depth = depth + 1;
    return rank ? n->records[rank - 1] : NULL;
}

void stage_index_place_last(const struct stage_index *x, struct stage_index_path *path)
{
    struct stage_index_node *n = x->root;

    path->depth = 0;
    while (n) {
        ASSERT(path->depth <= STAGE_INDEX_HEIGHT_MAX && n->count);
        path->nodes[path->depth] = n;
        path->slots[path->depth++] = n->level ? n->count - 1u : n->count;
        n = n->level ? n->children[n->count - 1] : NULL;
    }
}

bool stage_index_place_next(const struct stage_index_path *path, struct slice key, bool is_last)
{
    const struct stage_index_node *leaf = path->depth ? path->nodes[path->depth - 1] : NULL;
    unsigned at = leaf ? path->slots[path->depth - 1] : 0;

    if (!leaf)
        return false;
    ASSERT(!leaf->level && at && at <= leaf->count);
    if (at == leaf->count)
        return is_last; /* what follows lies in another leaf */
    return key.size >= leaf->prefix &&
           memcmp(key.data, leaf->prefix_bytes, leaf->prefix) == 0 &&
           stage_index_head(key, leaf->prefix) < leaf->heads[at];
}

struct record *stage_index_last(const struct stage_index *x)
{
    const struct stage_index_node *n = x->root;

    ASSERT(!n || n->count <= NODE_ENTRIES);
    while (n && n->level)
        n = n->children[n->count - 1];
    return n && n->count ? n->records[n->count - 1] : NULL;
}

/* ---- entering ---- */

static struct stage_index_node *node_new(struct arena *arena, unsigned level)
{
    size_t children = level ? NODE_ENTRIES : 0;
    struct stage_index_node *n =
        arena_alloc(arena, sizeof *n + children * sizeof(struct stage_index_node *));

    ASSERT(level < STAGE_INDEX_HEIGHT_MAX + 1);
    if (!n)
        return NULL;
    n->count = 0;
    n->level = (uint16_t)level;
    n->prefix = 0;
    return n;
}

/* What the keys of all entries share: what the first and the last do. */
static uint16_t node_shared(const struct stage_index_node *n)
{
    size_t shared;

    ASSERT(n->count <= NODE_ENTRIES);
    if (n->count < 2)
        return 0; /* nothing is shared with anybody yet */
    shared = shared_bytes(record_key(n->records[0]), record_key(n->records[n->count - 1]));
    return (uint16_t)(shared < NODE_PREFIX_MAX ? shared : NODE_PREFIX_MAX);
}

/* Look at all keys again: the prefix, and the heads behind it. */
static void node_refresh(struct stage_index_node *n)
{
    n->prefix = node_shared(n);
    if (n->prefix)
        memcpy(n->prefix_bytes, record_key(n->records[0]).data, n->prefix);
    for (unsigned i = 0; i < n->count; i++)
        n->heads[i] = stage_index_head(record_key(n->records[i]), n->prefix);
    ASSERT(n->prefix <= NODE_PREFIX_MAX);
}

/* After a split the old prefix still holds; a longer one pays only if it is much longer. */
static void node_tighten(struct stage_index_node *n)
{
    ASSERT(n->count > 0);
    if (n->count < 2 || node_shared(n) >= n->prefix + NODE_PREFIX_WORTH)
        node_refresh(n);
}

static void node_insert(struct stage_index_node *n, unsigned at, struct record *r,
                        struct stage_index_node *child)
{
    unsigned behind = n->count - at;
    bool at_edge = at == 0 || at == n->count;

    ASSERT(n->count < NODE_ENTRIES);
    ASSERT(at <= n->count);
    ASSERT((n->level > 0) == (child != NULL));
    memmove(&n->heads[at + 1], &n->heads[at], behind * sizeof *n->heads);
    memmove(&n->records[at + 1], &n->records[at], behind * sizeof *n->records);
    n->records[at] = r;
    if (n->level) {
        memmove(&n->children[at + 1], &n->children[at], behind * sizeof *n->children);
        n->children[at] = child;
    }
    n->count++;
    /* between two keys their prefix is shared; at an edge it may be less */
    if (at_edge &&
        (n->count <= 2 ||
         shared_bytes(record_key(r), record_key(n->records[at ? 0 : 1])) < n->prefix))
        node_refresh(n);
    else
        n->heads[at] = stage_index_head(record_key(r), n->prefix);
}

/* The least of a child is another one now. */
static void node_set_least(struct stage_index_node *n, unsigned at, struct record *least)
{
    ASSERT(n->level && at < n->count);
    n->records[at] = least;
    if (at == 0 || at + 1u == n->count)
        node_refresh(n); /* at an edge the new key may share less */
    else
        n->heads[at] = stage_index_head(record_key(least), n->prefix);
}

/* Move the upper part of n, which is full, to the fresh node: half of it, or where a run of
 * ascending keys is being entered just the last, so that nodes fill up. */
static void node_split(struct stage_index_node *n, struct stage_index_node *upper,
                       bool ascending)
{
    unsigned keep = ascending ? NODE_ENTRIES - 1 : NODE_ENTRIES / 2;

    ASSERT(n->count == NODE_ENTRIES && upper->count == 0);
    ASSERT(n->level == upper->level);
    upper->count = (uint16_t)(NODE_ENTRIES - keep);
    memcpy(upper->records, &n->records[keep], upper->count * sizeof *n->records);
    memcpy(upper->heads, &n->heads[keep], upper->count * sizeof *n->heads);
    memcpy(upper->prefix_bytes, n->prefix_bytes, n->prefix);
    upper->prefix = n->prefix;
    if (n->level)
        memcpy(upper->children, &n->children[keep], upper->count * sizeof *n->children);
    n->count = (uint16_t)keep;
    node_tighten(n);
    node_tighten(upper);
    ASSERT(n->count + upper->count == NODE_ENTRIES);
}

/* Make the tree one level higher: path[0] was its root. */
static bool index_grow(struct stage_index *x, struct arena *arena,
                       struct stage_index_path *path)
{
    struct stage_index_node *root = node_new(arena, x->root->level + 1u);

    ASSERT(path->nodes[0] == x->root && x->root->count == NODE_ENTRIES);
    if (!root || path->depth == STAGE_INDEX_HEIGHT_MAX)
        return false;
    node_insert(root, 0, x->root->records[0], x->root);
    for (unsigned i = path->depth; i > 0; i--) {
        path->nodes[i] = path->nodes[i - 1];
        path->slots[i] = path->slots[i - 1];
    }
    path->nodes[0] = x->root = root;
    path->slots[0] = 0;
    path->depth++;
    return true;
}

/* Make room in every full node of the path, from the top down; false: no memory. */
static bool path_make_room(struct stage_index *x, struct arena *arena,
                           struct stage_index_path *path, struct slice key)
{
    struct stage_index_node **nodes = path->nodes;
    unsigned *slots = path->slots;

    ASSERT(nodes[0] == x->root && path->depth > 0);
    if (nodes[0]->count == NODE_ENTRIES && !index_grow(x, arena, path))
        return false;
    for (unsigned i = 1; i < path->depth; i++) {
        struct stage_index_node *n = nodes[i], *upper;
        bool ascending;

        if (n->count < NODE_ENTRIES)
            continue;
        upper = node_new(arena, n->level);
        if (!upper)
            return false;
        ascending = slice_compare(record_key(n->records[NODE_ENTRIES - 1]), key) < 0;
        node_split(n, upper, ascending);
        node_insert(nodes[i - 1], slots[i - 1] + 1, upper->records[0], upper);
        if (slice_compare(record_key(upper->records[0]), key) <= 0) {
            nodes[i] = upper;
            slots[i - 1]++;
        }
        slots[i] = node_rank(nodes[i], key);
        slots[i] = nodes[i]->level && slots[i] ? slots[i] - 1 : slots[i];
    }
    return true;
}

static bool path_is_full(const struct stage_index_path *path)
{
    ASSERT(path->depth && path->depth <= STAGE_INDEX_HEIGHT_MAX);
    for (unsigned i = 0; i < path->depth; i++) {
        if (path->nodes[i]->count == NODE_ENTRIES)
            return true;
    }
    return false;
}

/* A new least one, at the path's place, is the least of every node that it is the first of. */
static void path_set_least(const struct stage_index_path *path, struct record *r)
{
    struct slice key = record_key(r);

    for (unsigned i = path->depth - 1; i-- > 0;) {
        struct stage_index_node *n = path->nodes[i];
        unsigned at = path->slots[i];

        if (path->slots[i + 1] != 0 || at >= n->count)
            break;
        if (n->records[at] == r || slice_compare(record_key(n->records[at]), key) <= 0)
            break;
        node_set_least(n, at, r);
    }
    ASSERT(path->depth);
}

bool stage_index_enter(struct stage_index *x, struct arena *arena, struct record *r,
                       struct stage_index_path *path)
{
    struct stage_index_node *leaf;
    unsigned *at;

    if (!x->root) {
        x->root = node_new(arena, 0);
        path->nodes[0] = x->root;
        path->slots[0] = 0;
        path->depth = x->root ? 1 : 0;
        if (!x->root)
            return false;
    }
    ASSERT(path->depth && path->nodes[0] == x->root);
    if (path_is_full(path) && !path_make_room(x, arena, path, record_key(r))) {
        path->depth = 0;
        return false;
    }
    leaf = path->nodes[path->depth - 1];
    at = &path->slots[path->depth - 1];
    ASSERT(!leaf->level && *at <= leaf->count);
    node_insert(leaf, *at, r, NULL);
    if (*at == 0)
        path_set_least(path, r);
    ++*at;
    return true;
}

/* ---- removing ---- */

static void node_remove(struct stage_index_node *n, unsigned at)
{
    unsigned behind = n->count - at - 1u;

    ASSERT(at < n->count);
    memmove(&n->heads[at], &n->heads[at + 1], behind * sizeof *n->heads);
    memmove(&n->records[at], &n->records[at + 1], behind * sizeof *n->records);
    if (n->level)
        memmove(&n->children[at], &n->children[at + 1], behind * sizeof *n->children);
    n->count--; /* what all keys shared, those that are left still do */
}

void stage_index_remove(struct stage_index *x, const struct record *r)
{
    struct stage_index_node *path[STAGE_INDEX_HEIGHT_MAX + 1], *n = x->root;
    unsigned slots[STAGE_INDEX_HEIGHT_MAX + 1], depth = 0;

    ASSERT(!n || n->count <= NODE_ENTRIES);
    for (; n; n = n->level ? n->children[slots[depth++]] : NULL) {
        unsigned rank = node_rank(n, record_key(r));

        if (!rank)
            return; /* it is below everything that is entered */
        path[depth] = n;
        slots[depth] = rank - 1;
        if (!n->level && n->records[rank - 1] != r)
            return; /* there was no memory to enter it */
    }
    ASSERT(!x->root || path[depth]->level == 0);
    if (!x->root)
        return;
    /* Empty nodes leave their parents, so that the least of a child is always its first. */
    for (unsigned i = depth + 1; i-- > 0;) {
        node_remove(path[i], slots[i]);
        if (path[i]->count) {
            depth = i;
            break;
        }
        if (i == 0) {
            x->root = NULL;
            return;
        }
    }
    for (unsigned i = depth; i > 0 && slots[i] == 0; i--)
        node_set_least(path[i - 1], slots[i - 1], path[i]->records[0]);
}

/* ---- building ---- */

/* A leaf whose entries have heads behind what all keys of the store share. Where those tell
 * its keys apart they are as good as those behind a longer prefix, and no record is touched. */
static void leaf_settle(struct stage_index_node *n, size_t shared)
{
    bool distinct = shared <= NODE_PREFIX_MAX;

    ASSERT(n->level == 0 && n->count > 0);
    for (unsigned i = 1; i < n->count && distinct; i++)
        distinct = n->heads[i - 1] < n->heads[i];
    if (!distinct) {
        node_refresh(n);
        return;
    }
    n->prefix = (uint16_t)shared;
    memcpy(n->prefix_bytes, record_key(n->records[0]).data, shared);
}

/* Make nodes of one level; entries become those of the level above. */
static size_t build_level(struct arena *arena, struct stage_index_entry *entries, size_t count,
                          unsigned level, size_t shared)
{
    size_t made = 0;

    ASSERT(count > 0);
    for (size_t at = 0; at < count; made++) {
        struct stage_index_node *n = node_new(arena, level);
        size_t part = count - at < NODE_FILL ? count - at : NODE_FILL;

        if (!n)
            return 0;
        n->count = (uint16_t)part;
        for (unsigned i = 0; i < part; i++, at++) {
            n->records[i] = entries[at].record;
            if (level)
                n->children[i] = entries[at].node;
            else
                n->heads[i] = entries[at].head;
        }
        if (level)
            node_refresh(n);
        else
            leaf_settle(n, shared);
        ASSERT(made < at); /* entries that are used up only */
        entries[made] = (struct stage_index_entry){.node = n, .record = n->records[0]};
    }
    return made;
}

bool stage_index_build(struct stage_index *x, struct arena *arena,
                       struct stage_index_entry *entries, size_t count, size_t shared)
{
    ASSERT(!x->root && count);
    for (unsigned level = 0; level == 0 || count > 1; level++) {
        count = build_level(arena, entries, count, level, shared);
        if (!count)
            return false;
    }
    x->root = entries[0].node;
    return true;
}
