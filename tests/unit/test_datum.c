/* test_datum.c - values of queries, sentence by sentence: operators, casts, order, hashes.
 * notation.h says how values are written; "" is what is missing. */
#include "server/query/datum.h"

#include "query_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- operators ---- */

static const struct {
    const char *a;
    enum datum_operator op;
    const char *b, *result;
    enum datum_fault fault;
} operations[] = {
    {"1", DATUM_ADD, "2", "3", DATUM_OK},
    {"1", DATUM_ADD, "2.5", "3.5", DATUM_OK},
    {"1", DATUM_ADD, "nil", "nil", DATUM_OK},
    {"", DATUM_ADD, "\"x\"", "nil", DATUM_OK},
    {"1", DATUM_ADD, "\"2\"", NULL, DATUM_WRONG_TYPE},
    {"18446744073709551615", DATUM_ADD, "1", NULL, DATUM_OVERFLOW},
    {"18446744073709551615", DATUM_ADD, "-1", "18446744073709551614", DATUM_OK},
    {"9223372036854775807", DATUM_ADD, "1", "9223372036854775808", DATUM_OK},
    {"-9223372036854775807", DATUM_SUBTRACT, "1", "-9223372036854775808", DATUM_OK},
    {"-9223372036854775808", DATUM_SUBTRACT, "1", NULL, DATUM_OVERFLOW},
    {"18446744073709551615", DATUM_MULTIPLY, "18446744073709551615", NULL, DATUM_OVERFLOW},
    {"-9223372036854775808", DATUM_MULTIPLY, "18446744073709551615", NULL, DATUM_OVERFLOW},
    {"4294967296", DATUM_MULTIPLY, "4294967295", "18446744069414584320", DATUM_OK},
    {"9007199254740993", DATUM_ADD, "0.5", NULL, DATUM_INEXACT},
    {"9007199254740992", DATUM_ADD, "0.0", "9007199254740992.0", DATUM_OK},
    {"1e308", DATUM_MULTIPLY, "10.0", NULL, DATUM_OVERFLOW},
    {"7", DATUM_DIVIDE, "2", "3", DATUM_OK},
    {"-7", DATUM_DIVIDE, "2", "-3", DATUM_OK},
    {"7", DATUM_DIVIDE, "2.0", "3.5", DATUM_OK},
    {"7", DATUM_DIVIDE, "0", NULL, DATUM_DIVISION_BY_ZERO},
    {"7.0", DATUM_DIVIDE, "0.0", NULL, DATUM_DIVISION_BY_ZERO},
    {"7", DATUM_REMAINDER, "0", NULL, DATUM_DIVISION_BY_ZERO},
    {"nil", DATUM_DIVIDE, "0", "nil", DATUM_OK},
    {"-9223372036854775808", DATUM_DIVIDE, "-1", "9223372036854775808", DATUM_OK},
    {"-7", DATUM_REMAINDER, "3", "-1", DATUM_OK},
    {"7", DATUM_REMAINDER, "-3", "1", DATUM_OK},
    {"7.5", DATUM_REMAINDER, "2", "1.5", DATUM_OK},
    {"\"a\"", DATUM_CONCATENATE, "\"b\"", "\"ab\"", DATUM_OK},
    {"\"\"", DATUM_CONCATENATE, "\"\"", "\"\"", DATUM_OK},
    {"[1]", DATUM_CONCATENATE, "[[2],3]", "[1,[2],3]", DATUM_OK},
    {"b'x'", DATUM_CONCATENATE, "b'y'", "b'xy'", DATUM_OK},
    {"\"a\"", DATUM_CONCATENATE, "1", NULL, DATUM_WRONG_TYPE},
    {"1", DATUM_EQUAL, "1.0", "T", DATUM_OK},
    {"1", DATUM_EQUAL, "\"1\"", "F", DATUM_OK},
    {"1", DATUM_LESS, "\"1\"", "T", DATUM_OK},
    {"T", DATUM_LESS, "0", "T", DATUM_OK},
    {"nil", DATUM_EQUAL, "nil", "nil", DATUM_OK},
    {"nil", DATUM_LESS, "1", "nil", DATUM_OK},
    {"9007199254740993", DATUM_GREATER, "9007199254740992.0", "T", DATUM_OK},
    {"18446744073709551615", DATUM_LESS, "18446744073709551616.0", "T", DATUM_OK},
    {"-1", DATUM_LESS, "-0.5", "T", DATUM_OK},
    {"[1,2]", DATUM_LESS, "[1,3]", "T", DATUM_OK},
    {"[1,nil]", DATUM_EQUAL, "[1,nil]", "T", DATUM_OK},
    {"{\"a\":1}", DATUM_EQUAL, "{\"a\":1.0}", "T", DATUM_OK},
    {"{\"a\":1,\"b\":2}", DATUM_EQUAL, "{\"b\":2,\"a\":1}", "F", DATUM_OK},
    {"{\"a\":1}", DATUM_LESS, "{\"a\":1,\"b\":0}", "T", DATUM_OK},
    {"[]", DATUM_LESS, "{}", "T", DATUM_OK},
    {"{}", DATUM_LESS, "e", "T", DATUM_OK},
    {"nan", DATUM_EQUAL, "nan", "T", DATUM_OK},
    {"nan", DATUM_GREATER, "1e308", "T", DATUM_OK},
    {"nan", DATUM_LESS, "t0", "T", DATUM_OK},
    {"[nan]", DATUM_EQUAL, "[nan]", "T", DATUM_OK},
    {"t5", DATUM_LESS, "t6", "T", DATUM_OK},
};

