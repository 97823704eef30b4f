/* test_key_range.c - ranges: which keys are in them, judged by a model that compares
 * values and knows no bytes. */
#include "server/storage/key.h"

#include "values.h"

#include <check.h>
#include <stdlib.h>

#define KEYS 60
#define PARTS_MAX 3

enum what { GT, GTE, LT, LTE, EQ, PREFIX, STARTS, WHAT_COUNT };

static const char *const names[] = {"gt", "gte", "lt", "lte", "eq", "prefix", "starts"};

struct key {
    struct buffer plain;
    msgpack_unpacked object;
    uint8_t encoded[KEY_BYTES_MAX];
    size_t size;
};

/* A store's keys, and a range under trial. */
struct trial {
    struct dice dice;
    struct key_spec spec;
    struct key keys[KEYS];
    struct buffer range; /* the map that is read */
    bool has[WHAT_COUNT];
    struct buffer bound[WHAT_COUNT];
    msgpack_unpacked object[WHAT_COUNT];
};

/* Few values, so that keys share beginnings, with the awkward ones among them. */
static void make_part(struct dice *d, struct buffer *out)
{
    static const struct {
        const char *bytes;
        size_t size;
    } pool[] = {{"\xc0", 1},
                {"\xc2", 1},
                {"\xc3", 1},
                {"\x00", 1},
                {"\x01", 1},
                {"\x02", 1},
                {"\xff", 1},
                {"\xcb\x3f\xf8\0\0\0\0\0\0", 9},
                {"\xcb\xff\xf0\0\0\0\0\0\0", 9},
                {"\xcb\x7f\xf0\0\0\0\0\0\0", 9},
                {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9},
                {"\xd6\xff\0\0\0\1", 6},
                {"\xa0", 1},
                {"\xa1"
                 "a",
                 2},
                {"\xa2"
                 "ab",
                 3},
                {"\xa3"
                 "abc",
                 4},
                {"\xa1\0", 2},
                {"\xa2"
                 "a\0",
                 3},
                {"\xa3"
                 "a\0b",
                 4},
                {"\xa2"
                 "a\1",
                 3},
                {"\xa1"
                 "b",
                 2},
                {"\xc4\0", 2},
                {"\xc4\1\0", 3},
                {"\xc4\1\xff", 3},
                {"\xc4\2\xff\xff", 4},
                {"\xc4\3\xff\xff\0", 5},
                {"\x90", 1},
                {"\x91\x01", 2},
                {"\x92\x01\x02", 3},
                {"\x91\xa1"
                 "a",
                 3},
                {"\x91\x90", 2}};
    size_t i = dice_below(d, sizeof pool / sizeof *pool);

    buffer_put(out, pool[i].bytes, pool[i].size);
}

/* A key, or with fewer parts the beginning of one, as clients give it. */
static void make_plain(struct trial *t, unsigned parts, struct buffer *out)
{
    buffer_clear(out);
    if (t->spec.part_count > 1)
        value_put_array_head(&t->dice, parts, out);
    for (unsigned i = 0; i < parts; i++)
        make_part(&t->dice, out);
}

static void unpack(const struct buffer *b, msgpack_unpacked *u)
{
    size_t offset = 0;

    msgpack_unpacked_init(u);
    REQUIRE(msgpack_unpack_next(u, (const char *)b->data, b->size, &offset) ==
            MSGPACK_UNPACK_SUCCESS);
}

static void trial_init(struct trial *t, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    t->dice.state = seed;
    t->spec.part_count = 1 + (unsigned)dice_below(&t->dice, PARTS_MAX);
    for (unsigned i = 0; i < t->spec.part_count; i++)
        t->spec.parts[i].descending = dice_below(&t->dice, 2);
    for (size_t i = 0; i < KEYS; i++) {
        struct key *k = &t->keys[i];

        make_plain(t, t->spec.part_count, &k->plain);
        unpack(&k->plain, &k->object);
        REQUIRE(key_encode(&t->spec, buffer_slice(&k->plain), k->encoded, &k->size, NULL) ==
                ERR_OK);
    }
}

