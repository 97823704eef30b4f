/* test_condition.c - conditions, sentence by sentence, and the order of values without keys. */
#include "server/storage/condition.h"
#include "server/storage/key.h"
#include "server/storage/value_order.h"

#include "notation.h"

#include <check.h>
#include <stdlib.h>

#define DOCUMENT                                                                         \
    "{\"state\":\"open\",\"age\":18,\"none\":nil,\"tags\":[\"x\",[1]],\"at\":{\"city\":" \
    "\"Rome\"},"                                                                         \
    "\"nan\":nan,\"big\":18446744073709551615,\"when\":t5,\"yes\":T,\"bin\":b'ab'}"

static const struct {
    const char *condition;
    bool holds;
} sentences[] = {
    {"{}", true},
    {"{\"state\":\"open\"}", true},
    {"{\"state\":\"opened\"}", false},
    {"{\"state\":\"open\",\"age\":18.0}", true}, /* 18 and 18.0 are one key */
    {"{\"state\":\"open\",\"age\":19}", false},
    {"{\"age\":{\"$eq\":18}}", true},
    {"{\"age\":{\"$ne\":18}}", false},
    {"{\"age\":{\"$ne\":\"18\"}}", true},
    {"{\"age\":{\"$gt\":17.5}}", true},
    {"{\"age\":{\"$gt\":18}}", false},
    {"{\"age\":{\"$gte\":18,\"$lt\":65}}", true},
    {"{\"age\":{\"$gte\":18,\"$lt\":18}}", false},
    {"{\"age\":{\"$lte\":18}}", true},
    {"{\"big\":{\"$gt\":18446744073709551614.0}}", false}, /* as a float it is 2^64 */
    {"{\"big\":{\"$gt\":18446744073709551614}}", true},
    /* across types */
    {"{\"state\":{\"$gt\":1e300}}", true},
    {"{\"when\":{\"$gt\":1e300,\"$lt\":\"\"}}", true},
    {"{\"bin\":{\"$gt\":\"zzz\",\"$lt\":[]}}", true},
    {"{\"none\":{\"$lt\":F}}", true},
    {"{\"yes\":{\"$gt\":F,\"$lt\":-1e300}}", true},
    {"{\"tags\":{\"$gt\":b'zzz'}}", true},
    {"{\"tags\":[\"x\",[1]]}", true},
    {"{\"tags\":{\"$gt\":[\"x\"],\"$lt\":[\"x\",[1],0]}}", true},
    {"{\"tags\":{\"$lt\":[\"x\",[2]]}}", true},
    /* absent, and what cannot be a key */
    {"{\"none\":nil}", true},
    {"{\"nothing\":nil}", false},
    {"{\"nothing\":{\"$ne\":1}}", false},
    {"{\"nothing\":{\"$lt\":1}}", false},
    {"{\"nan\":{\"$ne\":1}}", false},
    {"{\"at\":{\"$ne\":1}}", false},
    {"{\"nothing\":{\"$exists\":F}}", true},
    {"{\"nothing\":{\"$exists\":T}}", false},
    {"{\"none\":{\"$exists\":T}}", true},
    {"{\"nan\":{\"$exists\":T}}", true},
    /* fields of fields, places in arrays */
    {"{\"at\":{\"city\":\"Rome\"}}", true},
    {"{\"at\":{\"city\":{\"$lt\":\"Rome\"}}}", false},
    {"{\"at\":{\"street\":{\"$exists\":F}}}", true},
    {"{\"state\":{\"city\":{\"$exists\":F}}}", true},
    {"{\"tags\":{0:\"x\",1:{0:1}}}", true},
    {"{\"tags\":{2:\"x\"}}", false},
    {"{\"at\":{0:\"Rome\"}}", false},
    {"{\"tags\":{\"0\":\"x\"}}", false},
    /* and, or */
    {"{\"$and\":[{\"state\":\"open\"},{\"age\":18}]}", true},
    {"{\"$and\":[{\"state\":\"open\"},{\"age\":19}]}", false},
    {"{\"$or\":[{\"state\":\"closed\"},{\"age\":18}]}", true},
    {"{\"$or\":[{\"state\":\"closed\"},{\"age\":19}]}", false},
    {"{\"$or\":[{\"$and\":[{\"age\":1}]},{\"$and\":[{\"age\":18},{}]}],\"state\":\"open\"}",
     true},
    {"{\"age\":{\"$or\":[{\"$lt\":10},{\"$gt\":17}]}}", true},
    {"{\"age\":{\"$gt\":1,\"$and\":[{\"$lt\":10}]}}", false},
    /* the document itself */
    {"{\"$exists\":T}", true},
    {"{\"$gt\":1}", false},
};