START_TEST(operators_answer_what_the_reference_says)
{
    struct query_rig t;
    struct datum a, b, out = datum_integer(-77);
    char sentence[128];
    enum datum_fault fault;

    query_rig_open(&t);
    a = query_rig_value(&t, operations[_i].a);
    b = query_rig_value(&t, operations[_i].b);
    snprintf(sentence, sizeof sentence, "%s op %d %s", operations[_i].a, operations[_i].op,
             operations[_i].b);
    fault = datum_operate(&t.m, operations[_i].op, &a, &b, &out);
    ck_assert_msg(fault == operations[_i].fault, "%s: fault %d: %s", sentence, fault, t.m.why);
    if (!fault)
        query_rig_expect(&out, operations[_i].result, sentence);
    else
        ck_assert(t.m.why[0]);
    query_rig_close(&t);
}
END_TEST

/* ---- like ---- */

static const struct {
    const char *text, *pattern, *escape, *result; /* NULL: refused */
} likes[] = {
    {"\"abc\"", "\"abc\"", NULL, "T"},   {"\"abc\"", "\"ABC\"", NULL, "F"},
    {"\"abc\"", "\"a%\"", NULL, "T"},    {"\"abc\"", "\"%c\"", NULL, "T"},
    {"\"abc\"", "\"%b%\"", NULL, "T"},   {"\"abc\"", "\"_b_\"", NULL, "T"},
    {"\"abc\"", "\"__\"", NULL, "F"},    {"\"\"", "\"%\"", NULL, "T"},
    {"\"\"", "\"\"", NULL, "T"},         {"\"\"", "\"_\"", NULL, "F"},
    {"\"abcabd\"", "\"%ab_\"", NULL, "T"}, {"\"aXbXc\"", "\"a%X%c\"", NULL, "T"},
    {"\"ab\"", "\"%%%b\"", NULL, "T"},   {"\"\xc3\xa4x\"", "\"_x\"", NULL, "T"},
    {"\"\xc3\xa4x\"", "\"__x\"", NULL, "F"},
    {"\"50%\"", "\"50!%\"", "\"!\"", "T"},
    {"\"50x\"", "\"50!%\"", "\"!\"", "F"},
    {"\"a!\"", "\"a!!\"", "\"!\"", "T"},
    {"\"a_\"", "\"_!_\"", "\"!\"", "T"},
    {"\"a\"", "\"a!\"", "\"!\"", NULL},
    {"\"a\"", "\"!a\"", "\"!\"", NULL},
    {"\"a\"", "\"a\"", "\"\"", NULL},
    {"\"a\"", "\"a\"", "\"ab\"", NULL},
    {"1", "\"1\"", NULL, NULL},
    {"nil", "\"%\"", NULL, "nil"},
    {"\"a\"", "nil", NULL, "nil"},
    {"\"%\"", "\"%%\"", "\"%\"", "T"},
};

