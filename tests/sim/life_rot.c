/* Pages of the lives that rot: those of one store, and one copy of what all stores depend on. */
#include "server/storage/root.h"
#include "server/txn/catalogue.h"
#include "server/txn/db_struct.h"
#include "tests/sim/life_internal.h"

#include <string.h>

#define PRIMARY_BEGIN 8192u /* behind the slots */

unsigned life_store_of_tree(struct life *l, uint32_t number)
{
    const struct schema *s = l->db ? catalogue_by_number(&l->db->catalogue, number) : NULL;

    if (!s || !s->of)
        return number && number <= MODEL_STORES ? number - 1 : MODEL_STORES;
    return s->of->number <= MODEL_STORES ? s->of->number - 1 : MODEL_STORES;
}

static bool is_of_index(uint32_t tree)
{
    return tree > MODEL_STORES && tree != ROOT_CATALOGUE;
}

/* The place, if what the last rot left there is there still; NULL: it is not. */
static struct life_rotten *rotten_at(struct life *l, uint64_t at, const uint8_t *unit)
{
    for (unsigned i = 0; i < l->rotten_count; i++) {
        if (l->rotten[i].at == at && memcmp(l->rotten[i].left, unit, UNIT_BYTES) == 0)
            return &l->rotten[i];
    }
    return NULL;
}

/* A page of that tree has rotted there: the tree is what its label said when it was sound. */
static void note_rotten(struct life *l, uint64_t at, uint32_t tree)
{
    struct life_rotten *r = NULL;

    for (unsigned i = 0; i < l->rotten_count && !r; i++) /* it, or one that was there before */
        r = l->rotten[i].at == at ? &l->rotten[i] : NULL;
    if (!r) {
        LIFE_CHECK(l, l->rotten_count < LIFE_ROTTEN_MAX, "more pages rot than are known");
        r = &l->rotten[l->rotten_count++];
    }
    *r = (struct life_rotten){.at = at, .tree = tree, .is_of_index = is_of_index(tree)};
    LIFE_CHECK(l, sim_file_read(l->sim, PRIMARY_FILE, at, r->left, sizeof r->left),
               "what has rotted cannot be read");
    l->counts->index_rots += r->is_of_index;
}

/* After a page has rotted: ask at once, if one of an index has. */
static void check_rotten(struct life *l)
{
    bool asks = false;

    for (unsigned i = 0; i < l->rotten_count; i++)
        asks = asks || l->rotten[i].is_of_index;
    if (asks && !l->check.run)
        life_check_online(l);
}

/* Whether a page begins in the bytes of a unit, and of which store. */
static bool unit_begins_page(const uint8_t *unit, uint32_t *store)
{
    struct page_label label;

    if (!page_label_decode(&label, unit))
        return false;
    *store = label.store;
    return true;
}

/* Whether the unit is in another place of the file, too. */
static bool unit_is_twice(struct life *l, const uint8_t *unit, uint64_t at)
{
    uint8_t other[UNIT_BYTES];
    uint64_t size = 0;

    sim_file_size(l->sim, PRIMARY_FILE, &size);
    for (uint64_t there = PRIMARY_BEGIN; there + UNIT_BYTES <= size; there += UNIT_BYTES) {
        if (there != at && sim_file_read(l->sim, PRIMARY_FILE, there, other, sizeof other) &&
            memcmp(unit, other, sizeof other) == 0)
            return true;
    }
    return false;
}

/* May the page that begins here rot, so that no store but the victim suffers? Of what all
 * stores depend on one copy may, in a life: which one is read, and which is of the newest
 * root, cannot be seen from here. What has rotted already may rot on, and is of the tree of
 * which it was when it was sound: its label may say another by now. */
static bool life_may_rot(struct life *l, const uint8_t *unit, uint64_t at, uint32_t *tree)
{
    const struct life_rotten *before = rotten_at(l, at, unit);
    unsigned owner;

    if (!unit_begins_page(unit, tree))
        return false;
    if (before) {
        l->counts->rots_again++;
        *tree = before->tree;
        return true;
    }
    if (*tree == CATALOGUE_STORE || *tree == ROOT_CATALOGUE) {
        if (l->is_copy_rotten || !unit_is_twice(l, unit, at))
            return false;
        l->is_copy_rotten = true;
        l->counts->copies_rotten++;
        return true;
    }
    owner = life_store_of_tree(l, *tree);
    if (owner == MODEL_STORES || (l->victim < MODEL_STORES && owner != l->victim))
        return false;
    l->victim = owner;
    return true;
}

/* Where the newest page of an index is, which is mostly one that the root reaches; 0: none is. */
static uint64_t newest_of_indexes(struct life *l, uint64_t size)
{
    uint64_t found = 0, born = 0;

    for (uint64_t at = PRIMARY_BEGIN; at + UNIT_BYTES <= size; at += UNIT_BYTES) {
        struct page_label label;
        uint8_t unit[UNIT_BYTES];

        if (!sim_file_read(l->sim, PRIMARY_FILE, at, unit, sizeof unit) ||
            !page_label_decode(&label, unit) || label.store <= MODEL_STORES ||
            life_store_of_tree(l, label.store) == MODEL_STORES || label.ptr.birth < born)
            continue;
        born = label.ptr.birth;
        found = at;
    }
    return found;
}

void life_rot(struct life *l)
{
    uint8_t unit[UNIT_BYTES];
    uint64_t size, at, newest;
    uint32_t tree;

    if (!sim_file_size(l->sim, PRIMARY_FILE, &size) || size <= PRIMARY_BEGIN ||
        sim_is_off(l->sim))
        return;
    newest = l->options->indexes ? newest_of_indexes(l, size) : 0;
    for (unsigned tries = 0; tries < 20; tries++) {
        at = PRIMARY_BEGIN +
             sim_random(l->sim, (size - PRIMARY_BEGIN) / UNIT_BYTES) * UNIT_BYTES;
        if (newest && tries % 2 == 0)
            at = newest;
        if (tries == 0 && l->rotten_count && sim_chance(l->sim, 15)) /* it rots on */
            at = l->rotten[sim_random(l->sim, l->rotten_count)].at;
        if (!sim_file_read(l->sim, PRIMARY_FILE, at, unit, sizeof unit) ||
            !life_may_rot(l, unit, at, &tree))
            continue;
        LIFE_CHECK(l, sim_rot(l->sim, PRIMARY_FILE, at, sizeof unit), "nothing can rot");
        l->counts->rots++;
        note_rotten(l, at, tree);
        check_rotten(l);
        return;
    }
}
