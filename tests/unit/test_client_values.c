/* Packing and reading MessagePack with libholdfast alone, and beside msgpack-c. */
#include "client/lib/holdfast_msgpack.h"
#include "proto/error.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define BYTES(text) ((struct hf_bytes){text, sizeof(text) - 1})

static struct hf_pack p;

static void check_packed(const void *expected, size_t size)
{
    ck_assert_uint_eq(p.size, size);
    ck_assert_mem_eq(p.data, expected, size);
    hf_pack_reset(&p);
}

/* Format, arguments, and the bytes that they give. */
#define PACKS(bytes, ...)                                                                      \
    do {                                                                                       \
        ck_assert_int_eq(hf_packf(&p, __VA_ARGS__), HF_OK);                                    \
        check_packed(bytes, sizeof(bytes) - 1);                                                \
    } while (0)

START_TEST(a_format_packs_what_it_says)
{
    PACKS("\x05", "i", 5);
    PACKS("\xff\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "iU", -1, UINT64_MAX);
    PACKS("\xd3\x80\0\0\0\0\0\0\0", "I", INT64_MIN);
    PACKS("\xc3\xc2\xc0", "bbn", true, false);
    PACKS("\xa3" "Ann\xc0", "ss", "Ann", (char *)NULL);
    PACKS("\xa1x\xc4\1y\xc0\x07", "tyvv", BYTES("x"), BYTES("y"), HF_NONE, BYTES("\x07"));
    PACKS("\xcb\x3f\xf8\0\0\0\0\0\0", "d", 1.5);
    PACKS("\xd6\xff\0\0\0\1", "T", (int64_t)1, 0u);
    PACKS("\x90\x80", "[] {}");
    PACKS("\x82\xa4name\xa3" "Ann\xa3" "age\x1e", "{'name': s, 'age': i}", "Ann", 30);
    PACKS("\x81\xa1k\x92\x01\x81\xa1m\xc0", "{s: [i, {s: n}]}", "k", 1, "m");
    PACKS("\x81\x01\x02", "{i:u}", 1, 2u);
    PACKS("\x93\x01\x02\xa0", "[i i '']", 1, 2);
    PACKS("", " ");
}
END_TEST

START_TEST(a_wrong_format_packs_nothing)
{
    static const char *const wrong[] = {
        "[",  "]", "{",  "}",   "[}",    "{'a'}",    "{'a':}",      "{:n}", "{'a' n}",
        "'a", "q", ":n", "n:n", "[n:n]", "{'a'::n}", "{'a':n,'b'}", "?n",   "*"};
    char deep[200];

    ck_assert_int_eq(hf_packf(&p, "n"), HF_OK);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_msg(hf_packf(&p, wrong[i]) == HF_MISUSE, "%s", wrong[i]);
        ck_assert_uint_eq(p.size, 1);
    }
    for (int depth = 64; depth <= 66; depth++) {
        snprintf(deep, sizeof deep, "%.*s%.*s", depth,
                 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
                 depth,
                 "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
        ck_assert_int_eq(hf_packf(&p, deep), depth <= 64 ? HF_OK : HF_MISUSE);
    }
    hf_pack_reset(&p);
    ck_assert(!p.failed);
}
END_TEST

START_TEST(values_are_read_by_type_and_range)
{
    const struct hf_bytes most = BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
    int64_t n = 9, seconds;
    uint64_t u = 9;
    uint32_t nanoseconds;
    double d = 9;
    bool b = true;
    int8_t type;
    char name[4];
    struct hf_bytes text = HF_NONE;

    ck_assert_int_eq(hf_read_int(BYTES("\xff"), &n), HF_OK);
    ck_assert_int_eq(n, -1);
    ck_assert_int_eq(hf_read_int(most, &n), HF_OUT_OF_RANGE);
    ck_assert_int_eq(hf_read_uint(BYTES("\xff"), &u), HF_OUT_OF_RANGE);
    ck_assert_int_eq(hf_read_uint(BYTES("\xd0\x05"), &u), HF_OK);
    ck_assert_uint_eq(u, 5);
    ck_assert_int_eq(hf_read_int(BYTES("\xc0"), &n), HF_ABSENT);
    ck_assert_int_eq(hf_read_int(HF_NONE, &n), HF_ABSENT);
    ck_assert_int_eq(hf_read_int(BYTES("\xa1x"), &n), HF_WRONG_TYPE);
    ck_assert_int_eq(hf_read_int(BYTES("\xcb\x3f\xf0\0\0\0\0\0\0"), &n), HF_WRONG_TYPE);
    ck_assert_int_eq(hf_read_int(BYTES("\xcd\x01"), &n), HF_MALFORMED);
    ck_assert_int_eq(hf_read_int(BYTES("\xc1"), &n), HF_MALFORMED);
    ck_assert_int_eq(hf_read_int(BYTES(""), &n), HF_MALFORMED);
    ck_assert_int_eq(n, -1);
    ck_assert_int_eq(hf_read_double(BYTES("\x05"), &d), HF_OK);
    ck_assert(d == 5);
    ck_assert_int_eq(hf_read_double(most, &d), HF_OUT_OF_RANGE);
    ck_assert_int_eq(hf_read_double(BYTES("\xcf\x80\0\0\0\0\0\0\0"), &d), HF_OK);
    ck_assert_int_eq(hf_read_double(BYTES("\xd3\x80\0\0\0\0\0\0\1"), &d), HF_OUT_OF_RANGE);
    ck_assert(d == 0x1p63);
    ck_assert_int_eq(hf_read_double(BYTES("\xca\x7f\x80\0\0"), &d), HF_OK);
    ck_assert(isinf(d));
    ck_assert_int_eq(hf_read_bool(BYTES("\xc2"), &b), HF_OK);
    ck_assert(!b);
    ck_assert_int_eq(hf_read_bool(BYTES("\x00"), &b), HF_WRONG_TYPE);
    ck_assert_int_eq(hf_read_text(BYTES("\xa3" "Annx"), &text), HF_OK);
    ck_assert_uint_eq(text.size, 3);
    ck_assert_int_eq(hf_read_text(BYTES("\xa4" "Ann"), &text), HF_MALFORMED);
    ck_assert_int_eq(hf_read_binary(BYTES("\xa3" "Ann"), &text), HF_WRONG_TYPE);
    ck_assert_int_eq(hf_read_string(BYTES("\xa3" "Ann"), name, sizeof name), HF_OK);
    ck_assert_str_eq(name, "Ann");
    ck_assert_int_eq(hf_read_string(BYTES("\xa4" "Anna"), name, sizeof name), HF_OUT_OF_RANGE);
    ck_assert_int_eq(hf_read_string(BYTES("\xa2" "a\0"), name, sizeof name), HF_OUT_OF_RANGE);
    ck_assert(hf_text_is(BYTES("\xa1x"), "x") && !hf_text_is(BYTES("\xa1x"), "y"));
    ck_assert(hf_text_is(BYTES("\xa0"), "") && !hf_text_is(HF_NONE, ""));
    ck_assert_int_eq(hf_read_timestamp(BYTES("\xd6\xff\0\0\0\1"), &seconds, &nanoseconds), HF_OK);
    ck_assert(seconds == 1 && nanoseconds == 0);
    ck_assert_int_eq(hf_read_timestamp(BYTES("\xd4\x05x"), &seconds, &nanoseconds), HF_WRONG_TYPE);
    ck_assert_int_eq(hf_read_ext(BYTES("\xd4\x05x"), &type, &text), HF_OK);
    ck_assert(type == 5 && text.size == 1);
    ck_assert_str_eq(hf_type_name(hf_type(BYTES("\xd6\xff\0\0\0\1"))), "timestamp");
    ck_assert_str_eq(hf_type_name(hf_type(BYTES("\xd4\xffx"))), "extension");
    ck_assert_str_eq(hf_type_name(hf_type(BYTES("\xc0"))), "nil");
    ck_assert_str_eq(hf_type_name(hf_type(BYTES("\x91"))), "none");
    ck_assert_str_eq(hf_type_name((enum hf_type)99), "none");
}
END_TEST

START_TEST(fields_and_elements_are_found)
{
    /* {"a": [1, {"b": "x"}], 5: 6, "c": nil} */
    const struct hf_bytes map = BYTES("\x83\xa1" "a\x92\x01\x81\xa1" "b\xa1x\x05\x06\xa1" "c\xc0");
    struct hf_walk walk = hf_walk(map);
    struct hf_bytes key, value;
    unsigned pairs = 0;

    ck_assert(hf_text_is(hf_field(hf_element(hf_field(map, "a"), 1), "b"), "x"));
    ck_assert_ptr_null(hf_field(map, "d").data);
    ck_assert_ptr_null(hf_field(hf_field(map, "d"), "b").data);
    ck_assert_ptr_null(hf_element(map, 0).data);
    ck_assert_ptr_null(hf_element(hf_field(map, "a"), 2).data);
    ck_assert_ptr_null(hf_field(hf_field(map, "a"), "a").data);
    ck_assert_int_eq(hf_type(hf_field(map, "c")), HF_TYPE_NIL);
    ck_assert_uint_eq(hf_length(map), 3);
    ck_assert_uint_eq(hf_length(hf_field(map, "a")), 2);
    ck_assert_uint_eq(hf_length(BYTES("\x05")), 0);
    ck_assert_uint_eq(hf_length(BYTES("\xdd\xff\xff\xff\xff")), 0);
    while (hf_walk_next(&walk, &key, &value))
        pairs += key.size > 0 && value.size > 0;
    ck_assert_uint_eq(pairs, 3);
    ck_assert(!hf_walk_next(&walk, NULL, &value));
}
END_TEST

START_TEST(a_format_reads_what_it_says)
{
    /* {"name": "Ann", "age": 30, "tags": ["x", "y"], "gone": nil} */
    const struct hf_bytes map = BYTES("\x84\xa4name\xa3"
                                      "Ann\xa3"
                                      "age\x1e\xa4tags\x92\xa1x\xa1y\xa4gone\xc0");
    struct hf_bytes name = HF_NONE, tag = HF_NONE, raw = HF_NONE;
    int age = 0, other = 7;
    unsigned u = 0;
    double d = 0;
    int64_t big = 0;

    ck_assert_int_eq(hf_unpackf(map, "{'name': s, 'age': i}", &name, &age), HF_OK);
    ck_assert(age == 30 && name.size == 3);
    ck_assert_int_eq(hf_unpackf(map, "{'age': u, 'age': d, 'age': I}", &u, &d, &big), HF_OK);
    ck_assert(u == 30 && d == 30 && big == 30);
    ck_assert_int_eq(hf_unpackf(map, "{'tags': ['x', s], 'gone': n, 'no': n}", &tag), HF_OK);
    ck_assert(tag.size == 1);
    ck_assert_int_eq(hf_unpackf(map, "{'tags': v, 'gone': ?i, 'no': ?{'a': i}, 'age': i}", &raw,
                                &other, &other, &age),
                     HF_OK);
    ck_assert(other == 7 && hf_length(raw) == 2);
    ck_assert_int_eq(hf_unpackf(map, "{'tags': [s *]}", &tag), HF_OK);

    /* whatever fails, nothing is written */
    age = 1;
    ck_assert_int_eq(hf_unpackf(map, "{'age': i, 'tags': [s]}", &age, &tag), HF_WRONG_TYPE);
    ck_assert_int_eq(hf_unpackf(map, "{'age': i, 'tags': [v v v]}", &age, &raw, &raw, &raw),
                     HF_ABSENT);
    ck_assert_int_eq(hf_unpackf(map, "{'age': i, 'gone': i}", &age, &other), HF_ABSENT);
    ck_assert_int_eq(hf_unpackf(map, "{'age': i, 'name': i}", &age, &other), HF_WRONG_TYPE);
    ck_assert_int_eq(hf_unpackf(map, "{'age': i, 'tags': ['x', 'z']}", &age), HF_WRONG_TYPE);
    ck_assert_int_eq(hf_unpackf(map, "{'age': i, 'name': {}}", &age), HF_WRONG_TYPE);
    ck_assert_int_eq(hf_unpackf(BYTES("\x81\xa1" "a\xcd\xff\xff"), "{'a': u}", &u), HF_OK);
    ck_assert_int_eq(hf_unpackf(BYTES("\xce\xff\xff\xff\xff"), "i", &age), HF_OUT_OF_RANGE);
    ck_assert_int_eq(hf_unpackf(BYTES("\x81\xa1"), "{'a': ?i}", &age), HF_MALFORMED);
    ck_assert_int_eq(age, 1);
}
END_TEST

START_TEST(a_wrong_format_reads_nothing)
{
    static const char *const wrong[] = {"",        "[",   "{",      "{n:n}", "{'a'}", "{'a':}",
                                        "{'a' n}", "'a",  "q",      "]",     "n n",   "[*n]",
                                        "[* *]",   "{*}", "{'a':n", "??n"};

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ck_assert_msg(hf_unpackf(BYTES("\xc0"), wrong[i]) == HF_MISUSE, "%s", wrong[i]);
        ck_assert_msg(hf_unpackf(BYTES("\x81\xa1" "a\xc0"), wrong[i]) == HF_MISUSE, "%s", wrong[i]);
    }
}
END_TEST