START_TEST(like_matches_whole_texts_and_minds_case)
{
    struct query_rig t;
    struct datum text, pattern, escape, out;
    enum datum_fault fault;

    query_rig_open(&t);
    text = query_rig_value(&t, likes[_i].text);
    pattern = query_rig_value(&t, likes[_i].pattern);
    escape = query_rig_value(&t, likes[_i].escape ? likes[_i].escape : "");
    fault = datum_like(&t.m, &text, &pattern, likes[_i].escape ? &escape : NULL, &out);
    ck_assert_msg(!fault == !!likes[_i].result, "%s like %s: fault %d", likes[_i].text,
                  likes[_i].pattern, fault);
    if (!fault)
        query_rig_expect(&out, likes[_i].result, likes[_i].pattern);
    query_rig_close(&t);
}
END_TEST

/* However mean the pattern, like ends. */
START_TEST(like_refuses_to_take_all_day)
{
    static uint8_t text[1 << 20], pattern[1 << 15];
    struct datum t_text = datum_text(slice_make(text, sizeof text)), out;
    struct datum t_pattern = datum_text(slice_make(pattern, sizeof pattern));
    struct query_rig t;

    query_rig_open(&t);
    memset(text, 'a', sizeof text);
    memset(pattern, 'a', sizeof pattern);
    pattern[0] = '%';
    pattern[sizeof pattern - 1] = 'b';
    ck_assert_int_eq(datum_like(&t.m, &t_text, &t_pattern, NULL, &out), DATUM_LIMIT);
    query_rig_close(&t);
}
END_TEST

/* ---- casts ---- */

static const struct {
    const char *a, *type, *result;
    enum datum_fault fault;
} cast_table[] = {
    {"nil", "integer", "nil", DATUM_OK},
    {"", "text", "nil", DATUM_OK},
    {"1.9", "integer", "1", DATUM_OK},
    {"-1.9", "int", "-1", DATUM_OK},
    {"18446744073709551615.0", "integer", NULL, DATUM_OVERFLOW},
    {"1e300", "integer", NULL, DATUM_OVERFLOW},
    {"nan", "integer", NULL, DATUM_BAD_ARGUMENT},
    {"\"12\"", "integer", "12", DATUM_OK},
    {"\"+12\"", "integer", "12", DATUM_OK},
    {"\"-0\"", "integer", "0", DATUM_OK},
    {"\"18446744073709551615\"", "integer", "18446744073709551615", DATUM_OK},
    {"\"18446744073709551616\"", "integer", NULL, DATUM_OVERFLOW},
    {"\"999999999999999999999999999999999999999999\"", "integer", NULL, DATUM_OVERFLOW},
    {"\"-9223372036854775808\"", "integer", "-9223372036854775808", DATUM_OK},
    {"\"1.5\"", "integer", NULL, DATUM_BAD_ARGUMENT},
    {"\" 1\"", "integer", NULL, DATUM_BAD_ARGUMENT},
    {"\"\"", "integer", NULL, DATUM_BAD_ARGUMENT},
    {"\"1.5\"", "double", "1.5", DATUM_OK},
    {"\"15e-1\"", "double", "1.5", DATUM_OK},
    {"\"1e999\"", "double", NULL, DATUM_OVERFLOW},
    {"\"0x10\"", "double", NULL, DATUM_BAD_ARGUMENT},
    {"\"nan\"", "double", NULL, DATUM_BAD_ARGUMENT},
    {"\"1e\"", "double", NULL, DATUM_BAD_ARGUMENT},
    {"9007199254740993", "double", "9007199254740992.0", DATUM_OK},
    {"\"7\"", "number", "7", DATUM_OK},
    {"\"7.0\"", "number", "7.0", DATUM_OK},
    {"1.0", "text", "\"1.0\"", DATUM_OK},
    {"0.1", "text", "\"0.1\"", DATUM_OK},
    {"1e100", "text", "\"1e+100\"", DATUM_OK},
    {"-5", "text", "\"-5\"", DATUM_OK},
    {"T", "text", "\"true\"", DATUM_OK},
    {"t5", "text", "\"1970-01-01T00:00:05Z\"", DATUM_OK},
    {"[1]", "text", NULL, DATUM_WRONG_TYPE},
    {"\"1970-01-01T00:00:05Z\"", "timestamp", "t5", DATUM_OK},
    {"5", "timestamp", "t5", DATUM_OK},
    {"t5", "integer", "5", DATUM_OK},
    {"\"yesterday\"", "timestamp", NULL, DATUM_BAD_ARGUMENT},
    {"\"true\"", "boolean", "T", DATUM_OK},
    {"0", "bool", "F", DATUM_OK},
    {"2", "boolean", NULL, DATUM_BAD_ARGUMENT},
    {"\"x\"", "binary", "b'x'", DATUM_OK},
    {"b'x'", "text", "\"x\"", DATUM_OK},
    {"{}", "integer", NULL, DATUM_WRONG_TYPE},
};

