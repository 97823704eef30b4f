/* test_key_spec.c - the `key` option, and the keys that documents carry. */
#include "server/storage/key.h"

#include "values.h"

#include <check.h>
#include <stdlib.h>

#define SLICE(text) slice_make(text, sizeof(text) - 1)

/* {path: ..., order: "desc"} around a path */
#define DOWN(path)                      \
    "\x82\xa4path" path "\xa5order\xa4" \
    "desc"

START_TEST(spellings_have_one_canonical_form)
{
    static const struct {
        struct slice option;
        struct slice canonical;
    } cases[] = {
/* clang-format off */
#define CASE(option, canonical)                                                    \
    {{(const uint8_t *)(option), sizeof(option) - 1},                              \
     {(const uint8_t *)(canonical), sizeof(canonical) - 1}}
        /* clang-format on */
        CASE("\xc0", "\xc0"),
        CASE("\xa2id", "\xa2id"),
        CASE("\xd9\x02id", "\xa2id"),
        CASE("\x91\xa2id", "\xa2id"),
        CASE("\x91\x91\xa2id", "\xa2id"),
        CASE("\x81\xa4path\xa2id", "\xa2id"),
        CASE("\xa0", "\xa0"),
        CASE("\x82\xa5order\xa3"
             "asc\xa4path\xa2id",
             "\xa2id"),
        CASE("\x92\xa1"
             "a\xa1"
             "b",
             "\x92\xa1"
             "a\xa1"
             "b"),
        CASE("\x91\x92\xa1"
             "a\xa1"
             "b",
             "\x91\x92\xa1"
             "a\xa1"
             "b"),
        CASE("\x81\xa4path\x92\xa1"
             "a\xa1"
             "b",
             "\x91\x92\xa1"
             "a\xa1"
             "b"),
        CASE(DOWN("\xa1"
                  "a"),
             "\x91" DOWN("\xa1"
                         "a")),
        CASE("\x92\xa1"
             "b" DOWN("\x91\xa1"
                      "a"),
             "\x92\xa1"
             "b" DOWN("\xa1"
                      "a")),
        CASE("\x92" DOWN("\x92\xa1x\xa1y") "\x92\xa1p\xa1q",
             "\x92" DOWN("\x92\xa1x\xa1y") "\x92\xa1p\xa1q"),
#undef CASE
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct key_spec spec, again;
        uint8_t to[200];
        const char *why = NULL;

        ck_assert_int_eq(key_spec_read(cases[i].option, &spec, &why), ERR_OK);
        ck_assert_ptr_null(why);
        for (size_t room = 0; room < cases[i].canonical.size; room++) {
            uint8_t *small = malloc(room);

            ck_assert_uint_eq(key_spec_write(&spec, small, room), 0);
            free(small);
        }
        ck_assert_uint_eq(key_spec_write(&spec, to, cases[i].canonical.size),
                          cases[i].canonical.size);
        ck_assert(memcmp(to, cases[i].canonical.data, cases[i].canonical.size) == 0);
        ck_assert_int_eq(key_spec_read(cases[i].canonical, &again, &why), ERR_OK);
        ck_assert_uint_eq(again.part_count, spec.part_count);
        ck_assert_int_eq(again.is_explicit, spec.is_explicit);
    }
}
END_TEST