static void trial_clear_bounds(struct trial *t)
{
    for (int i = 0; i < WHAT_COUNT; i++) {
        if (t->has[i])
            msgpack_unpacked_destroy(&t->object[i]);
        t->has[i] = false;
    }
}

static void trial_fini(struct trial *t)
{
    trial_clear_bounds(t);
    for (size_t i = 0; i < KEYS; i++) {
        buffer_fini(&t->keys[i].plain);
        msgpack_unpacked_destroy(&t->keys[i].object);
    }
    for (int i = 0; i < WHAT_COUNT; i++)
        buffer_fini(&t->bound[i]);
    buffer_fini(&t->range);
}

/* The parts of a key or bound as the model sees them. */
static const msgpack_object *parts_of(const struct trial *t, const msgpack_object *o,
                                      unsigned *count)
{
    if (t->spec.part_count == 1) {
        *count = 1;
        return o;
    }
    *count = o->via.array.size;
    return o->via.array.ptr;
}

static void add_bound(struct trial *t, enum what what)
{
    unsigned parts = t->spec.part_count;

    if (t->has[what])
        return;
    if (parts > 1)
        parts = (unsigned)dice_below(&t->dice, parts + 1);
    make_plain(t, parts, &t->bound[what]);
    unpack(&t->bound[what], &t->object[what]);
    t->has[what] = true;
}

/* Draw a beginning that `starts` takes: its last part is a text or binary. */
static void add_starts(struct trial *t)
{
    for (;;) {
        const msgpack_object *parts;
        unsigned count;

        add_bound(t, STARTS);
        parts = parts_of(t, &t->object[STARTS].data, &count);
        if (count > 0 && (parts[count - 1].type == MSGPACK_OBJECT_STR ||
                          parts[count - 1].type == MSGPACK_OBJECT_BIN))
            return;
        msgpack_unpacked_destroy(&t->object[STARTS]);
        t->has[STARTS] = false;
    }
}

static void draw_range(struct trial *t)
{
    unsigned count = 0;

    trial_clear_bounds(t);
    switch (dice_below(&t->dice, 6)) {
    case 0: add_bound(t, EQ); break;
    case 1: add_bound(t, PREFIX); break;
    case 2: add_starts(t); break;
    default:
        if (dice_below(&t->dice, 4))
            add_bound(t, dice_below(&t->dice, 2) ? GT : GTE);
        if (dice_below(&t->dice, 4))
            add_bound(t, dice_below(&t->dice, 2) ? LT : LTE);
    }
    for (int i = 0; i < WHAT_COUNT; i++)
        count += t->has[i];
    buffer_clear(&t->range);
    value_put_map_head(&t->dice, count, &t->range);
    for (int i = 0; i < WHAT_COUNT; i++) {
        if (!t->has[i])
            continue;
        value_put_text(&t->dice, slice_text(names[i]), &t->range);
        buffer_put(&t->range, t->bound[i].data, t->bound[i].size);
    }
}

/* Where key is: before (-1), among (0) or after (1) those that begin with the bound. */
static int place(const struct trial *t, const struct key *k, enum what what)
{
    unsigned count, bound_count;
    const msgpack_object *parts = parts_of(t, &k->object.data, &count);
    const msgpack_object *bound = parts_of(t, &t->object[what].data, &bound_count);

    for (unsigned i = 0; i < bound_count; i++) {
        int order = object_key_order(&parts[i], &bound[i]);

        if (order)
            return (order < 0) != t->spec.parts[i].descending ? -1 : 1;
    }
    return 0;
}

static bool begins_so(const msgpack_object *o, const msgpack_object *beginning)
{
    if (o->type != beginning->type)
        return false;
    if (o->type == MSGPACK_OBJECT_STR)
        return slice_starts_with(slice_make(o->via.str.ptr, o->via.str.size),
                                 slice_make(beginning->via.str.ptr, beginning->via.str.size));
    return slice_starts_with(slice_make(o->via.bin.ptr, o->via.bin.size),
                             slice_make(beginning->via.bin.ptr, beginning->via.bin.size));
}