START_TEST(casts_give_values_of_the_type_or_refuse)
{
    struct query_rig t;
    enum datum_cast type = datum_cast_named(slice_text(cast_table[_i].type));
    struct datum a, out;
    enum datum_fault fault;

    query_rig_open(&t);
    a = query_rig_value(&t, cast_table[_i].a);
    fault = datum_cast_to(&t.m, type, &a, &out);
    ck_assert_msg(fault == cast_table[_i].fault, "%s as %s: fault %d: %s", cast_table[_i].a,
                  cast_table[_i].type, fault, t.m.why);
    if (!fault)
        query_rig_expect(&out, cast_table[_i].result, cast_table[_i].a);
    query_rig_close(&t);
}
END_TEST

/* ---- documents ---- */

START_TEST(fields_and_elements_are_found_without_decoding)
{
    struct query_rig t;
    struct datum d, name, field;
    struct datum_walk w;

    query_rig_open(&t);
    d = query_rig_value(&t, "{\"a\":{\"b\":[10,{\"c\":\"x\"}]},\"n\":nil}");
    field = datum_field(&d, slice_text("a"));
    ck_assert_int_eq(field.type, DATUM_MAP);
    field = datum_field(&field, slice_text("b"));
    field = datum_element(&field, 1);
    field = datum_field(&field, slice_text("c"));
    query_rig_expect(&field, "\"x\"", "a.b[1].c");
    field = datum_field(&d, slice_text("n"));
    ck_assert(datum_is_null(&field) && !datum_is_missing(&field));
    field = datum_field(&d, slice_text("z"));
    ck_assert(datum_is_missing(&field));
    field = datum_element(&d, 0);
    ck_assert(datum_is_missing(&field));
    field = datum_element(&d, -1);
    ck_assert(datum_is_missing(&field));
    w = datum_fields(&d);
    ck_assert(datum_next_field(&w, &name, &field));
    query_rig_expect(&name, "\"a\"", "the first field");
    ck_assert(datum_next_field(&w, &name, &field));
    ck_assert(!datum_next_field(&w, &name, &field));
    query_rig_close(&t);
}
END_TEST