START_TEST(what_is_no_key_option_is_refused)
{
    static const struct slice bad[] = {
#define BAD(text) {(const uint8_t *)(text), sizeof(text) - 1}
        BAD(""),
        BAD("\x01"),
        BAD("\x90"),
        BAD("\x91\x01"),
        BAD("\x91\xc0"),
        BAD("\x91\x91\x91\xa1"
            "a"),
        BAD("\xa1\xff"),
        BAD("\x80"),
        BAD("\x81\xa5order\xa3"
            "asc"),
        BAD("\x82\xa4path\xa1"
            "a\xa5order\xa2up"),
        BAD("\x82\xa4path\xa1"
            "a\xa5order\x01"),
        BAD("\x82\xa4path\xa1"
            "a\xa4path\xa1"
            "b"),
        BAD("\x82\xa4path\xa1"
            "a\xa6unique\xc3"),
        BAD("\x82\xa4path\xa1"
            "a\x01\xc3"),
        BAD("\xa1"
            "a\xa1"
            "a"),
        BAD("\xa2"
            "a"),
        BAD("\xdc\0\x11\xa1"
            "a\xa1"
            "b\xa1"
            "c\xa1"
            "d\xa1"
            "e\xa1"
            "f\xa1g\xa1h\xa1i\xa1j\xa1k"
            "\xa1l\xa1m\xa1n\xa1o\xa1p\xa1q"),
        BAD("\x91\xdc\0\x11\xa1"
            "a\xa1"
            "b\xa1"
            "c\xa1"
            "d\xa1"
            "e\xa1"
            "f\xa1g\xa1h\xa1i\xa1j"
            "\xa1k\xa1l\xa1m\xa1n\xa1o\xa1p\xa1q"),
#undef BAD
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint8_t *block = exact_copy(bad[i]);
        struct key_spec spec;
        const char *why = NULL;

        ck_assert_msg(key_spec_read(slice_make(block, bad[i].size), &spec, &why) ==
                          ERR_BAD_REQUEST,
                      "bad %zu", i);
        ck_assert_ptr_nonnull(why);
        free(block);
    }
}
END_TEST

/* Damaged options never harm, and what is read can be written and read again. */
START_TEST(random_options_are_read_or_refused)
{
    static const char *const pieces[] = {"\xa1"
                                         "a",
                                         "\x92",
                                         "\x91",
                                         DOWN(""),
                                         "\xa4path",
                                         "\xa5order",
                                         "\xa3"
                                         "asc",
                                         "\x81",
                                         "\x82",
                                         "\xc0"};
    unsigned read = 0;

    for (uint64_t seed = 0; seed < 50000; seed++) {
        struct dice dice = {seed};
        struct buffer made = {NULL, 0, 0};
        struct key_spec spec, again;
        uint8_t to[4096], more[4096];
        uint8_t *block;
        size_t size;

        for (uint64_t n = 1 + dice_below(&dice, 7); n > 0; n--) {
            const char *piece = pieces[dice_below(&dice, sizeof pieces / sizeof *pieces)];

            buffer_put(&made, piece, strlen(piece));
        }
        block = exact_copy(buffer_slice(&made));
        if (!key_spec_read(slice_make(block, made.size), &spec, NULL)) {
            read++;
            size = key_spec_write(&spec, to, sizeof to);
            REQUIRE(size > 0);
            REQUIRE(key_spec_read(slice_make(to, size), &again, NULL) == ERR_OK);
            REQUIRE(key_spec_write(&again, more, sizeof more) == size);
            REQUIRE(memcmp(to, more, size) == 0);
        }
        free(block);
        buffer_fini(&made);
    }
    ck_assert_uint_gt(read, 500);
}
END_TEST

/* -- documents ------------------------------------------------------------ */

static const char *const field_names[] = {"a", "b", "c", "id", ""};

/* A map of some of the names, to depth; maps and arrays inside. */
static void make_document(struct dice *d, unsigned depth, struct buffer *out)
{
    unsigned some = (unsigned)dice_below(d, 32);
    unsigned start = (unsigned)dice_below(d, 5);

    value_put_map_head(d, (uint32_t)__builtin_popcount(some) + 1, out);
    for (unsigned i = start; i < start + 5; i++) {
        if (!(some >> i % 5 & 1))
            continue;
        value_put_text(d, slice_text(field_names[i % 5]), out);
        if (depth > 0 && dice_below(d, 2))
            make_document(d, depth - 1, out);
        else if (dice_below(d, 20) == 0)
            value_make(d, 1, out);
        else
            value_make_key(d, 1, out);
    }
    value_put_uint(d, 0, out); /* a name that is no text is stepped over */
    value_make(d, 1, out);
}

