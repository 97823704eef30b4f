/* test_query_functions.c - functions and aggregates of queries, sentence by sentence.
 * notation.h says how values are written; arguments are an array, in which "-" is what is
 * missing. */
#include "query_rig.h"
#include "server/query/aggregate.h"
#include "server/query/function_table.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ARGS_MAX 8
#define NOW_SECONDS 1767323045 /* 2026-01-02T03:04:05Z */

static const char refused[] = "refused"; /* as a result */

static const struct {
    const char *name, *args, *result;
} calls[] = {
    {"type_of", "[1]", "\"integer\""},
    {"type_of", "[18446744073709551615]", "\"integer\""},
    {"type_of", "[1.0]", "\"double\""},
    {"type_of", "[nil]", "\"null\""},
    {"type_of", "[\"-\"]", "\"missing\""},
    {"type_of", "[{}]", "\"map\""},
    {"TYPE_OF", "[t1]", "\"timestamp\""},
    {"is_number", "[1]", "T"},
    {"is_number", "[nil]", "F"},
    {"coalesce", "[nil,\"-\",3,4]", "3"},
    {"coalesce", "[nil]", "nil"},
    {"ifmissing", "[\"-\",1]", "1"},
    {"ifmissing", "[nil,1]", "nil"},
    {"nullif", "[1,1.0]", "nil"},
    {"nullif", "[1,2]", "1"},
    {"nullif", "[1,nil]", "1"},
    {"nullif", "[nil,1]", "nil"},
    {"least", "[3,nil,2,\"x\"]", "2"},
    {"greatest", "[3,nil,2,\"x\"]", "\"x\""},
    {"least", "[nil]", "nil"},
    /* texts */
    {"length", "[\"\xc3\xa4\xe2\x82\xacx\"]", "3"},
    {"length", "[b'abc']", "3"},
    {"length", "[[1]]", refused},
    {"length", "[nil]", "nil"},
    {"octet_length", "[\"\xc3\xa4x\"]", "3"},
    {"lower", "[\"\xc3\x84" "B\xc3\x9f\"]", "\"\xc3\xa4" "b\xc3\x9f\""},
    {"upper", "[\"\xc3\xa4" "b\xc3\x9f\"]", "\"\xc3\x84" "B\xc3\x9f\""},
    {"upper", "[\"\xc9\x90\"]", "\"\xe2\xb1\xaf\""},
    {"lower", "[1]", refused},
    {"substr", "[\"hello\",2]", "\"ello\""},
    {"substr", "[\"hello\",2,3]", "\"ell\""},
    {"substr", "[\"abc\",0,2]", "\"a\""},
    {"substr", "[\"abc\",-5]", "\"abc\""},
    {"substr", "[\"abc\",-5,6]", "\"\""},
    {"substr", "[\"abc\",-5,7]", "\"a\""},
    {"substr", "[\"abc\",9]", "\"\""},
    {"substr", "[\"abc\",1,-1]", refused},
    {"substr", "[\"abc\",9223372036854775807,9223372036854775807]", "\"\""},
    {"substr", "[\"abc\",-9223372036854775808,9223372036854775807]", "\"\""},
    {"substr", "[\"abc\",18446744073709551615]", "\"\""},
    {"substr", "[\"\xc3\xa4\xc3\xb6\xc3\xbc\",2,1]", "\"\xc3\xb6\""},
    {"substr", "[b'abc',2,1]", "b'b'"},
    {"substr", "[\"abc\",1.0]", refused},
    {"left", "[\"\xc3\xa4" "bc\",2]", "\"\xc3\xa4" "b\""},
    {"left", "[\"abc\",99]", "\"abc\""},
    {"left", "[\"abc\",-1]", refused},
    {"right", "[\"ab\xc3\xa4\",2]", "\"b\xc3\xa4\""},
    {"right", "[\"abc\",0]", "\"\""},
    {"right", "[\"abc\",9]", "\"abc\""},
    {"trim", "[\"  a b \"]", "\"a b\""},
    {"trim", "[\"xxaxx\",\"x\"]", "\"a\""},
    {"trim", "[\"xx\",\"x\"]", "\"\""},
    {"trim", "[\"\xc3\xa4" "a\xc3\xb6\",\"\xc3\xb6\xc3\xa4\"]", "\"a\""},
    {"trim", "[\" a\",\"\"]", "\" a\""},
    {"ltrim", "[\" a \"]", "\"a \""},
    {"rtrim", "[\" a \"]", "\" a\""},
    {"replace", "[\"aXbXc\",\"X\",\"--\"]", "\"a--b--c\""},
    {"replace", "[\"aaa\",\"aa\",\"b\"]", "\"ba\""},
    {"replace", "[\"abc\",\"\",\"x\"]", "\"abc\""},
    {"replace", "[\"abc\",\"b\",\"\"]", "\"ac\""},
    {"position", "[\"\xc3\xa4" "bcb\",\"b\"]", "2"},
    {"position", "[\"abc\",\"x\"]", "0"},
    {"position", "[\"abc\",\"\"]", "1"},
    {"starts_with", "[\"abc\",\"ab\"]", "T"},
    {"starts_with", "[\"abc\",\"b\"]", "F"},
    {"ends_with", "[\"abc\",\"bc\"]", "T"},
    {"ends_with", "[\"c\",\"bc\"]", "F"},
    {"contains", "[\"abc\",\"b\"]", "T"},
    {"split", "[\"a,b,,c\",\",\"]", "[\"a\",\"b\",\"\",\"c\"]"},
    {"split", "[\"\",\",\"]", "[\"\"]"},
    {"split", "[\"a\xc3\xa4\",\"\"]", "[\"a\",\"\xc3\xa4\"]"},
    {"split", "[\"\",\"\"]", "[]"},
    {"split", "[\"abcab\",\"ab\"]", "[\"\",\"c\",\"\"]"},
    {"concat", "[\"a\",nil,1,T,2.0]", "\"a1true2.0\""},
    {"concat", "[[1]]", refused},
    {"repeat", "[\"ab\",3]", "\"ababab\""},
    {"repeat", "[\"ab\",0]", "\"\""},
    {"repeat", "[\"\",9223372036854775807]", "\"\""},
    {"repeat", "[\"ab\",9223372036854775807]", refused},
    {"repeat", "[\"ab\",9000000]", refused},
    {"reverse", "[\"a\xc3\xa4" "b\"]", "\"b\xc3\xa4" "a\""},
    {"lpad", "[\"7\",3,\"0\"]", "\"007\""},
    {"lpad", "[\"abcd\",2]", "\"ab\""},
    {"lpad", "[\"x\",4,\"\xc3\xa4" "b\"]", "\"\xc3\xa4" "b\xc3\xa4x\""},
    {"rpad", "[\"x\",3]", "\"x  \""},
    {"rpad", "[\"x\",3,\"\"]", "\"x\""},
    {"lpad", "[\"x\",9223372036854775807]", refused},
    {"hex", "[b'ab']", "\"6162\""},
    {"unhex", "[\"6162\"]", "b'ab'"},
    {"unhex", "[\"616\"]", refused},
    {"unhex", "[\"6g\"]", refused},
    {"unhex", "[\"\"]", "b''"},
    /* numbers */
    {"abs", "[-9223372036854775808]", "9223372036854775808"},
    {"abs", "[-1.5]", "1.5"},
    {"sign", "[-3]", "-1"},
    {"sign", "[0.5]", "1.0"},
    {"floor", "[-1.5]", "-2.0"},
    {"floor", "[7]", "7"},
    {"ceil", "[1.2]", "2.0"},
    {"trunc", "[-1.7]", "-1.0"},
    {"round", "[2.5]", "3.0"},
    {"round", "[-2.5]", "-3.0"},
    {"round", "[0.49999999999999994]", "0.0"},
    {"round", "[1.25,1]", "1.3"},
    {"round", "[1234,-2]", "1200"},
    {"round", "[1250,-2]", "1300"},
    {"round", "[-1250,-2]", "-1300"},
    {"round", "[18446744073709551615,-1]", refused},
    {"round", "[18446744073709551615,-30]", "0"},
    {"round", "[1234.5,-2]", "1200.0"},
    {"round", "[1.5,400]", "1.5"},
    {"round", "[1e300,20]", "1e300"},
    {"mod", "[-7,3]", "-1"},
    {"mod", "[7,0]", refused},
    {"power", "[2,63]", "9223372036854775808"},
    {"power", "[2,64]", refused},
    {"power", "[-2,63]", "-9223372036854775808"},
    {"power", "[-2,64]", refused},
    {"power", "[3,40]", "12157665459056928801"},
    {"power", "[0,0]", "1"},
    {"power", "[-1,18446744073709551615]", "-1"},
    {"power", "[7,18446744073709551615]", refused},
    {"power", "[2,-1]", "0.5"},
    {"power", "[0,-1]", refused},
    {"power", "[-8.0,0.5]", refused},
    {"power", "[2.0,10]", "1024.0"},
    {"sqrt", "[9]", "3.0"},
    {"sqrt", "[-1]", refused},
    {"ln", "[1]", "0.0"},
    {"ln", "[0]", refused},
    {"log10", "[1000]", "3.0"},
    {"exp", "[0]", "1.0"},
    {"exp", "[1000]", refused},
    /* time */
    {"now", "[]", "t1767323045"},
    {"to_timestamp", "[5]", "t5"},
    {"to_timestamp", "[-1.0]", "t-1"},
    {"to_timestamp", "[\"1970-01-01T00:00:05Z\"]", "t5"},
    {"to_timestamp", "[1e300]", refused},
    {"to_timestamp", "[nan]", refused},
    {"extract", "[\"year\",t1767323045]", "2026"},
    {"extract", "[\"quarter\",t1767323045]", "1"},
    {"extract", "[\"month\",t1767323045]", "1"},
    {"extract", "[\"day\",t1767323045]", "2"},
    {"extract", "[\"hour\",t1767323045]", "3"},
    {"extract", "[\"minute\",t1767323045]", "4"},
    {"extract", "[\"second\",t1767323045]", "5"},
    {"extract", "[\"dow\",t1767323045]", "5"},
    {"extract", "[\"isodow\",t259200]", "7"},
    {"extract", "[\"dow\",t259200]", "0"},
    {"extract", "[\"doy\",t1767323045]", "2"},
    {"extract", "[\"week\",t1767323045]", "1"},
    {"extract", "[\"epoch\",t-7]", "-7"},
    {"extract", "[\"year\",t-62167219201]", "-1"},
    {"extract", "[\"eon\",t0]", refused},
    {"extract", "[\"year\",0]", refused},
    {"date_trunc", "[\"year\",t1767323045]", "t1767225600"},
    {"date_trunc", "[\"month\",t1767323045]", "t1767225600"},
    {"date_trunc", "[\"week\",t1767323045]", "t1766966400"},
    {"date_trunc", "[\"day\",t1767323045]", "t1767312000"},
    {"date_trunc", "[\"day\",t-1]", "t-86400"},
    {"date_trunc", "[\"hour\",t-1]", "t-3600"},
    {"date_trunc", "[\"minute\",t1767323045]", "t1767323040"},
    {"date_trunc", "[\"epoch\",t0]", refused},
    {"date_add", "[\"month\",1,t2592000]", "t5011200"},   /* 31 January: 28 February */
    {"date_add", "[\"year\",4,t0]", "t126230400"},
    {"date_add", "[\"day\",-1,t0]", "t-86400"},
    {"date_add", "[\"second\",9223372036854775807,t1]", refused},
    {"date_add", "[\"year\",9223372036854775807,t1]", refused},
    {"date_diff", "[\"month\",t2592000,t5011200]", "1"},
    {"date_diff", "[\"month\",t5011200,t2592000]", "-1"},
    {"date_diff", "[\"day\",t0,t172799]", "1"},
    {"date_diff", "[\"day\",t172799,t0]", "-1"},
    {"date_diff", "[\"year\",t0,t126230400]", "4"},
    {"date_diff", "[\"year\",t1,t126230400]", "3"},
    /* arrays */
    {"array_length", "[[1,2,3]]", "3"},
    {"array_length", "[\"x\"]", refused},
    {"array_contains", "[[1,nil],1.0]", "T"},
    {"array_contains", "[[1,nil],nil]", "T"},
    {"array_contains", "[nil,1]", "nil"},
    {"array_contains", "[[[1]],[1]]", "T"},
    {"array_position", "[[5,6,5],6]", "1"},
    {"array_position", "[[5],6]", "nil"},
    {"array_append", "[[1],nil]", "[1,nil]"},
    {"array_prepend", "[[1],[2]]", "[[2],1]"},
    {"array_concat", "[[1],[2,3]]", "[1,2,3]"},
    {"array_slice", "[[1,2,3,4],1,2]", "[2,3]"},
    {"array_slice", "[[1,2],5]", "[]"},
    {"array_slice", "[[1,2],-1]", refused},
    {"array_remove", "[[1,2,1.0,nil],1]", "[2,nil]"},
    {"array_remove", "[[1,nil],nil]", "[1]"},
    {"array_distinct", "[[1,1.0,\"1\",nil,nil,[1],[1.0]]]", "[1,\"1\",nil,[1]]"},
    {"array_sort", "[[3,\"a\",nil,1,2.5,T,[0]]]", "[nil,T,1,2.5,3,\"a\",[0]]"},
    {"array_sort", "[[]]", "[]"},
    {"array_sort", "[[5,4,3,2,1,0]]", "[0,1,2,3,4,5]"},
    {"array_reverse", "[[1,[2,3],\"x\"]]", "[\"x\",[2,3],1]"},
    {"array_reverse", "[[]]", "[]"},
    {"array_min", "[[3,nil,1]]", "1"},
    {"array_max", "[[3,nil,1]]", "3"},
    {"array_sum", "[[3,nil,1]]", "4"},
    {"array_avg", "[[3,nil,1]]", "2.0"},
    {"array_sum", "[[]]", "nil"},
    {"array_sum", "[[\"x\"]]", refused},
    {"array_join", "[[\"a\",nil,1,\"b\"],\", \"]", "\"a, 1, b\""},
    {"array_join", "[[],\",\"]", "\"\""},
    {"range", "[2,5]", "[2,3,4]"},
    {"range", "[5,2]", "[]"},
    {"range", "[0,1000000000000]", refused},
    {"map_keys", "[{\"a\":1,\"b\":2}]", "[\"a\",\"b\"]"},
    {"map_values", "[{\"a\":1,\"b\":[2]}]", "[1,[2]]"},
    {"map_length", "[{\"a\":1}]", "1"},
    {"map_merge", "[{\"a\":1,\"b\":2},{\"c\":3,\"a\":4}]", "{\"a\":4,\"b\":2,\"c\":3}"},
    {"map_merge", "[{},{}]", "{}"},
};