START_TEST(elements_come_one_after_the_other)
{
    struct query_rig t;
    struct datum d, item, n;
    enum datum_truth truth;
    struct datum_walk w;

    query_rig_open(&t);
    d = query_rig_value(&t, "[1,[T],nil]");
    w = datum_elements(&d);
    ck_assert(datum_next_element(&w, &item));
    ck_assert(!datum_negate(&t.m, &item, &n));
    query_rig_expect(&n, "-1", "- 1");
    ck_assert_int_eq(datum_truth_of(&t.m, &item, &truth), DATUM_WRONG_TYPE);
    ck_assert(datum_next_element(&w, &item));
    ck_assert_int_eq(datum_negate(&t.m, &item, &n), DATUM_WRONG_TYPE);
    item = datum_element(&item, 0);
    ck_assert(!datum_truth_of(&t.m, &item, &truth) && truth == DATUM_IS_TRUE);
    ck_assert(datum_next_element(&w, &item));
    ck_assert(!datum_truth_of(&t.m, &item, &truth) && truth == DATUM_IS_UNKNOWN);
    ck_assert(!datum_negate(&t.m, &item, &n) && datum_is_null(&n));
    ck_assert(!datum_next_element(&w, &item));
    n = datum_unsigned((uint64_t)1 << 63);
    ck_assert(!datum_negate(&t.m, &n, &n));
    ck_assert(n.type == DATUM_INTEGER && n.integer == INT64_MIN);
    query_rig_close(&t);
}
END_TEST

START_TEST(arrays_and_maps_are_made_of_values)
{
    struct query_rig t;
    struct datum items[3], out, deep;
    struct slice names[3] = {slice_text("x"), slice_text("y"), slice_text("x")};

    query_rig_open(&t);
    items[0] = datum_integer(1);
    items[1] = query_rig_value(&t, "");
    items[2] = query_rig_value(&t, "[2,3]");
    ck_assert(!datum_make_array(&t.m, items, 3, &out));
    query_rig_expect(&out, "[1,nil,[2,3]]", "an array");
    ck_assert(!datum_make_map(&t.m, names, items, 3, &out));
    query_rig_expect(&out, "{\"x\":[2,3]}", "a map");
    ck_assert(!datum_make_map(&t.m, names, items, 2, &out));
    query_rig_expect(&out, "{\"x\":1}", "a map");
    deep = datum_integer(1);
    for (unsigned i = 0; i < MSGPACK_DEPTH_MAX; i++)
        ck_assert(!datum_make_array(&t.m, &deep, 1, &deep));
    ck_assert_int_eq(datum_make_array(&t.m, &deep, 1, &deep), DATUM_LIMIT);
    query_rig_close(&t);
}
END_TEST

START_TEST(memory_has_a_limit)
{
    static uint8_t long_text[100000];
    struct query_rig t;
    struct datum text = datum_text(slice_make(long_text, sizeof long_text));
    enum datum_fault fault = DATUM_OK;

    query_rig_open(&t);
    memset(long_text, 'x', sizeof long_text);
    for (unsigned i = 0; i < 10 && !fault; i++)
        fault = datum_operate(&t.m, DATUM_CONCATENATE, &text, &text, &text);
    ck_assert_int_eq(fault, DATUM_LIMIT);
    ck_assert_uint_le(t.arena.bytes, QUERY_RIG_MEMORY_MAX);
    query_rig_close(&t);
}
END_TEST

START_TEST(a_float_of_32_bits_comes_back_as_one)
{
    static const uint8_t bytes[] = {0xca, 0x3f, 0xc0, 0x00, 0x00};
    struct datum d = datum_read(slice_make(bytes, sizeof bytes));
    uint8_t to[16];

    ck_assert_int_eq(d.type, DATUM_DOUBLE);
    ck_assert(d.real == 1.5);
    ck_assert_uint_eq(datum_size(&d), sizeof bytes);
    ck_assert_uint_eq(datum_write(&d, to), sizeof bytes);
    ck_assert(memcmp(to, bytes, sizeof bytes) == 0);
}
END_TEST

/* ---- order ---- */

/* The order of any values that can be keys is that of keys; it is an order; equal values have
 * one hash; copies are equal. */
