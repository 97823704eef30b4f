/* root.c - roots in memory and the infos of their trees. */
#include "server/storage/root.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"

size_t root_trees(const struct root *r)
{
    ASSERT(r->refs > 0);
    return r->count;
}

size_t root_memory(size_t trees)
{
    return sizeof(struct root) + trees * (sizeof(struct tree_info) + sizeof(struct page *));
}

struct root *root_new(struct os *os, const struct root_facts *facts,
                      const struct tree_info *infos, size_t count,
                      const struct page_ptr *catalogue, uint32_t catalogue_height)
{
    size_t memory = root_memory(count);
    struct root *r = os_alloc(os, memory);
    struct tree_info *copies;

    ASSERT(count < ROOT_CATALOGUE);
    ASSERT(catalogue_height < PAGE_LEVELS_MAX);
    ASSERT(catalogue_height || count == 0);
    if (!r)
        return NULL;
    memset(r, 0, memory);
    copies = (struct tree_info *)(r + 1);
    r->facts = *facts;
    r->refs = 1;
    list_init(&r->in_roots);
    r->count = count;
    r->infos = copies;
    r->tops = (struct page **)(copies + count);
    r->memory = memory;
    r->catalogue_height = catalogue_height;
    if (catalogue_height) {
        r->catalogue = *catalogue;
        r->units = catalogue->units;
    }
    for (size_t i = 0; i < count; i++) {
        ASSERT(i == 0 || infos[i - 1].store < infos[i].store);
        copies[i] = infos[i];
        r->units += infos[i].height ? infos[i].top.units : 0;
        if (infos[i].store >= PRIMARY_STORES_END)
            r->side_count++;
        else
            r->records += infos[i].height ? infos[i].top.records : 0;
    }
    return r;
}

void root_free(struct os *os, struct root *r)
{
    ASSERT(!list_is_linked(&r->in_roots));
    for (size_t i = 0; i < r->count; i++)
        if (r->tops[i])
            r->tops[i]->home = NULL;
    os_free(os, r, r->memory);
}

const struct tree_info *root_find(const struct root *r, uint32_t store)
{
    size_t low = 0, high = r->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (r->infos[middle].store == store)
            return &r->infos[middle];
        if (r->infos[middle].store < store)
            low = middle + 1;
        else
            high = middle;
    }
    ASSERT(low == high);
    return NULL;
}

const struct tree_info *root_find_side(const struct root *r, uint32_t store)
{
    if (!r->side_count || store >= PRIMARY_STORES_END)
        return NULL;
    return root_find(r, store + PRIMARY_STORES_END);
}

size_t tree_info_encode(const struct tree_info *info, uint8_t *to)
{
    ASSERT(info->store != ROOT_CATALOGUE && info->height < PAGE_LEVELS_MAX);
    bytes_put_le64(to, info->counter);
    to[8] = (uint8_t)info->height;
    return 9 + (info->height ? page_ptr_encode(&info->top, to + 9) : 0);
}

bool tree_info_decode(struct tree_info *info, struct slice key, struct slice value)
{
    memset(info, 0, sizeof *info);
    if (key.size != 4 || value.size < 9)
        return false;
    info->store = bytes_get_be32(key.data);
    info->counter = bytes_get_le64(value.data);
    info->height = value.data[8];
    if (info->store == ROOT_CATALOGUE)
        return false;
    if (info->height == 0)
        return value.size == 9;
    return info->height < PAGE_LEVELS_MAX &&
           page_ptr_decode(&info->top, value.data + 9, value.size - 9) == value.size - 9;
}

const struct root_facts *root_facts(const struct root *r)
{
    ASSERT(r->refs > 0);
    return &r->facts;
}

struct root *root_ref(struct root *r)
{
    ASSERT(r->refs > 0);
    r->refs++;
    return r;
}

static void facts_of(const struct tree_info *info, struct tree_facts *out)
{
    ASSERT(info->height < PAGE_LEVELS_MAX);
    memset(out, 0, sizeof *out);
    out->counter = info->counter;
    if (info->height == 0)
        return;
    out->records = info->top.records;
    out->bytes = info->top.bytes;
    out->extent_bytes = info->top.units * PAGE_UNIT_BYTES;
}

bool root_tree_facts(const struct root *r, uint32_t store, struct tree_facts *out)
{
    const struct tree_info *info = root_find(r, store);

    if (!info)
        return false;
    ASSERT(info->store == store);
    facts_of(info, out);
    out->has_side = root_find_side(r, store) != NULL;
    return true;
}

void root_each_tree(const struct root *r,
                    void (*each)(void *context, uint32_t store, const struct tree_facts *facts),
                    void *context)
{
    ASSERT(r->refs > 0);
    for (size_t i = 0; i < r->count; i++) {
        struct tree_facts facts;

        if (r->infos[i].store >= PRIMARY_STORES_END)
            break; /* side trees come last */
        facts_of(&r->infos[i], &facts);
        each(context, r->infos[i].store, &facts);
    }
}
