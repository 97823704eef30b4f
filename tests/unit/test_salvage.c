/* Salvage: the records of a tree whose pages have rotted, beside a model. */
#include "server/storage/primary_internal.h"
#include "server/storage/tree_rescue.h"
#include "tests/unit/primary_rig.h"

#include <check.h>

#define MUST(fact) ((fact) ? (void)0 : ck_abort_msg("not so: %s", #fact))

#define KEYS 400u
#define STORE 3u

struct salvage_rig {
    struct rig rig;
    unsigned losses;
    struct tree_loss loss; /* the last one; its slices are gone */
    uint64_t lost;         /* records of leaves */
};

static void on_loss(void *context, const struct tree_loss *loss)
{
    struct salvage_rig *s = context;

    s->losses++;
    s->loss = *loss;
    MUST(loss->store == STORE && loss->offset >= 8192 && loss->why);
    if (!loss->level)
        s->lost += loss->records;
}

/* Several roots, so that replaced pages lie about. */
static void open_with(struct salvage_rig *s, uint64_t seed, bool deletes)
{
    memset(s, 0, sizeof *s);
    rig_init(&s->rig, seed, 1024, 64 << 10);
    ck_assert_int_eq(rig_open(&s->rig), ERR_OK);
    for (unsigned round = 0; round < 6; round++) {
        struct rig_batch batch = {0};

        for (unsigned i = 0; i < (round ? 40 : KEYS); i++) {
            uint64_t key = round ? sim_random(s->rig.sim, KEYS) : i;
            bool is_deleted = deletes && round && sim_chance(s->rig.sim, 20);

            rig_batch_add(&batch, STORE, rig_key_number(&s->rig, key),
                          is_deleted ? SLICE_NONE : rig_noise(&s->rig, round * 1000 + i, 70));
        }
        rig_batch_sort(&batch);
        ck_assert_int_eq(rig_merge_simple(&s->rig, &batch), ERR_OK);
        rig_batch_fini(&batch);
    }
}

/* Read the tree; exact: as the model has it. Else all that the model has, and maybe more, or, with
 * lost leaves, less. */
static void rescue(struct salvage_rig *s, bool exact)
{
    const struct tree_info *info = root_find(primary_root(s->rig.p), STORE);
    const struct rig_model *model = &s->rig.model;
    struct slice key, value, before = SLICE_NONE;
    uint8_t last[PRIMARY_TEST_KEY_BYTES];
    struct tree_rescue t;
    struct os_file *file;
    size_t at = 0;
    enum err e;

    ck_assert_int_eq(os_file_open(s->rig.os, PRIMARY_FILE, OS_READ, &file), ERR_OK);
    tree_rescue_init(&t, s->rig.os, file, info);
    t.lost = on_loss;
    t.context = s;
    while (!(e = tree_rescue_next(&t, &key, &value))) {
        MUST(slice_is_none(before) || slice_compare(before, key) < 0);
        memcpy(last, key.data, key.size);
        before = slice_make(last, key.size);
        while (!exact && at < model->count && slice_compare(model->items[at].key, key) < 0)
            at++; /* it was in a lost leaf */
        if (at < model->count && slice_equal(model->items[at].key, key)) {
            MUST(slice_equal(model->items[at].value, value));
            at++;
        } else {
            MUST(!exact);
        }
    }
    ck_assert_int_eq(e, ERR_END);
    MUST(!exact || (at == model->count && t.count == model->count));
    MUST(t.count + s->lost >= model->count);
    tree_rescue_fini(&t);
    s->rig.os->ops->file_close(file);
}

static void close_all(struct salvage_rig *s)
{
    rig_fini(&s->rig);
}

/* Flip a byte of the page, call, flip it back. */
static void with_rot(struct salvage_rig *s, const struct page_ptr *ptr, bool exact)
{
    uint8_t byte;
    uint64_t at = page_at(ptr) + PAGE_LABEL_BYTES + 5;

    s->losses = 0;
    s->lost = 0;
    MUST(sim_file_read(s->rig.sim, PRIMARY_FILE, at, &byte, 1));
    byte ^= 0x10;
    MUST(sim_file_write(s->rig.sim, PRIMARY_FILE, at, &byte, 1));
    rescue(s, exact);
    byte ^= 0x10;
    MUST(sim_file_write(s->rig.sim, PRIMARY_FILE, at, &byte, 1));
    ck_assert_uint_eq(s->losses, 1);
    ck_assert_uint_eq(s->loss.offset, page_at(ptr));
}