static bool starts_so(const struct trial *t, const struct key *k)
{
    unsigned count, bound_count;
    const msgpack_object *parts = parts_of(t, &k->object.data, &count);
    const msgpack_object *bound = parts_of(t, &t->object[STARTS].data, &bound_count);

    for (unsigned i = 0; i + 1 < bound_count; i++)
        if (object_key_order(&parts[i], &bound[i]))
            return false;
    return begins_so(&parts[bound_count - 1], &bound[bound_count - 1]);
}

/* What PROTOCOL says of a key and the range. */
static bool model_has(const struct trial *t, const struct key *k)
{
    return !(t->has[GT] && place(t, k, GT) <= 0) && !(t->has[GTE] && place(t, k, GTE) < 0) &&
           !(t->has[LT] && place(t, k, LT) >= 0) && !(t->has[LTE] && place(t, k, LTE) > 0) &&
           !(t->has[EQ] && place(t, k, EQ) != 0) &&
           !(t->has[PREFIX] && place(t, k, PREFIX) != 0) &&
           !(t->has[STARTS] && !starts_so(t, k));
}

static bool bounds_have(const struct key_range *r, const struct key *k)
{
    struct slice key = slice_make(k->encoded, k->size);

    return !r->empty && slice_compare(key, slice_make(r->from, r->from_size)) >= 0 &&
           (r->to_size == 0 || slice_compare(key, slice_make(r->to, r->to_size)) < 0);
}

START_TEST(a_range_has_the_keys_that_the_model_says)
{
    struct trial *t = malloc(sizeof *t);
    static struct key_range range;
    unsigned in = 0;
    unsigned empty = 0;

    for (uint64_t seed = 0; seed < 300; seed++) {
        trial_init(t, seed);
        for (int i = 0; i < 60; i++) {
            const char *why = NULL;
            uint8_t *block;
            enum err e;

            draw_range(t);
            block = exact_copy(buffer_slice(&t->range));
            e = key_range_read(&t->spec, slice_make(block, t->range.size), &range, &why);
            free(block);
            if (e)
                ck_abort_msg("seed %lu: %s", (unsigned long)seed, why);
            for (size_t k = 0; k < KEYS; k++) {
                bool has = bounds_have(&range, &t->keys[k]);

                if (has != model_has(t, &t->keys[k]))
                    ck_abort_msg("seed %lu range %d key %zu: %d", (unsigned long)seed, i, k,
                                 has);
                in += has;
            }
            empty += range.empty;
        }
        trial_fini(t);
    }
    ck_assert_uint_gt(in, 10000);
    ck_assert_uint_gt(empty, 500);
    free(t);
}
END_TEST

static enum err read_range(unsigned parts, const char *bytes, size_t size,
                           struct key_range *out)
{
    struct key_spec spec;
    const char *why = NULL;
    enum err e;

    memset(&spec, 0, sizeof spec);
    spec.part_count = parts;
    e = key_range_read(&spec, slice_make(bytes, size), out, &why);
    ck_assert((e == ERR_OK) == (why == NULL));
    return e;
}

#define READ(parts, text) read_range(parts, text, sizeof(text) - 1, &range)

START_TEST(nil_nothing_and_an_empty_map_are_all)
{
    static struct key_range range;

    ck_assert_int_eq(READ(2, ""), ERR_OK);
    ck_assert(range.from_size == 0 && range.to_size == 0 && !range.empty);
    ck_assert_int_eq(READ(2, "\xc0"), ERR_OK);
    ck_assert(range.from_size == 0 && range.to_size == 0 && !range.empty);
    ck_assert_int_eq(READ(1, "\x80"), ERR_OK);
    ck_assert(range.from_size == 0 && range.to_size == 0 && !range.empty);
}
END_TEST

START_TEST(nil_is_a_bound_like_any_other)
{
    static struct key_range range;

    ck_assert_int_eq(READ(1, "\x81\xa2gt\xc0"), ERR_OK);
    ck_assert(range.from_size == 1 && range.from[0] == 0x03 && range.to_size == 0);
}
END_TEST