START_TEST(each_condition_holds_or_not)
{
    struct buffer condition = packed(sentences[_i].condition), document = packed(DOCUMENT);
    struct failure f;
    uint8_t *exact = exact_copy(buffer_slice(&document));

    failure_init(&f);
    ck_assert_msg(!condition_check(buffer_slice(&condition), &f), "%s: %s",
                  sentences[_i].condition, f.text);
    ck_assert_msg(condition_holds(buffer_slice(&condition), slice_make(exact, document.size)) ==
                      sentences[_i].holds,
                  "%s does not %s", sentences[_i].condition,
                  sentences[_i].holds ? "hold" : "fail");
    free(exact);
    buffer_fini(&condition);
    buffer_fini(&document);
}
END_TEST

static const struct {
    const char *condition, *words;
} refusals[] = {
    {"5", "where: expected a map"},
    {"[]", "where: expected a map"},
    {"{\"age\":{}}", "where, at \"age\": expected a value, operators"},
    {"{\"age\":{\"$foo\":1}}", "where, at \"age\", \"$foo\": unknown operator; expected $eq"},
    {"{\"age\":{\"$gte\":{}}}", "at \"age\", \"$gte\": this value cannot be compared"},
    {"{\"age\":nan}", "at \"age\": this value cannot be compared"},
    {"{\"age\":[{}]}", "at \"age\": this value cannot be compared"},
    {"{\"age\":e}", "at \"age\": this value cannot be compared"},
    {"{\"age\":{\"$exists\":1}}", "at \"age\", \"$exists\": expected true or false"},
    {"{\"age\":{\"$gt\":1,\"x\":1}}", "at \"age\", \"x\": unknown operator"},
    {"{\"age\":{\"x\":1,\"$gt\":1}}", "at \"age\", \"$gt\": operators and fields cannot"},
    {"{\"$and\":{}}", "at \"$and\": expected a list"},
    {"{\"$or\":[]}", "at \"$or\": expected a list of at least one"},
    {"{\"$and\":[{},7]}", "at \"$and\", 1: expected a map"},
    {"{\"$and\":[{\"a\":{\"$x\":1}}]}", "at \"$and\", 0, \"a\", \"$x\": unknown operator"},
    {"{1.5:1}", "each step of a path must be"},
    {"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{"
     "\"a\":"
     "{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}}}}}}}}}}",
     "nested too deeply"},
};

START_TEST(what_is_no_condition_says_where)
{
    struct buffer condition = packed(refusals[_i].condition);
    struct failure f;

    failure_init(&f);
    ck_assert_int_eq(condition_check(buffer_slice(&condition), &f), ERR_BAD_REQUEST);
    ck_assert_msg(strstr(f.text, refusals[_i].words) != NULL, "\"%s\" lacks \"%s\"", f.text,
                  refusals[_i].words);
    buffer_fini(&condition);
}
END_TEST