START_TEST(order_is_that_of_keys_and_hashes_agree)
{
    struct dice d = {(uint64_t)_i << 32};

    for (unsigned n = 0; n < 3000; n++) {
        struct buffer a = {0}, b = {0};
        msgpack_unpacked u, v;
        struct datum x, y;
        size_t offset = 0;
        int order;

        value_make_key(&d, 2, &a);
        value_make_key(&d, 2, &b);
        msgpack_unpacked_init(&u);
        msgpack_unpacked_init(&v);
        REQUIRE(msgpack_unpack_next(&u, (const char *)a.data, a.size, &offset) ==
                MSGPACK_UNPACK_SUCCESS);
        offset = 0;
        REQUIRE(msgpack_unpack_next(&v, (const char *)b.data, b.size, &offset) ==
                MSGPACK_UNPACK_SUCCESS);
        x = datum_read(buffer_slice(&a));
        y = datum_read(buffer_slice(&b));
        order = object_key_order(&u.data, &v.data);
        REQUIRE((datum_compare(&x, &y) < 0) == (order < 0));
        REQUIRE((datum_compare(&x, &y) > 0) == (order > 0));
        if (order == 0)
            REQUIRE(datum_hash(&x, 7) == datum_hash(&y, 7));
        msgpack_unpacked_destroy(&u);
        msgpack_unpacked_destroy(&v);
        buffer_fini(&a);
        buffer_fini(&b);
    }
}
END_TEST

/* Any values, maps and NaN too: the order is total, and equality is what hashes see. */
START_TEST(order_is_total_over_all_values)
{
    struct dice d = {(uint64_t)_i << 32};

    for (unsigned n = 0; n < 1000; n++) {
        struct buffer b[3] = {{0}, {0}, {0}};
        struct datum v[3];

        for (unsigned i = 0; i < 3; i++) {
            value_make(&d, 3, &b[i]);
            v[i] = datum_read(buffer_slice(&b[i]));
        }
        REQUIRE(datum_compare(&v[0], &v[0]) == 0);
        for (unsigned i = 0; i < 3; i++) {
            const struct datum *x = &v[i], *y = &v[(i + 1) % 3], *z = &v[(i + 2) % 3];

            REQUIRE((datum_compare(x, y) > 0) == (datum_compare(y, x) < 0));
            if (datum_compare(x, y) <= 0 && datum_compare(y, z) <= 0)
                REQUIRE(datum_compare(x, z) <= 0);
            if (datum_compare(x, y) == 0)
                REQUIRE(datum_hash(x, 7) == datum_hash(y, 7));
        }
        for (unsigned i = 0; i < 3; i++)
            buffer_fini(&b[i]);
    }
}
END_TEST

START_TEST(logic_has_three_values)
{
    static const char names[] = "FT?";
    static const char *const table[3] = {"FFF", "FT?", "F??"};

    for (unsigned a = 0; a < 3; a++) {
        for (unsigned b = 0; b < 3; b++) {
            enum datum_truth both = datum_and((enum datum_truth)a, (enum datum_truth)b);
            enum datum_truth one = datum_or((enum datum_truth)a, (enum datum_truth)b);

            ck_assert_int_eq(names[both], table[a][b]);
            ck_assert_int_eq(one, datum_not(datum_and(datum_not((enum datum_truth)a),
                                                      datum_not((enum datum_truth)b))));
        }
    }
    ck_assert_int_eq(datum_or(DATUM_IS_UNKNOWN, DATUM_IS_TRUE), DATUM_IS_TRUE);
}
END_TEST

#define COUNT(table) (int)(sizeof table / sizeof table[0])

int main(void)
{
    Suite *s = suite_create("datum");
    TCase *t = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_loop_test(t, operators_answer_what_the_reference_says, 0, COUNT(operations));
    tcase_add_loop_test(t, like_matches_whole_texts_and_minds_case, 0, COUNT(likes));
    tcase_add_test(t, like_refuses_to_take_all_day);
    tcase_add_loop_test(t, casts_give_values_of_the_type_or_refuse, 0, COUNT(cast_table));
    tcase_add_test(t, fields_and_elements_are_found_without_decoding);
    tcase_add_test(t, elements_come_one_after_the_other);
    tcase_add_test(t, arrays_and_maps_are_made_of_values);
    tcase_add_test(t, memory_has_a_limit);
    tcase_add_test(t, a_float_of_32_bits_comes_back_as_one);
    tcase_add_loop_test(t, order_is_that_of_keys_and_hashes_agree, 0, 4);
    tcase_add_loop_test(t, order_is_total_over_all_values, 0, 4);
    tcase_add_test(t, logic_has_three_values);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
