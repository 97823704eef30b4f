/* test_page.c - pages as bytes and in memory: golden bytes, search against a plain
 * one, and damage that must be found and never crash. */
#include "server/storage/page.h"

#include "server/base/bytes.h"
#include "server/storage/page_builder.h"
#include "tests/sim/sim_os.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

struct rig {
    struct sim *sim;
    struct os *os;
    struct scratch image, packed, scratch;
};

static void rig_open(struct rig *rig, uint64_t seed)
{
    memset(rig, 0, sizeof *rig);
    rig->sim = sim_new(seed);
    rig->os = sim_table(rig->sim);
}

static void rig_close(struct rig *rig)
{
    scratch_fini(rig->os, &rig->image);
    scratch_fini(rig->os, &rig->packed);
    scratch_fini(rig->os, &rig->scratch);
    ck_assert_uint_eq(sim_alloc_outstanding(rig->sim), 0);
    sim_free(rig->sim);
}

static struct page_cell leaf_cell(const char *key, const char *value)
{
    return (struct page_cell){.key = slice_text(key), .value = slice_text(value)};
}

/* The pointer that fits an image as it is stored raw. */
static struct page_ptr raw_ptr(const uint8_t *image, size_t size, uint64_t records,
                               uint64_t bytes)
{
    struct page_ptr ptr = {.offset = 100,
                           .birth = 7,
                           .records = records,
                           .bytes = bytes,
                           .units = page_units((uint32_t)size),
                           .packed = (uint32_t)size,
                           .image = (uint32_t)size};

    ptr.checksum = page_checksum(&ptr, image);
    return ptr;
}

/* page_unpack of bytes that have their label in front. */
static enum err unpack(struct rig *rig, const struct page_ptr *ptr, uint32_t store,
                       unsigned level, const uint8_t *packed, struct page **out,
                       const char **why)
{
    uint8_t *extent = malloc(PAGE_LABEL_BYTES + ptr->packed);
    enum err e;

    page_label_encode(ptr, store, level, extent);
    memcpy(extent + PAGE_LABEL_BYTES, packed, ptr->packed);
    e = page_unpack(rig->os, ptr, store, level, extent, &rig->scratch, out, why);
    free(extent);
    return e;
}

START_TEST(a_leaf_has_the_bytes_of_the_table_in_formats)
{
    /* clang-format off */
    static const uint8_t golden[] = {
        1, 0, 0, 0,                       /* leaf, level 0 */
        0x78, 0x56, 0x34, 0x12,           /* store */
        3, 0, 0, 0,                       /* records */
        9, 0, 0, 0,                       /* bytes of keys */
        0, 2, 3, 'a', 'b', 'o', 'n', 'e', /* "ab" */
        2, 1, 0, 'c',                     /* "abc", an empty value */
        1, 3, 1, 'x', 'y', 'z', '3',      /* "axyz" */
    };
    /* clang-format on */
    struct page_cell cells[] = {leaf_cell("ab", "one"), leaf_cell("abc", ""),
                                leaf_cell("axyz", "3")};
    struct rig rig;
    struct page *page;
    struct page_ptr ptr;
    const char *why;
    size_t size;

    rig_open(&rig, 1);
    ck_assert_int_eq(page_encode(rig.os, 0x12345678, 0, cells, 3, &rig.image, &size), ERR_OK);
    ck_assert_uint_eq(size, sizeof golden);
    ck_assert_int_eq(memcmp(rig.image.data, golden, size), 0);
    ptr = raw_ptr(golden, size, 3, 13);
    ck_assert_int_eq(unpack(&rig, &ptr, 0x12345678, 0, golden, &page, &why), ERR_OK);
    ck_assert(slice_equal(page_key(page, 2), slice_text("axyz")));
    ck_assert(slice_equal(page_value(page, 0), slice_text("one")));
    ck_assert(slice_equal(page_value(page, 1), slice_text("")));
    ck_assert_ptr_nonnull(page_value(page, 1).data);
    ck_assert_uint_eq(page->common, 1);
    page_free(rig.os, page);
    rig_close(&rig);
}
END_TEST