START_TEST(a_range_that_nothing_can_be_in_says_so)
{
    static struct key_range range;

    ck_assert_int_eq(READ(1, "\x82\xa3gte\x01\xa2lt\x01"), ERR_OK);
    ck_assert(range.empty);
    ck_assert_int_eq(READ(1, "\x82\xa3gte\x01\xa3lte\x01"), ERR_OK);
    ck_assert(!range.empty);
    ck_assert_int_eq(READ(1, "\x82\xa2gt\x02\xa2lt\x01"), ERR_OK);
    ck_assert(range.empty);
    ck_assert_int_eq(READ(2, "\x81\xa2gt\x90"), ERR_OK);
    ck_assert(range.empty);
    ck_assert_int_eq(READ(2, "\x81\xa2lt\x90"), ERR_OK);
    ck_assert(range.empty);
    ck_assert_int_eq(READ(2, "\x81\xa6prefix\x90"), ERR_OK);
    ck_assert(!range.empty);
}
END_TEST

START_TEST(names_that_contradict_or_are_unknown_are_refused)
{
    static struct key_range range;

    ck_assert_int_eq(READ(1, "\x82\xa2gt\x01\xa3gte\x01"), ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x82\xa2lt\x01\xa3lte\x01"), ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x82\xa2"
                             "eq\x01\xa3lte\x01"),
                     ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x82\xa6prefix\x01\xa2gt\x01"), ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x82\xa6starts\xa0\xa2gt\x01"), ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x82\xa6prefix\x01\xa2"
                             "eq\x01"),
                     ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x82\xa2gt\x01\xa2gt\x01"), ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x81\xa3get\x01"), ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x81\x01\x01"), ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x01"), ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x90"), ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x81\xa2gt\x01\x01"), ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x81\xa2gt"), ERR_BAD_REQUEST);
    ck_assert_int_eq(READ(1, "\x81\xa2gt\xc1"), ERR_BAD_REQUEST);
}
END_TEST

START_TEST(bounds_that_cannot_be_keys_are_bad_keys)
{
    static struct key_range range;

    ck_assert_int_eq(READ(1, "\x81\xa2gt\x80"), ERR_BAD_KEY);
    ck_assert_int_eq(READ(2, "\x81\xa2gt\x01"), ERR_BAD_KEY);
    ck_assert_int_eq(READ(2, "\x81\xa2gt\x93\x01\x02\x03"), ERR_BAD_KEY);
    ck_assert_int_eq(READ(2, "\x81\xa6starts\x90"), ERR_BAD_KEY);
    ck_assert_int_eq(READ(2, "\x81\xa6starts\x91\x01"), ERR_BAD_KEY);
    ck_assert_int_eq(READ(1, "\x81\xa6starts\x01"), ERR_BAD_KEY);
    ck_assert_int_eq(READ(1, "\x81\xa6starts\xa1\xff"), ERR_BAD_KEY);
    ck_assert_int_eq(READ(2, "\x82\xa3gte\x90\xa2lt\x91\xcb\x7f\xf8\0\0\0\0\0\0"), ERR_BAD_KEY);
}
END_TEST

START_TEST(a_bound_over_the_size_of_keys_is_too_large)
{
    static struct key_range range;
    static char bytes[6000];

    memcpy(bytes, "\x81\xa2gt\xda\x13\x88", 7);
    memset(bytes + 7, 'x', 5000);
    ck_assert_int_eq(read_range(1, bytes, 5007, &range), ERR_TOO_LARGE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("key_range");
    TCase *tests = tcase_create("key_range");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_range_has_the_keys_that_the_model_says);
    tcase_add_test(tests, nil_nothing_and_an_empty_map_are_all);
    tcase_add_test(tests, nil_is_a_bound_like_any_other);
    tcase_add_test(tests, a_range_that_nothing_can_be_in_says_so);
    tcase_add_test(tests, names_that_contradict_or_are_unknown_are_refused);
    tcase_add_test(tests, bounds_that_cannot_be_keys_are_bad_keys);
    tcase_add_test(tests, a_bound_over_the_size_of_keys_is_too_large);
    suite_add_tcase(suite, tests);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