static void make_paths(struct dice *d, struct key_spec *spec)
{
    memset(spec, 0, sizeof *spec);
    spec->part_count = 1 + (unsigned)dice_below(d, 3);
    for (unsigned i = 0; i < spec->part_count; i++) {
        struct key_part *part = &spec->parts[i];

        part->descending = dice_below(d, 2);
        part->step_count = dice_below(d, 3) ? 1 : 1 + (unsigned)dice_below(d, 3);
        for (unsigned s = 0; s < part->step_count; s++)
            part->steps[s] = slice_text(field_names[dice_below(d, 5)]);
    }
}

/* What lies at the path, or NULL. */
static const msgpack_object *model_find(const msgpack_object *o, const struct key_part *part)
{
    for (unsigned s = 0; s < part->step_count && o; s++) {
        const msgpack_object *next = NULL;

        for (uint32_t i = 0; o->type == MSGPACK_OBJECT_MAP && i < o->via.map.size; i++) {
            const msgpack_object *name = &o->via.map.ptr[i].key;

            if (name->type == MSGPACK_OBJECT_STR &&
                slice_equal(slice_make(name->via.str.ptr, name->via.str.size), part->steps[s]))
                next = &o->via.map.ptr[i].val;
        }
        o = next;
    }
    return o;
}

/* What the model says of the document; its key in key if there is one. */
static enum err model_key(const struct key_spec *spec, const msgpack_object *document,
                          uint8_t *key, size_t *size, unsigned *part)
{
    *size = 0;
    for (*part = 0; *part < spec->part_count; ++*part) {
        const msgpack_object *o = model_find(document, &spec->parts[*part]);
        msgpack_sbuffer packed;
        msgpack_packer packer;
        size_t got;
        enum err e;

        if (!o)
            return ERR_NOT_FOUND;
        msgpack_sbuffer_init(&packed);
        msgpack_packer_init(&packer, &packed, msgpack_sbuffer_write);
        msgpack_pack_object(&packer, *o);
        e = key_encode_value(slice_make(packed.data, packed.size),
                             spec->parts[*part].descending, key + *size, KEY_BYTES_MAX - *size,
                             &got);
        msgpack_sbuffer_destroy(&packed);
        REQUIRE(object_is_key(o) == (e != ERR_BAD_KEY));
        if (e)
            return e;
        *size += got;
    }
    return ERR_OK;
}

START_TEST(documents_have_the_keys_that_the_model_finds)
{
    struct buffer made = {NULL, 0, 0};
    unsigned seen[ERR_COUNT] = {0};

    for (uint64_t seed = 0; seed < 15000; seed++) {
        struct dice dice = {seed};
        uint8_t key[KEY_BYTES_MAX], wanted[KEY_BYTES_MAX];
        size_t size = 0, wanted_size, offset = 0;
        unsigned part = 99, wanted_part;
        const char *why = NULL;
        struct key_spec spec;
        msgpack_unpacked u;
        enum err e, wanted_e;
        uint8_t *block;

        buffer_clear(&made);
        make_document(&dice, 3, &made);
        make_paths(&dice, &spec);
        msgpack_unpacked_init(&u);
        msgpack_unpack_next(&u, (const char *)made.data, made.size, &offset);
        wanted_e = model_key(&spec, &u.data, wanted, &wanted_size, &wanted_part);
        block = exact_copy(buffer_slice(&made));
        e = key_of_document(&spec, slice_make(block, made.size), key, &size, &part, &why);
        REQUIRE(e == wanted_e);
        REQUIRE((e == ERR_OK) == (why == NULL));
        if (e)
            REQUIRE(part == wanted_part);
        else
            REQUIRE(slice_equal(slice_make(key, size), slice_make(wanted, wanted_size)));
        seen[e]++;
        free(block);
        msgpack_unpacked_destroy(&u);
    }
    ck_assert_uint_gt(seen[ERR_OK], 1000);
    ck_assert_uint_gt(seen[ERR_NOT_FOUND], 1000);
    ck_assert_uint_gt(seen[ERR_BAD_KEY], 1000);
    buffer_fini(&made);
}
END_TEST