START_TEST(a_whole_tree_is_read_as_it_is)
{
    struct salvage_rig s;

    open_with(&s, 1 + (uint64_t)_i, true);
    rescue(&s, true);
    ck_assert_uint_eq(s.losses, 0);
    close_all(&s);
}
END_TEST

/* Read a branch of the newest root by its pointer. */
static struct page *branch_of(struct salvage_rig *s, const struct page_ptr *ptr, unsigned level)
{
    struct page_scratch scratch = {.bad_copy = 0};
    struct page *page = NULL;
    const char *why;

    MUST(page_read(s->rig.os, s->rig.p->file, ptr, STORE, level, false, &scratch, &page,
                   &why) == ERR_OK);
    page_scratch_fini(s->rig.os, &scratch);
    return page;
}

START_TEST(whatever_branch_is_lost_its_leaves_are_found)
{
    const struct tree_info *info;
    struct salvage_rig s;
    struct page *top;

    open_with(&s, 1 + (uint64_t)_i, false);
    info = root_find(primary_root(s.rig.p), STORE);
    MUST(info->height >= 2);
    with_rot(&s, &info->top, true);
    ck_assert_uint_eq(s.loss.found, s.loss.records);
    top = branch_of(&s, &info->top, info->height - 1);
    for (unsigned i = 0; i < top->count && top->level > 1; i++) {
        with_rot(&s, &top->children[i], true);
        ck_assert_uint_eq(s.loss.found, s.loss.records);
    }
    page_free(s.rig.os, top);
    close_all(&s);
}
END_TEST

/* None is missing, and if one is too many that is told by the numbers. */
START_TEST(a_deleted_record_may_come_back_and_none_goes)
{
    const struct tree_info *info;
    struct salvage_rig s;

    open_with(&s, 1 + (uint64_t)_i, true);
    info = root_find(primary_root(s.rig.p), STORE);
    with_rot(&s, &info->top, false);
    ck_assert_uint_ge(s.loss.found, s.loss.records);
    close_all(&s);
}
END_TEST

START_TEST(a_lost_leaf_takes_its_records_and_no_others)
{
    const struct tree_info *info;
    struct salvage_rig s;
    struct page *top;

    open_with(&s, 1 + (uint64_t)_i, true);
    info = root_find(primary_root(s.rig.p), STORE);
    top = branch_of(&s, &info->top, info->height - 1);
    for (unsigned i = 0; i < top->count && top->level == 1; i++) {
        with_rot(&s, &top->children[i], false);
        ck_assert_uint_eq(s.lost, top->children[i].records);
    }
    page_free(s.rig.os, top);
    close_all(&s);
}
END_TEST

/* Whichever allocation fails: it says so, and all memory comes back (rig_fini). */
START_TEST(rescue_without_memory_leaves_nothing)
{
    const struct tree_info *info;
    struct salvage_rig s;
    uint8_t byte = 0xff;
    unsigned fired = 0;

    open_with(&s, 3, false);
    info = root_find(primary_root(s.rig.p), STORE);
    MUST(sim_file_write(s.rig.sim, PRIMARY_FILE, page_at(&info->top) + PAGE_LABEL_BYTES, &byte,
                        1));
    for (unsigned n = 1; n < 120; n++) {
        struct tree_rescue t;
        struct os_file *file;
        struct slice key, value;
        enum err e;

        ck_assert_int_eq(os_file_open(s.rig.os, PRIMARY_FILE, OS_READ, &file), ERR_OK);
        tree_rescue_init(&t, s.rig.os, file, info);
        t.lost = on_loss;
        t.context = &s;
        sim_fail_alloc_at(s.rig.sim, n);
        while (!(e = tree_rescue_next(&t, &key, &value)))
            ;
        MUST(e == ERR_END || e == ERR_NOMEM);
        fired += e == ERR_NOMEM;
        sim_fail_clear(s.rig.sim);
        tree_rescue_fini(&t);
        s.rig.os->ops->file_close(file);
    }
    ck_assert_uint_gt(fired, 50);
    close_all(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("salvage");
    TCase *c = tcase_create("salvage");
    SRunner *runner;
    int failed;

    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, a_whole_tree_is_read_as_it_is, 0, 5);
    tcase_add_loop_test(c, whatever_branch_is_lost_its_leaves_are_found, 0, 5);
    tcase_add_loop_test(c, a_deleted_record_may_come_back_and_none_goes, 0, 5);
    tcase_add_loop_test(c, a_lost_leaf_takes_its_records_and_no_others, 0, 3);
    tcase_add_test(c, rescue_without_memory_leaves_nothing);
    suite_add_tcase(suite, c);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