static enum datum_fault call(struct query_rig *rig, const char *name, const char *args,
                             struct datum *out)
{
    struct datum list = query_rig_value(rig, args), values[ARGS_MAX];
    struct datum_walk w = datum_elements(&list);
    const char *near;
    const struct query_function *f = query_function_find(slice_text(name), &near);
    struct function_call c = {.m = &rig->m, .args = values, .now_seconds = NOW_SECONDS};

    ck_assert_msg(f, "there is no function %s", name);
    while (datum_next_element(&w, &values[c.count])) {
        if (values[c.count].type == DATUM_TEXT &&
            slice_equal(values[c.count].bytes, slice_text("-")))
            values[c.count].type = DATUM_MISSING;
        c.count++;
    }
    ck_assert_msg(c.count >= f->least && c.count <= f->most, "%s%s", name, args);
    return query_function_call(f, &c, out);
}

START_TEST(functions_answer_what_the_reference_says)
{
    struct query_rig rig;
    char sentence[256];
    struct datum out;
    enum datum_fault fault;

    query_rig_open(&rig);
    snprintf(sentence, sizeof sentence, "%s%s", calls[_i].name, calls[_i].args);
    fault = call(&rig, calls[_i].name, calls[_i].args, &out);
    ck_assert_msg(!!fault == (calls[_i].result == refused), "%s: fault %d: %s", sentence, fault,
                  rig.m.why);
    if (fault)
        ck_assert(rig.m.why[0]);
    else
        query_rig_expect(&out, calls[_i].result, sentence);
    query_rig_close(&rig);
}
END_TEST