START_TEST(a_branch_has_the_bytes_of_the_table_in_formats)
{
    /* clang-format off */
    static const uint8_t golden[] = {
        2, 1, 0, 0, 5, 0, 0, 0, /* branch, level 1, store 5 */
        2, 0, 0, 0, 1, 0, 0, 0, /* 2 children, 1 byte of keys */
        0, 0,                   /* the first has no separator */
        8, 7, 6, 5, 4, 3, 2, 1, /* checksum */
        16, 3, 0xd0, 0x0f,      /* offset, birth, 2 * packed */
        0x80, 0x20, 64,         /* image, records */
        0x88, 0x27, 3,          /* bytes, units */
        0, 1, 'm',
        1, 0, 0, 0, 0, 0, 0, 0,
        18, 3, 35, 17, 1, 1, 2, /* 2 * packed + 1: it has a copy */
        0xac, 2,                /* at 300 */
    };
    /* clang-format on */
    struct page_ptr ptrs[2] = {{16, 0, 3, 0x0102030405060708, 64, 5000, 3, 1000, 4096},
                               {18, 300, 3, 1, 1, 1, 2, 17, 17}};
    struct page_cell cells[2] = {{slice_text("ignored"), SLICE_NONE, &ptrs[0]},
                                 {slice_text("m"), SLICE_NONE, &ptrs[1]}};
    struct rig rig;
    struct page *page;
    struct page_ptr ptr;
    const char *why;
    size_t size;

    rig_open(&rig, 1);
    ck_assert_int_eq(page_encode(rig.os, 5, 1, cells, 2, &rig.image, &size), ERR_OK);
    ck_assert_uint_eq(size, sizeof golden);
    ck_assert_int_eq(memcmp(rig.image.data, golden, size), 0);
    ptr = raw_ptr(golden, size, 65, 5001);
    ptr.units = 6;
    ck_assert_int_eq(unpack(&rig, &ptr, 5, 1, golden, &page, &why), ERR_OK);
    ck_assert_uint_eq(page_find_child(page, slice_text("a")), 0);
    ck_assert_uint_eq(page_find_child(page, slice_text("m")), 1);
    ck_assert_uint_eq(page_find_child(page, slice_text("lzz")), 0);
    ck_assert_int_eq(memcmp(&page->children[0], &ptrs[0], sizeof ptrs[0]), 0);
    page_free(rig.os, page);
    rig_close(&rig);
}
END_TEST

START_TEST(a_label_has_the_bytes_of_the_table_in_formats)
{
    /* clang-format off */
    static const uint8_t golden[PAGE_LABEL_BYTES] = {
        'H', 'F', 'P', 'G', 5, 0, 0, 0,     /* magic, store */
        0xe8, 3, 0, 0, 0, 0x10, 0, 0,       /* packed, image */
        16, 0, 0, 0, 1, 1, 0, 0,            /* offset, level, format */
        3, 0, 0, 0, 0, 0, 0, 0,             /* birth */
        8, 7, 6, 5, 4, 3, 2, 1,             /* checksum */
    };
    /* clang-format on */
    struct page_ptr ptr = {16, 0, 3, 0x0102030405060708, 64, 5000, 3, 1000, 4096};
    struct page_label label;
    uint8_t bytes[PAGE_LABEL_BYTES];

    page_label_encode(&ptr, 5, 1, bytes);
    ck_assert_int_eq(memcmp(bytes, golden, sizeof golden), 0);
    ck_assert(page_label_decode(&label, golden));
    ck_assert_uint_eq(label.store, 5);
    ck_assert_uint_eq(label.level, 1);
    ptr.records = ptr.bytes = ptr.units = 0;
    ck_assert_int_eq(memcmp(&label.ptr, &ptr, sizeof ptr), 0);
    for (unsigned at = 0; at < 4; at++) {
        bytes[at] ^= 1;
        ck_assert(!page_label_decode(&label, bytes));
        bytes[at] ^= 1;
    }
    bytes[21] = 2; /* another format */
    ck_assert(!page_label_decode(&label, bytes));
}
END_TEST

/* Keys that are hard to order: zeros, 0xff, beginnings of each other. */
static size_t hard_key(struct sim *sim, uint8_t *to)
{
    static const uint8_t letters[] = {0x00, 0x00, 0x01, 0x7f, 0x80, 0xff, 0xff};
    size_t common = sim_random(sim, 3) * 9;
    size_t size = common + sim_random(sim, sim_chance(sim, 10) ? 300 : 9);

    memset(to, 'c', common);
    for (size_t i = common; i < size; i++)
        to[i] = letters[sim_random(sim, sizeof letters)];
    return size;
}

static int cell_compare(const void *a, const void *b)
{
    const struct page_cell *x = a, *y = b;

    return slice_compare(x->key, y->key);
}