static enum err key_of(const char *path, struct slice document, unsigned *part)
{
    struct key_spec spec;
    uint8_t key[KEY_BYTES_MAX];
    size_t size;

    ck_assert_int_eq(key_spec_read(slice_text(path), &spec, NULL), ERR_OK);
    return key_of_document(&spec, document, key, &size, part, NULL);
}

START_TEST(what_is_missing_is_told_from_what_is_nil)
{
    unsigned part = 9;

    ck_assert_int_eq(key_of("\xa1"
                            "a",
                            SLICE("\x81\xa1"
                                  "a\xc0"),
                            &part),
                     ERR_OK);
    ck_assert_int_eq(key_of("\x92\xa1"
                            "a\xa1"
                            "b",
                            SLICE("\x81\xa1"
                                  "a\x01"),
                            &part),
                     ERR_NOT_FOUND);
    ck_assert_uint_eq(part, 1);
    ck_assert_int_eq(key_of("\xa1"
                            "a",
                            SLICE("\x01"), &part),
                     ERR_NOT_FOUND);
    ck_assert_uint_eq(part, 0);
    ck_assert_int_eq(key_of("\xa1"
                            "a",
                            SLICE("\x91\x01"), &part),
                     ERR_NOT_FOUND);
    ck_assert_int_eq(key_of("\x91\x92\xa1"
                            "a\xa1"
                            "0",
                            SLICE("\x81\xa1"
                                  "a\x91\x01"),
                            &part),
                     ERR_NOT_FOUND);
    ck_assert_int_eq(key_of("\xa1"
                            "a",
                            SLICE("\x81\xa1"
                                  "a\x80"),
                            &part),
                     ERR_BAD_KEY);
}
END_TEST

START_TEST(a_malformed_document_is_a_bad_key)
{
    /* A field that is there twice was never kept; if it were, the first would count. */
    ck_assert_int_eq(key_of("\x92\xa1"
                            "a\xa1"
                            "b",
                            SLICE("\x83\xa1"
                                  "a\x01\xa1"
                                  "a\x02\xa1"
                                  "b\x03"),
                            NULL),
                     ERR_OK);
    ck_assert_int_eq(key_of("\xa1"
                            "a",
                            SLICE(""), NULL),
                     ERR_BAD_KEY);
    ck_assert_int_eq(key_of("\xa1"
                            "a",
                            SLICE("\x81\xa1"
                                  "b"),
                            NULL),
                     ERR_BAD_KEY);
    ck_assert_int_eq(key_of("\xa1"
                            "a",
                            SLICE("\x82\xa1"
                                  "b\xc1\xa1"
                                  "a\x01"),
                            NULL),
                     ERR_BAD_KEY);
    ck_assert_int_eq(key_of("\xa1"
                            "a",
                            SLICE("\x81\xa1"
                                  "a\xa2z"),
                            NULL),
                     ERR_BAD_KEY);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("key_spec");
    TCase *tests = tcase_create("key_spec");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, spellings_have_one_canonical_form);
    tcase_add_test(tests, what_is_no_key_option_is_refused);
    tcase_add_test(tests, random_options_are_read_or_refused);
    tcase_add_test(tests, documents_have_the_keys_that_the_model_finds);
    tcase_add_test(tests, what_is_missing_is_told_from_what_is_nil);
    tcase_add_test(tests, a_malformed_document_is_a_bad_key);
    suite_add_tcase(suite, tests);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