START_TEST(near_names_are_told)
{
    const char *near;

    ck_assert_ptr_null(query_function_find(slice_text("lenght"), &near));
    ck_assert_str_eq(near, "length");
    ck_assert_ptr_null(query_function_find(slice_text("frobnicate"), &near));
    ck_assert_ptr_null(near);
    ck_assert_ptr_nonnull(query_function_find(slice_text("Coalesce"), &near));
    ck_assert_ptr_null(
        query_function_find(slice_text("a_name_that_is_longer_than_any_other_is"), &near));
}
END_TEST

START_TEST(each_function_says_what_it_is)
{
    const struct query_function *f;

    for (unsigned i = 0; (f = query_function_at(i)); i++) {
        const char *near;

        ck_assert_ptr_eq(query_function_find(slice_text(f->name), &near), f);
        ck_assert(f->help && f->parameters && f->run && f->least <= f->most);
    }
}
END_TEST

/* Any function, any values: a value or a fault with a sentence. */
START_TEST(functions_stand_any_values)
{
    struct dice d = {(uint64_t)_i << 32};
    const struct query_function *f;
    unsigned functions = 0;

    while (query_function_at(functions))
        functions++;
    for (unsigned n = 0; n < 4000; n++) {
        struct datum values[ARGS_MAX], out = {.type = DATUM_MISSING};
        struct buffer buffers[ARGS_MAX] = {{0}};
        struct function_call c = {.args = values};
        struct query_rig rig;
        enum datum_fault fault;
        unsigned most;

        query_rig_open(&rig);
        c.m = &rig.m;
        f = query_function_at((unsigned)dice_below(&d, functions));
        most = f->most == FUNCTION_MANY ? 4 : f->most;
        c.count = f->least + (unsigned)dice_below(&d, most - f->least + 1u);
        for (unsigned i = 0; i < c.count; i++) {
            if (dice_below(&d, 2))
                value_make_key(&d, 2, &buffers[i]);
            else
                value_make(&d, 3, &buffers[i]);
            values[i] = datum_read(buffer_slice(&buffers[i]));
        }
        fault = query_function_call(f, &c, &out);
        if (fault) {
            REQUIRE(rig.m.why[0]);
        } else {
            size_t size = datum_size(&out);
            uint8_t *bytes = malloc(size + 1);
            struct msgpack_cursor cursor;

            REQUIRE(datum_write(&out, bytes) == size);
            cursor = msgpack_open(slice_make(bytes, size));
            REQUIRE(!msgpack_skip(&cursor, MSGPACK_DEPTH_MAX, NULL));
            REQUIRE(msgpack_at_end(&cursor));
            free(bytes);
        }
        for (unsigned i = 0; i < c.count; i++)
            buffer_fini(&buffers[i]);
        query_rig_close(&rig);
    }
}
END_TEST