START_TEST(a_condition_is_bounded)
{
    uint8_t *large = calloc(1, CONDITION_BYTES_MAX + 1);
    struct failure f;

    failure_init(&f);
    ck_assert_int_eq(condition_check(slice_make(large, CONDITION_BYTES_MAX + 1), &f),
                     ERR_TOO_LARGE);
    free(large);
}
END_TEST

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

/* Values compare as a model says, and as their keys do. */
START_TEST(values_compare_as_keys_do)
{
    struct dice dice = {(uint64_t)_i + 5};
    uint8_t *keys = malloc(2 * KEY_BYTES_MAX);

    for (unsigned round = 0; round < 3000; round++) {
        struct buffer v[2] = {{0}, {0}};
        msgpack_unpacked object[2];
        size_t size[2] = {0, 0};
        uint8_t *exact[2];
        int order;

        for (unsigned i = 0; i < 2; i++) {
            value_make_key(&dice, 3, &v[i]);
            if (i && dice_below(&dice, 8) == 0) { /* nearly the same */
                buffer_clear(&v[1]);
                buffer_put(&v[1], v[0].data, v[0].size);
            }
            exact[i] = exact_copy(buffer_slice(&v[i]));
            msgpack_unpacked_init(&object[i]);
            REQUIRE(msgpack_unpack_next(&object[i], (const char *)v[i].data, v[i].size, NULL) ==
                    MSGPACK_UNPACK_SUCCESS);
            REQUIRE(value_is_key(slice_make(exact[i], v[i].size), VALUE_TYPES_ALL));
        }
        order = sign(
            value_compare(slice_make(exact[0], v[0].size), slice_make(exact[1], v[1].size)));
        REQUIRE(order == sign(object_key_order(&object[0].data, &object[1].data)));
        if (!key_encode_value(buffer_slice(&v[0]), false, keys, KEY_BYTES_MAX, &size[0]) &&
            !key_encode_value(buffer_slice(&v[1]), false, keys + KEY_BYTES_MAX, KEY_BYTES_MAX,
                              &size[1]))
            REQUIRE(order == sign(slice_compare(slice_make(keys, size[0]),
                                                slice_make(keys + KEY_BYTES_MAX, size[1]))));
        for (unsigned i = 0; i < 2; i++) {
            msgpack_unpacked_destroy(&object[i]);
            buffer_fini(&v[i]);
            free(exact[i]);
        }
    }
    free(keys);
}
END_TEST

START_TEST(any_value_is_a_key_or_not_as_the_encoder_says)
{
    struct dice dice = {(uint64_t)_i + 9};
    uint8_t *key = malloc(KEY_BYTES_MAX);

    for (unsigned round = 0; round < 3000; round++) {
        struct buffer v = {0};
        msgpack_unpacked object;
        size_t size;

        value_make(&dice, 3, &v);
        msgpack_unpacked_init(&object);
        if (!msgpack_check_document(buffer_slice(&v), MSGPACK_DEPTH_MAX, NULL) &&
            msgpack_unpack_next(&object, (const char *)v.data, v.size, NULL) ==
                MSGPACK_UNPACK_SUCCESS &&
            key_encode_value(buffer_slice(&v), false, key, KEY_BYTES_MAX, &size) !=
                ERR_TOO_LARGE)
            REQUIRE(value_is_key(buffer_slice(&v), VALUE_TYPES_ALL) ==
                    object_is_key(&object.data));
        msgpack_unpacked_destroy(&object);
        buffer_fini(&v);
    }
    free(key);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("condition");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(all, each_condition_holds_or_not, 0,
                        sizeof sentences / sizeof sentences[0]);
    tcase_add_loop_test(all, what_is_no_condition_says_where, 0,
                        sizeof refusals / sizeof refusals[0]);
    tcase_add_test(all, a_condition_is_bounded);
    tcase_add_loop_test(all, values_compare_as_keys_do, 0, 5);
    tcase_add_loop_test(all, any_value_is_a_key_or_not_as_the_encoder_says, 0, 5);
    suite_add_tcase(s, all);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