/* What one packs the other reads. */
START_TEST(values_go_to_msgpack_c_and_back)
{
    const struct hf_bytes map = BYTES("\x82\xa4name\xa3" "Ann\xa3" "age\x92\x1e\xc0");
    msgpack_packer packer;
    msgpack_sbuffer buffer;
    msgpack_unpacked record;

    hf_msgpack_packer_init(&packer, &p);
    msgpack_pack_array(&packer, 2);
    msgpack_pack_int(&packer, -7);
    msgpack_pack_str(&packer, 1);
    msgpack_pack_str_body(&packer, "x", 1);
    check_packed("\x92\xf9\xa1x", 4);

    msgpack_unpacked_init(&record);
    ck_assert_int_eq(hf_msgpack_unpack(map, &record), HF_OK);
    ck_assert_int_eq(record.data.type, MSGPACK_OBJECT_MAP);
    ck_assert_int_eq(hf_msgpack_pack(&p, record.data), HF_OK);
    check_packed(map.data, map.size);
    ck_assert_int_eq(hf_msgpack_unpack(HF_NONE, &record), HF_ABSENT);
    ck_assert_int_eq(hf_msgpack_unpack(BYTES("\x92\x01"), &record), HF_MALFORMED);
    ck_assert_int_eq(hf_msgpack_unpack(BYTES("\xc1"), &record), HF_MALFORMED);
    msgpack_unpacked_destroy(&record);

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_true(&packer);
    ck_assert_int_eq(hf_type(hf_msgpack_bytes(&buffer)), HF_TYPE_BOOL);
    msgpack_sbuffer_destroy(&buffer);
}
END_TEST