/* ---- aggregates ---- */

static const struct {
    const char *name;
    bool is_distinct;
    const char *values, *result;
} aggregates[] = {
    {"count", false, "[1,nil,\"x\",1]", "3"},
    {"count", true, "[1,nil,1.0,2]", "2"},
    {"count", false, "[]", "0"},
    {"sum", false, "[1,2,nil]", "3"},
    {"sum", false, "[]", "nil"},
    {"sum", false, "[nil]", "nil"},
    {"sum", false, "[18446744073709551615,18446744073709551615,-9223372036854775808]", refused},
    {"sum", false, "[18446744073709551615,1,-1]", "18446744073709551615"},
    {"sum", false, "[1,0.5]", "1.5"},
    {"sum", false, "[1e308,1e308,-1e308]", "1e308"},
    {"sum", false, "[1e308,1e308]", refused},
    {"sum", false, "[0.1,0.2,0.3]", "0.6"},
    {"sum", false, "[9007199254740993,0.5,-9007199254740992]", "1.5"},
    {"sum", false, "[\"x\"]", refused},
    {"sum", true, "[2,2,3]", "5"},
    {"avg", false, "[1,2]", "1.5"},
    {"avg", false, "[nil]", "nil"},
    {"avg", false, "[18446744073709551615,18446744073709551615]", "18446744073709551616.0"},
    {"avg", false, "[\"x\"]", refused},
    {"min", false, "[3,\"a\",nil,2]", "2"},
    {"max", false, "[3,\"a\",nil,2]", "\"a\""},
    {"max", false, "[\"a\",\"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\",\"c\"]",
     "\"c\""},
    {"min", false, "[]", "nil"},
    {"min", false, "[[2],[1,5]]", "[1,5]"},
    {"array_agg", false, "[1,nil,[2]]", "[1,nil,[2]]"},
    {"array_agg", true, "[1,nil,nil,1]", "[1,nil]"},
    {"array_agg", false, "[]", "nil"},
};