#define CELLS 300
#define KEY_ROOM 400

struct cells {
    struct page_cell items[CELLS];
    struct page_ptr ptrs[CELLS];
    uint8_t keys[CELLS][KEY_ROOM];
    unsigned count;
    uint64_t bytes; /* of keys and values */
};

static void cells_make(struct sim *sim, struct cells *cells, bool leaf)
{
    unsigned count = 1 + (unsigned)sim_random(sim, CELLS - 1);
    static const uint8_t values[600];

    for (unsigned i = 0; i < count; i++) {
        size_t size = hard_key(sim, cells->keys[i]);

        cells->items[i] = (struct page_cell){.key = slice_make(cells->keys[i], size)};
        if (leaf)
            cells->items[i].value = slice_make(values, sim_random(sim, 600));
    }
    qsort(cells->items, count, sizeof cells->items[0], cell_compare);
    cells->count = 0;
    cells->bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        struct page_cell *cell = &cells->items[cells->count];

        if (cells->count && cell_compare(cell - 1, &cells->items[i]) == 0)
            continue;
        if (!leaf && cells->count && cells->items[i].key.size == 0)
            continue;
        *cell = cells->items[i];
        cells->ptrs[cells->count] = (struct page_ptr){(uint32_t)sim_random(sim, 1u << 20),
                                                      0,
                                                      sim_random(sim, 1u << 30),
                                                      sim_random(sim, UINT64_MAX),
                                                      1,
                                                      sim_random(sim, 1u << 30),
                                                      1,
                                                      100,
                                                      200};
        cell->ptr = leaf ? NULL : &cells->ptrs[cells->count];
        cells->bytes += leaf ? cell->key.size + cell->value.size : cell->ptr->bytes;
        cells->count++;
    }
}

/* Encode, pack, unpack: the page that comes back. */
static struct page *round_trip(struct rig *rig, const struct cells *cells, bool leaf,
                               struct page_ptr *ptr, const uint8_t **packed)
{
    struct page *page;
    const char *why;
    size_t size;
    enum err e;

    ck_assert_int_eq(
        page_encode(rig->os, 9, leaf ? 0 : 3, cells->items, cells->count, &rig->image, &size),
        ERR_OK);
    *ptr = (struct page_ptr){
        .offset = 33, .birth = 44, .records = cells->count, .bytes = cells->bytes};
    ck_assert_int_eq(page_pack(rig->os, rig->image.data, size, &rig->packed, ptr, packed),
                     ERR_OK);
    ptr->units = page_units(ptr->packed) + (leaf ? 0 : cells->count);
    ptr->checksum = page_checksum(ptr, *packed);
    e = unpack(rig, ptr, 9, leaf ? 0 : 3, *packed, &page, &why);
    ck_assert_msg(e == ERR_OK, "%s", why);
    return page;
}

START_TEST(pages_come_back_and_are_searched_as_plain_arrays)
{
    struct cells *cells = malloc(sizeof *cells);
    struct rig rig;

    rig_open(&rig, (uint64_t)_i);
    for (unsigned round = 0; round < 50; round++) {
        bool leaf = round % 2 == 0;
        const uint8_t *packed;
        struct page_ptr ptr;
        struct page *page;

        cells_make(rig.sim, cells, leaf);
        page = round_trip(&rig, cells, leaf, &ptr, &packed);
        ck_assert_uint_eq(page->count, cells->count);
        for (unsigned i = 0; i < page->count; i++) {
            ck_assert(slice_equal(page_key(page, i),
                                  leaf || i ? cells->items[i].key : slice_make("", 0)));
            if (leaf)
                ck_assert(slice_equal(page_value(page, i), cells->items[i].value));
            else
                ck_assert_int_eq(memcmp(&page->children[i], &cells->ptrs[i], sizeof ptr), 0);
        }
        for (unsigned probe = 0; probe < 300; probe++) {
            uint8_t bytes[KEY_ROOM];
            struct slice key = slice_make(bytes, hard_key(rig.sim, bytes));
            unsigned below = 0, at = 0;
            bool equal, there;

            for (unsigned i = leaf ? 0 : 1; i < cells->count; i++)
                below += slice_compare(cells->items[i].key, key) < 0;
            there = below + !leaf < cells->count &&
                    slice_equal(cells->items[below + !leaf].key, key);
            if (leaf) {
                ck_assert_uint_eq(page_find(page, key, &equal), below);
                ck_assert_int_eq(equal, there);
                ck_assert_int_eq(page_find_equal(page, key, &at), there);
                if (there)
                    ck_assert_uint_eq(at, below);
            } else {
                ck_assert_uint_eq(page_find_child(page, key), below + there);
            }
        }
        page_free(rig.os, page);
    }
    rig_close(&rig);
    free(cells);
}
END_TEST