/* Every error of the server has a code and a name here, and the same ones. */
START_TEST(each_code_has_its_name)
{
    static const int own[] = {HF_CONNECTION,   HF_TIMEOUT,  HF_PROTOCOL, HF_MISUSE,
                              HF_MEMORY,       HF_END,      HF_ABSENT,   HF_WRONG_TYPE,
                              HF_OUT_OF_RANGE, HF_MALFORMED};

    for (int e = 0; e < ERR_COUNT; e++) {
        if (err_code((enum err)e) < 9900)
            ck_assert_str_eq(hf_code_name(err_code((enum err)e)), err_name((enum err)e));
    }
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        ck_assert_str_ne(hf_code_name(own[i]), "");
    ck_assert_str_eq(hf_code_name(HF_NOT_LEADER), "NOT_LEADER");
    ck_assert_str_eq(hf_code_name(1), "");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_values");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_test(tc, a_format_packs_what_it_says);
    tcase_add_test(tc, a_wrong_format_packs_nothing);
    tcase_add_test(tc, values_are_read_by_type_and_range);
    tcase_add_test(tc, fields_and_elements_are_found);
    tcase_add_test(tc, a_format_reads_what_it_says);
    tcase_add_test(tc, a_wrong_format_reads_nothing);
    tcase_add_test(tc, values_go_to_msgpack_c_and_back);
    tcase_add_test(tc, each_code_has_its_name);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    hf_pack_fini(&p);
    return failed != 0;
}