START_TEST(aggregates_answer_what_the_reference_says)
{
    struct query_rig rig;
    struct aggregate a;
    struct datum list, item, out;
    struct datum_walk w;
    enum datum_fault fault;

    query_rig_open(&rig);
    list = query_rig_value(&rig, aggregates[_i].values);
    w = datum_elements(&list);
    fault = aggregate_init(&rig.m, &a, aggregate_named(slice_text(aggregates[_i].name), false),
                           aggregates[_i].is_distinct, 1);
    while (!fault && datum_next_element(&w, &item))
        fault = aggregate_add(&rig.m, &a, &item);
    if (!fault)
        fault = aggregate_result(&rig.m, &a, &out);
    ck_assert_msg(!!fault == (aggregates[_i].result == refused), "%s%s: fault %d: %s",
                  aggregates[_i].name, aggregates[_i].values, fault, rig.m.why);
    if (!fault)
        query_rig_expect(&out, aggregates[_i].result, aggregates[_i].values);
    query_rig_close(&rig);
}
END_TEST

START_TEST(aggregates_have_names)
{
    ck_assert_int_eq(aggregate_named(slice_text("COUNT"), true), AGGREGATE_COUNT_ROWS);
    ck_assert_int_eq(aggregate_named(slice_text("sum"), true), AGGREGATE_NONE);
    ck_assert_int_eq(aggregate_named(slice_text("summ"), false), AGGREGATE_NONE);
}
END_TEST