/* The checksum finds every flipped bit; and where it is made to fit, taking the page apart
 * finds nonsense without touching what is not its own (run under asan). */
START_TEST(damage_is_found_and_never_crashes)
{
    struct cells *cells = malloc(sizeof *cells);
    struct rig rig;

    rig_open(&rig, 50 + (uint64_t)_i);
    for (unsigned round = 0; round < 20; round++) {
        bool leaf = round % 2 == 0;
        const uint8_t *packed;
        struct page_ptr ptr;
        struct page *page;
        uint8_t *copy;
        const char *why;

        cells_make(rig.sim, cells, leaf);
        page_free(rig.os, round_trip(&rig, cells, leaf, &ptr, &packed));
        copy = malloc(ptr.packed);
        for (unsigned hit = 0; hit < 200; hit++) {
            enum err e;

            memcpy(copy, packed, ptr.packed);
            copy[sim_random(rig.sim, ptr.packed)] ^= (uint8_t)(1u << sim_random(rig.sim, 8));
            ck_assert_int_eq(unpack(&rig, &ptr, 9, leaf ? 0 : 3, copy, &page, &why),
                             ERR_CORRUPT);
            ptr.checksum = page_checksum(&ptr, copy);
            e = unpack(&rig, &ptr, 9, leaf ? 0 : 3, copy, &page, &why);
            ck_assert(e == ERR_OK || e == ERR_CORRUPT);
            if (!e)
                page_free(rig.os, page);
            ptr.checksum = page_checksum(&ptr, packed);
        }
        free(copy);
    }
    rig_close(&rig);
    free(cells);
}
END_TEST

START_TEST(a_page_of_another_place_is_refused)
{
    struct cells *cells = malloc(sizeof *cells);
    const uint8_t *packed;
    struct page_ptr ptr, moved;
    struct page *page;
    struct rig rig;
    const char *why;

    rig_open(&rig, 3);
    cells_make(rig.sim, cells, true);
    page_free(rig.os, round_trip(&rig, cells, true, &ptr, &packed));
    moved = ptr;
    moved.offset++; /* misdirected */
    ck_assert_int_eq(unpack(&rig, &moved, 9, 0, packed, &page, &why), ERR_CORRUPT);
    moved = ptr;
    moved.birth--; /* a former tenant */
    ck_assert_int_eq(unpack(&rig, &moved, 9, 0, packed, &page, &why), ERR_CORRUPT);
    ck_assert_int_eq(unpack(&rig, &ptr, 8, 0, packed, &page, &why), ERR_CORRUPT);
    ck_assert_int_eq(unpack(&rig, &ptr, 9, 1, packed, &page, &why), ERR_CORRUPT);
    rig_close(&rig);
    free(cells);
}
END_TEST

START_TEST(pointers_come_back_and_short_ones_are_refused)
{
    struct sim *sim = sim_new((uint64_t)_i);

    for (unsigned round = 0; round < 1000; round++) {
        struct page_ptr ptr = {(uint32_t)sim_random(sim, UINT32_MAX),
                               round % 2 ? 1 + (uint32_t)sim_random(sim, UINT32_MAX - 1) : 0,
                               sim_random(sim, UINT64_MAX),
                               sim_random(sim, UINT64_MAX),
                               1 + sim_random(sim, UINT64_MAX - 1),
                               sim_random(sim, UINT64_MAX),
                               (1u << 20) + sim_random(sim, 1u << 30),
                               (uint32_t)(17 + sim_random(sim, 1000)),
                               0};
        struct page_ptr back;
        uint8_t bytes[PAGE_PTR_BYTES_MAX];
        size_t size;

        ptr.image = ptr.packed + (uint32_t)sim_random(sim, 100000);
        size = page_ptr_encode(&ptr, bytes);
        ck_assert_uint_le(size, PAGE_PTR_BYTES_MAX);
        ck_assert_uint_eq(page_ptr_decode(&back, bytes, size), size);
        ck_assert_int_eq(memcmp(&ptr, &back, sizeof ptr), 0);
        for (size_t cut = 0; cut < size; cut++)
            ck_assert_uint_eq(page_ptr_decode(&back, bytes, cut), 0);
    }
    sim_free(sim);
}
END_TEST

