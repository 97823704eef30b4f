/* test_text.c - texts for people: whatever a client chose, what is kept and shown of it is
 * UTF-8, whole, and does nothing to what shows it. */
#include "proto/msgpack.h"
#include "server/base/failure.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_BYTES 400

static uint64_t random_state;

static uint64_t chance(uint64_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % below;
}

static size_t put_character(uint8_t *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (uint8_t)(0xc0 | c >> 6);
        to[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (uint8_t)(0xe0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | c >> 18);
    to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    to[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* Characters of every kind, many of them active. */
static struct slice some_text(uint8_t *to)
{
    static const uint32_t edges[] = {0,      1,      0x1b,   0x7f,   0x80,    0x9b,    0x9f,
                                     0xa0,   0x7ff,  0x800,  0x2028, 0x202e,  0x2066,  0xd7ff,
                                     0xe000, 0xfeff, 0xffff, 0x10000, 0x10ffff, 'a',   '"'};
    size_t size = 0, wanted = chance(TEXT_BYTES - 4);

    while (size < wanted) {
        uint32_t c = chance(2) ? edges[chance(sizeof edges / sizeof edges[0])]
                               : 0x20 + (uint32_t)chance(0x60);

        size += put_character(to + size, c);
    }
    return slice_make(to, size);
}

/* No character that acts, read with as little as possible of what is tested. */
static bool is_harmless(struct slice s)
{
    for (size_t i = 0; i < s.size; i++) {
        uint8_t a = s.data[i], b = i + 1 < s.size ? s.data[i + 1] : 0,
                c = i + 2 < s.size ? s.data[i + 2] : 0;

        if (a < 0x20 || a == 0x7f || (a == 0xc2 && b < 0xa0))
            return false;
        if (a == 0xe2 && ((b == 0x80 && c >= 0xa8 && c <= 0xae) || (b == 0x81 && c >= 0xa0)))
            return false;
        if (a == 0xef && b == 0xbb && c == 0xbf)
            return false;
    }
    return true;
}

START_TEST(texts_are_cut_between_characters)
{
    struct slice text = slice_text("a\xc3\xa9\xf0\x9f\x98\x80z");
    static const size_t sizes[] = {0, 1, 1, 3, 3, 3, 3, 7, 8, 8};

    for (size_t max = 0; max < sizeof sizes / sizeof sizes[0]; max++)
        ck_assert_uint_eq(text_cut(text, max).size, sizes[max]);
}
END_TEST

START_TEST(what_is_kept_is_the_beginning_of_the_text_in_whole_characters)
{
    uint8_t bytes[TEXT_BYTES];

    random_state = (uint64_t)_i;
    for (unsigned n = 0; n < 1000; n++) {
        struct slice text = some_text(bytes);
        struct text_label label;
        struct text_name name;
        struct slice kept;

        text_label_set(&label, text);
        text_name_set(&name, text);
        kept = text_label_of(&label);
        ck_assert(slice_starts_with(text, kept));
        ck_assert(msgpack_text_is_utf8(kept));
        ck_assert(kept.size == text.size || kept.size + 4 > TEXT_LABEL_BYTES_MAX);
        kept = text_name_of(&name);
        ck_assert(slice_starts_with(text, kept));
        ck_assert(msgpack_text_is_utf8(kept));
        ck_assert(kept.size == text.size || kept.size + 4 > TEXT_NAME_BYTES_MAX);
    }
}
END_TEST

START_TEST(what_is_shown_is_harmless_utf8_and_says_where_it_was_cut)
{
    uint8_t bytes[TEXT_BYTES];
    char shown[4 * TEXT_BYTES];

    random_state = (uint64_t)_i;
    for (unsigned n = 0; n < 1000; n++) {
        struct slice text = some_text(bytes);
        size_t room = 4 + chance(200), size;

        if (chance(4) == 0 && text.size)
            bytes[chance(text.size)] = (uint8_t)chance(256); /* not UTF-8, mostly */
        text_escape(text, shown, room);
        size = strlen(shown);
        ck_assert_uint_lt(size, room);
        ck_assert(msgpack_text_is_utf8(slice_text(shown)));
        ck_assert(is_harmless(slice_text(shown)));
        if (text_is_plain(text) && text.size < room)
            ck_assert(slice_equal(slice_text(shown), text));
        if (size < text.size)
            ck_assert(size >= 3 && strcmp(shown + size - 3, "...") == 0);
    }
}
END_TEST

START_TEST(escapes_are_as_described)
{
    char shown[200];

    text_escape(slice_make("a\0\x1b\x7f\xc2\x9b\xe2\x80\xae\xff\xc3\xa9", 12), shown, sizeof shown);
    ck_assert_str_eq(shown, "a\\x00\\x1b\\x7f\\u{9b}\\u{202e}\\xff\xc3\xa9");
    ck_assert_str_eq(text_escape(slice_text("abcdefgh"), shown, 7), "abc...");
    ck_assert_str_eq(text_escape(slice_text("abcdefgh"), shown, 9), "abcdefgh");
    ck_assert(text_is_plain(slice_text("caf\xc3\xa9 \xe2\x82\xac")));
    ck_assert(!text_is_plain(slice_make("\0", 1)));
}
END_TEST

/* Whatever stands in it, and wherever it is cut: a message is UTF-8 and terminated. */
START_TEST(a_message_is_utf8)
{
    uint8_t bytes[TEXT_BYTES + 1];

    random_state = (uint64_t)_i;
    for (unsigned n = 0; n < 1000; n++) {
        struct slice text = some_text(bytes);
        struct failure f;

        bytes[text.size] = '\0';
        failure_init(&f);
        failure_set(&f, ERR_IO, "%s: %s", text_show(text), bytes);
        ck_assert(msgpack_text_is_utf8(slice_text(f.text)));
        ck_assert_uint_lt(strlen(f.text), sizeof f.text);
        failure_reset(&f);
    }
}
END_TEST

START_TEST(details_belong_to_the_error_that_is_set)
{
    struct failure f, copy;

    failure_init(&f);
    failure_set_store(&f, ERR_EXISTS, slice_text("early"));
    ck_assert_uint_eq(f.store.size, 0);
    failure_set(&f, ERR_EXISTS, "there");
    failure_set_store(&f, ERR_BAD_KEY, slice_text("other"));
    ck_assert_uint_eq(f.store.size, 0);
    failure_set_store(&f, ERR_EXISTS, slice_make("a\0b", 3));
    failure_set_key(&f, ERR_EXISTS, slice_text("\xa1k"));
    failure_set_near(&f, ERR_EXISTS, slice_text("near"));
    ck_assert_int_eq(failure_set_limit(&f, "key-size", 1, 2, "ignored"), ERR_TOO_LARGE);
    ck_assert_ptr_null(f.limit);
    failure_init(&copy);
    failure_copy(&copy, &f);
    failure_copy(&copy, &f);
    failure_reset(&f);
    ck_assert(slice_equal(text_name_of(&copy.store), slice_make("a\0b", 3)));
    ck_assert(slice_equal(copy.key, slice_text("\xa1k")));
    ck_assert(slice_equal(copy.near, slice_text("near")));
    failure_reset(&copy);
    ck_assert_int_eq(failure_set_limit(&copy, "key-size", 4096, 5000, "too long"),
                     ERR_TOO_LARGE);
    ck_assert_str_eq(copy.limit, "key-size");
    ck_assert_uint_eq(copy.limit_max, 4096);
    ck_assert_uint_eq(copy.limit_size, 5000);
    failure_reset(&copy);
}
END_TEST

START_TEST(the_distance_of_names_counts_edits)
{
    ck_assert_uint_eq(text_distance(slice_text("users"), slice_text("users")), 0);
    ck_assert_uint_eq(text_distance(slice_text("usres"), slice_text("users")), 2);
    ck_assert_uint_eq(text_distance(slice_text(""), slice_text("abc")), 3);
    ck_assert_uint_eq(text_distance(slice_text("abcd"), slice_text("bcd")), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(all, texts_are_cut_between_characters);
    tcase_add_loop_test(all, what_is_kept_is_the_beginning_of_the_text_in_whole_characters, 0,
                        4);
    tcase_add_loop_test(all, what_is_shown_is_harmless_utf8_and_says_where_it_was_cut, 0, 4);
    tcase_add_test(all, escapes_are_as_described);
    tcase_add_loop_test(all, a_message_is_utf8, 0, 4);
    tcase_add_test(all, details_belong_to_the_error_that_is_set);
    tcase_add_test(all, the_distance_of_names_counts_edits);
    suite_add_tcase(suite, all);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