static double random_double(struct dice *d)
{
    uint64_t bits = dice_next(d);
    double x;

    memcpy(&x, &bits, sizeof x);
    return isfinite(x) ? x : 1;
}

/* Whatever the order, and with what takes itself back in between, one sum. */
START_TEST(sums_do_not_depend_on_order)
{
    struct dice d = {(uint64_t)_i << 32};

    for (unsigned n = 0; n < 300; n++) {
        struct exact_sum forwards, backwards;
        double values[20];
        unsigned count = 1 + (unsigned)dice_below(&d, 20);

        exact_sum_init(&forwards);
        exact_sum_init(&backwards);
        for (unsigned i = 0; i < count; i++) {
            values[i] =
                dice_below(&d, 2) ? random_double(&d) : (double)(int64_t)dice_next(&d) / 1024;
            exact_sum_add(&forwards, values[i]);
        }
        for (unsigned i = count; i-- > 0;) {
            exact_sum_add(&backwards, 1e300);
            exact_sum_add(&backwards, values[i]);
            exact_sum_add(&backwards, -1e300);
        }
        REQUIRE(exact_sum_round(&forwards) == exact_sum_round(&backwards));
        exact_sum_init(&forwards);
        exact_sum_add(&forwards, values[0]);
        REQUIRE(exact_sum_round(&forwards) == values[0]);
        exact_sum_add(&forwards, -values[0]);
        REQUIRE(exact_sum_round(&forwards) == 0);
    }
}
END_TEST

/* Two doubles, or integers, whose sum the processor rounds rightly. */
START_TEST(sums_are_rounded_once)
{
    struct dice d = {(uint64_t)_i << 32 | 7};

    for (unsigned n = 0; n < 5000; n++) {
        double a = random_double(&d), b = dice_below(&d, 2) ? random_double(&d) : a * 0.75;
        __int128 whole = (__int128)(int64_t)dice_next(&d) * (int64_t)dice_next(&d);
        struct exact_sum s;

        exact_sum_init(&s);
        exact_sum_add(&s, a);
        exact_sum_add(&s, b);
        REQUIRE(exact_sum_round(&s) == a + b);
        exact_sum_init(&s);
        exact_sum_add_whole(&s, whole);
        REQUIRE(exact_sum_round(&s) == (double)whole);
    }
}
END_TEST

#define COUNT(table) (int)(sizeof table / sizeof table[0])

int main(void)
{
    Suite *s = suite_create("query_functions");
    TCase *t = tcase_create("all");
    SRunner *r;
    int failed;

    tcase_add_loop_test(t, functions_answer_what_the_reference_says, 0, COUNT(calls));
    tcase_add_test(t, near_names_are_told);
    tcase_add_test(t, each_function_says_what_it_is);
    tcase_add_loop_test(t, functions_stand_any_values, 0, 4);
    tcase_add_loop_test(t, aggregates_answer_what_the_reference_says, 0, COUNT(aggregates));
    tcase_add_test(t, aggregates_have_names);
    tcase_add_loop_test(t, sums_do_not_depend_on_order, 0, 4);
    tcase_add_loop_test(t, sums_are_rounded_once, 0, 2);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