/* However long the separators, a branch has enough children for trees to get narrower. */
START_TEST(a_branch_has_several_children_even_with_the_longest_keys)
{
    struct sim *sim = sim_new((uint64_t)_i);
    struct page_ptr ptr = {0};
    struct page_builder b;
    uint8_t key[4096] = {0};

    builder_init(&b, sim_table(sim), 1, 4096);
    for (unsigned total = BUILDER_CHILDREN_MIN; total < 200; total++) {
        unsigned made = 0, count;

        builder_reset(&b);
        for (unsigned i = 0; i < total; i++) {
            struct slice separator = slice_make(key, 2 + sim_random(sim, sizeof key - 2));

            key[0] = (uint8_t)(i >> 8);
            key[1] = (uint8_t)i;
            ck_assert_int_eq(builder_add(&b, separator, slice_make(&ptr, sizeof ptr)), ERR_OK);
            while ((count = builder_ripe(&b, i + 1 == total))) {
                ck_assert_uint_ge(count, BUILDER_CHILDREN_MIN);
                ck_assert_int_eq(builder_drop(&b, count), ERR_OK);
                made++;
            }
        }
        ck_assert_uint_eq(b.count, 0);
        ck_assert_uint_le(made, total / BUILDER_CHILDREN_MIN);
    }
    builder_fini(&b);
    ck_assert_uint_eq(sim_alloc_outstanding(sim), 0);
    sim_free(sim);
}
END_TEST

/* Leaves of a long stream, packed to some share of what they weigh: they fill their units. */
START_TEST(leaves_of_a_stream_fill_the_units_of_their_extents)
{
    struct sim *sim = sim_new((uint64_t)_i);
    uint64_t percent = 30 + sim_random(sim, 71), wasted = 0, written = 0;
    struct page_builder b;
    uint8_t key[4] = {0}, value[200] = {0};
    unsigned count;

    builder_init(&b, sim_table(sim), 0, 8192);
    ck_assert_int_eq(builder_begin(&b, slice_make(key, 1)), ERR_OK);
    for (uint32_t i = 0; i < 30000; i++) {
        bytes_put_be32(key, i);
        ck_assert_int_eq(builder_add(&b, slice_make(key, sizeof key),
                                     slice_make(value, 20 + sim_random(sim, 180))),
                         ERR_OK);
        while ((count = builder_ripe(&b, false))) {
            uint64_t weight = b.ripe_weight;
            uint64_t packed = weight * (percent * 10 - 5 + sim_random(sim, 11)) / 1000;

            ck_assert_uint_gt(weight, 8192 * 7 / 10);
            ck_assert_uint_le(weight, 8192 * 95 / 100);
            builder_note_packed(&b, (uint32_t)packed);
            ck_assert_int_eq(builder_drop(&b, count), ERR_OK);
            written += page_units((uint32_t)packed);
            wasted += (uint64_t)page_units((uint32_t)packed) * PAGE_UNIT_BYTES - packed;
        }
    }
    ck_assert_uint_gt(written, 1000);
    ck_assert_uint_lt(wasted * 20, written * PAGE_UNIT_BYTES); /* 5 %, the label included */
    builder_fini(&b);
    ck_assert_uint_eq(sim_alloc_outstanding(sim), 0);
    sim_free(sim);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("page");
    TCase *tc = tcase_create("page");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_leaf_has_the_bytes_of_the_table_in_formats);
    tcase_add_test(tc, a_branch_has_the_bytes_of_the_table_in_formats);
    tcase_add_test(tc, a_label_has_the_bytes_of_the_table_in_formats);
    tcase_add_loop_test(tc, pages_come_back_and_are_searched_as_plain_arrays, 0, 6);
    tcase_add_loop_test(tc, damage_is_found_and_never_crashes, 0, 4);
    tcase_add_test(tc, a_page_of_another_place_is_refused);
    tcase_add_loop_test(tc, pointers_come_back_and_short_ones_are_refused, 0, 2);
    tcase_add_loop_test(tc, a_branch_has_several_children_even_with_the_longest_keys, 0, 20);
    tcase_add_loop_test(tc, leaves_of_a_stream_fill_the_units_of_their_extents, 0, 40);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
