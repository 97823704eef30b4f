/* JSON to MessagePack and back, base64, moments and text on terminals. */
#include "client/cli/base64.h"
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "proto/timestamp.h"
#include "proto/msgpack.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static unsigned random_below(unsigned n)
{
    return (unsigned)(random_next() >> 20) % n;
}

static struct slice packed(const struct hf_pack *p)
{
    return slice_make(p->data ? p->data : (const uint8_t *)"", p->size);
}

/* ---- Values, made at random ---- */

static void random_text(struct hf_pack *p)
{
    static const uint32_t points[] = {'a',     '"',      '\\', '\n',   0x00,   0x1b,
                                      0x7f,    0x9b,     0xe9, 0x202e, 0x20ac, 0xfffd,
                                      0x1f1e6, 0x10ffff, '$',  ' ',    0xd7ff, 0xe000};
    struct hf_pack text = {0};
    unsigned count = random_below(5) == 0 ? random_below(400) : random_below(6);

    for (unsigned i = 0; i < count; i++)
        text_put(&text, points[random_below(sizeof points / sizeof points[0])]);
    hf_pack_text_bytes(p, hf_pack_bytes(&text));
    hf_pack_fini(&text);
}

static void random_bytes(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)random_next();
}

static void random_double(struct hf_pack *p)
{
    static const double special[] = {0.0,
                                     -0.0,
                                     1.0,
                                     -1.0,
                                     0.1,
                                     1e15,
                                     1e16,
                                     1e300,
                                     DBL_MAX,
                                     DBL_MIN,
                                     4.9e-324,
                                     INFINITY,
                                     -INFINITY,
                                     9007199254740993.0,
                                     18446744073709551616.0,
                                     1.0 / 3};
    uint64_t bits = random_next();
    double d;

    memcpy(&d, &bits, sizeof d);
    if (random_below(2) || isnan(d))
        d = special[random_below(sizeof special / sizeof special[0])];
    hf_pack_double(p, d);
}

/* Any bits, of 32 or 64: NaNs with a payload and a sign too. */
static void random_float_bits(struct hf_pack *p)
{
    bool small = random_below(2);
    uint8_t bytes[9] = {small ? 0xca : 0xcb};

    random_bytes(bytes + 1, 8);
    if (random_below(2)) {
        bytes[1] |= 0x7f;
        bytes[2] |= small ? 0x80 : 0xf0;
    }
    hf_pack_raw(p, (struct hf_bytes){bytes, small ? 5 : 9});
}

static void random_integer(struct hf_pack *p)
{
    uint64_t n = random_next() >> random_below(64);

    if (random_below(2))
        hf_pack_uint(p, n);
    else
        hf_pack_int(p, (int64_t)(0 - (n >> 1)) - (int64_t)random_below(2));
}

static void random_value(struct hf_pack *p, int depth);

static void random_map(struct hf_pack *p, int depth)
{
    static const char *const names[] = {"$binary", "$map", "$$x", "$", "$unknown", "a", ""};
    uint32_t pairs = random_below(4) == 0 ? random_below(20) : random_below(3);
    bool texts = random_below(3) > 0;

    hf_pack_map(p, pairs);
    for (uint32_t i = 0; i < pairs; i++) {
        if (texts && random_below(2))
            hf_pack_text(p, names[random_below(7)]);
        else if (texts)
            random_text(p);
        else
            random_value(p, depth + 1);
        random_value(p, depth + 1);
    }
}

static void random_value(struct hf_pack *p, int depth)
{
    uint8_t bytes[40];
    uint32_t count;

    random_bytes(bytes, sizeof bytes);
    switch (random_below(depth > 4 ? 8 : 11)) {
    case 0: hf_pack_nil(p); break;
    case 1: hf_pack_bool(p, random_below(2)); break;
    case 2:
    case 3: random_integer(p); break;
    case 4:
        if (random_below(2))
            random_double(p);
        else
            random_float_bits(p);
        break;
    case 5: random_text(p); break;
    case 6: hf_pack_binary(p, (struct hf_bytes){bytes, random_below(sizeof bytes)}); break;
    case 7:
        if (random_below(2))
            hf_pack_timestamp(p, (int64_t)random_next() >> random_below(63),
                              random_below(2) ? random_below(1000000000) : 0);
        else
            hf_pack_ext(p, (int8_t)(random_below(120)),
                        (struct hf_bytes){bytes, random_below(sizeof bytes)});
        break;
    case 8:
    case 9:
        count = random_below(4) == 0 ? random_below(20) : random_below(3);
        hf_pack_array(p, count);
        while (count-- > 0)
            random_value(p, depth + 1);
        break;
    default: random_map(p, depth);
    }
}

static void check_round_trip(struct slice value)
{
    struct hf_pack text = {0}, back = {0};
    struct json_error error = {0};

    json_print(value, random_next() & 1 ? JSON_INDENT : JSON_TYPED, &text);
    ck_assert_msg(json_parse(packed(&text), JSON_TYPED, &back, &error), "%lu:%lu: %s\n%.*s",
                  error.line, error.column, error.message,
                  (int)(text.size < 500 ? text.size : 500), text.data);
    ck_assert_msg(slice_equal(packed(&back), value), "came back otherwise: %.*s",
                  (int)(text.size < 500 ? text.size : 500), text.data);
    hf_pack_fini(&text);
    hf_pack_fini(&back);
}

/* Whatever MessagePack in its shortest form says, JSON says too. */
START_TEST(any_value_comes_back_from_json_byte_for_byte)
{
    struct hf_pack value = {0};

    random_state = 0x9e3779b97f4a7c15u * (uint64_t)(_i + 1);
    for (int i = 0; i < 800; i++) {
        hf_pack_reset(&value);
        random_value(&value, 0);
        check_round_trip(packed(&value));
    }
    hf_pack_fini(&value);
}
END_TEST

/* At the deepest, with all that takes further levels of JSON inside. */
START_TEST(the_deepest_value_comes_back_too)
{
    for (int kind = 0; kind < 3; kind++) {
        struct hf_pack value = {0};

        for (int depth = 0; depth < JSON_DEPTH_MAX; depth++) {
            if (kind == 0) {
                hf_pack_array(&value, 1);
            } else if (kind == 1) {
                hf_pack_map(&value, 1);
                hf_pack_text(&value, "$a");
            } else {
                hf_pack_map(&value, 1);
                hf_pack_uint(&value, 1);
            }
        }
        hf_pack_ext(&value, 5, (struct hf_bytes){"abc", 3});
        check_round_trip(packed(&value));
        hf_pack_fini(&value);
    }
}
END_TEST

static void check_prints(const char *from, const char *to)
{
    struct hf_pack value = {0}, text = {0};
    struct json_error error;

    ck_assert_msg(json_parse(slice_text(from), JSON_TYPED, &value, &error), "%s: %s", from,
                  error.message);
    json_print(packed(&value), JSON_TYPED, &text);
    ck_assert_msg(slice_equal(packed(&text), slice_text(to)), "%s became %.*s, not %s", from,
                  (int)(text.size < 500 ? text.size : 500), text.data, to);
    hf_pack_fini(&value);
    hf_pack_fini(&text);
}

START_TEST(values_print_as_documented)
{
    check_prints(" [ 1 , -2 ,\t3.0, 1e2, true,false,null,\"x\" ]\r\n",
                 "[1,-2,3.0,100.0,true,false,null,\"x\"]");
    check_prints("18446744073709551615", "18446744073709551615");
    check_prints("18446744073709551616", "1.8446744073709552e+19");
    check_prints("-9223372036854775808", "-9223372036854775808");
    check_prints("-9223372036854775809", "-9.223372036854776e+18");
    check_prints("-0", "0");
    check_prints("-0.0", "-0.0");
    check_prints("0.1", "0.1");
    check_prints("0.30000000000000004", "0.30000000000000004");
    check_prints("5e-324", "5e-324");
    check_prints("1.7976931348623157e308", "1.7976931348623157e+308");
    check_prints("\"\\u00e9\\ud83d\\ude00\\/\\b\"", "\"\xc3\xa9\xf0\x9f\x98\x80/\\u0008\"");
    check_prints("\"\xc2\x9b\xe2\x80\xae\x7f\"", "\"\\u009b\\u202e\\u007f\"");
    check_prints("{\"$binary\":\"aGk=\"}", "{\"$binary\":\"aGk=\"}");
    check_prints("{\"$timestamp\":\"2026-01-02T03:04:05.000000006Z\"}",
                 "{\"$timestamp\":\"2026-01-02T03:04:05.000000006Z\"}");
    check_prints("{\"$timestamp\":\"2026-01-02T03:04:05.25+01:30\"}",
                 "{\"$timestamp\":\"2026-01-02T01:34:05.250000000Z\"}");
    check_prints("{\"$timestamp\":[99999999999999,5]}", "{\"$timestamp\":[99999999999999,5]}");
    check_prints("{\"$ext\":[-5,\"AQI=\"]}", "{\"$ext\":[-5,\"AQI=\"]}");
    check_prints("{\"$float\":\"-inf\"}", "{\"$float\":\"-inf\"}");
    check_prints("{\"$float\":\"0xfff8000000000000\"}", "{\"$float\":\"0xfff8000000000000\"}");
    check_prints("{\"$float\":\"0x7ff8000000000000\"}", "{\"$float\":\"nan\"}");
    check_prints("{\"$float\":\"0x3ff8000000000000\"}", "1.5");
    check_prints("{\"$float32\":0.1}", "{\"$float32\":0.1}");
    check_prints("{\"$float32\":-3}", "{\"$float32\":-3.0}");
    check_prints("{\"$float32\":\"nan\"}", "{\"$float32\":\"nan\"}");
    check_prints("{\"$float32\":\"0xff800001\"}", "{\"$float32\":\"0xff800001\"}");
    check_prints("{\"$map\":[[1,2],[[3],{}]]}", "{\"$map\":[[1,2],[[3],{}]]}");
    check_prints("{\"$map\":[[\"a\",2]]}", "{\"a\":2}");
    check_prints("{\"$$binary\":1}", "{\"$$binary\":1}");
    check_prints("{\"$binary\":1,\"x\":2}", "{\"$binary\":1,\"x\":2}");
    check_prints("{}", "{}");
}
END_TEST

/* Other programs write such maps, and mean nothing by the sign. */
START_TEST(plain_json_comes_back_as_it_was)
{
    static const char *const texts[] = {
        "{\"_id\":{\"$oid\":\"5a68fdc3615eda645bc6bdec\"},\"n\":{\"$numberInt\":\"1\"}}",
        "{\"$binary\":1}",
        "{\"$map\":[[1,2]]}",
        "{\"$$ref\":{\"$ref\":{\"$\":[]}}}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct hf_pack value = {0}, text = {0};
        struct json_error error;

        ck_assert(json_parse(slice_text(texts[i]), JSON_PLAIN, &value, &error));
        json_print(packed(&value), JSON_PLAIN, &text);
        ck_assert(slice_equal(packed(&text), slice_text(texts[i])));
        hf_pack_fini(&text);
        check_round_trip(packed(&value));
        hf_pack_fini(&value);
    }
}
END_TEST

START_TEST(errors_say_line_and_column)
{
    static const struct {
        const char *text;
        unsigned long line, column;
        const char *message;
    } cases[] = {
        {"", 1, 1, "expected a value"},
        {"  ", 1, 3, "expected a value"},
        {"[1,\n 2,\n x]", 3, 2, "not valid JSON"},
        {"[\"\xc3\xa9\xc3\xa9\" 5]", 1, 7, "expected \",\" or \"]\""},
        {"{\"a\" 1}", 1, 6, "expected \":\""},
        {"{a:1}", 1, 2, "double quotes"},
        {"{\"a\":1,}", 1, 8, "double quotes"},
        {"[1,]", 1, 4, "not valid JSON"},
        {"01", 1, 1, "leading zeros"},
        {"-", 1, 1, "digit"},
        {"1.", 1, 3, "digit"},
        {"1e", 1, 3, "digit"},
        {"1e999", 1, 1, "out of range"},
        {"\"abc", 1, 5, "unterminated"},
        {"\"a\nb\"", 1, 3, "control character"},
        {"\"\\x\"", 1, 2, "escape"},
        {"\"\\ud800\"", 1, 2, "surrogate"},
        {"\"\\udc00\"", 1, 2, "surrogate"},
        {"\"\\ud800\\u0041\"", 1, 2, "surrogate"},
        {"\"\\u12g4\"", 1, 6, "hexadecimal"},
        {"\"\xff\"", 1, 2, "UTF-8"},
        {"\"\xc0\x80\"", 1, 2, "UTF-8"},
        {"1 2", 1, 3, "unexpected text"},
        {"nul", 1, 1, "not valid JSON"},
        {"{\"$foo\":1}", 1, 1, "to store a field with that name write \"$$foo\""},
        {"{\"$binary\":\"a\"}", 1, 1, "base64"},
        {"{\"$binary\":\"aGl=\"}", 1, 1, "base64"},
        {"{\"$binary\":5}", 1, 1, "base64"},
        {"{\"$timestamp\":\"2026-02-29T00:00:00Z\"}", 1, 1, "$timestamp takes"},
        {"{\"$timestamp\":[1]}", 1, 1, "$timestamp takes"},
        {"{\"$ext\":[200,\"\"]}", 1, 1, "$ext takes"},
        {"{\"$float\":1}", 1, 1, "$float takes"},
        {"{\"$float\":\"0x7ff\"}", 1, 1, "$float takes"},
        {"{\"$float32\":1e39}", 1, 1, "$float32 takes"},
        {"{\"$float32\":\"0x7fc0000g\"}", 1, 1, "$float32 takes"},
        {"{\"$map\":[[1]]}", 1, 1, "$map takes"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hf_pack out = {0};
        struct json_error error;

        ck_assert_msg(!json_parse(slice_text(cases[i].text), JSON_TYPED, &out, &error), "%s",
                      cases[i].text);
        ck_assert_msg(error.line == cases[i].line && error.column == cases[i].column &&
                          strstr(error.message, cases[i].message),
                      "%s: %lu:%lu: %s", cases[i].text, error.line, error.column,
                      error.message);
        ck_assert_uint_eq(out.size, 0);
        hf_pack_fini(&out);
    }
}
END_TEST

START_TEST(nesting_ends_at_the_limit)
{
    char text[4000] = "";
    struct hf_pack out = {0};
    struct json_error error;

    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    ck_assert(json_parse(slice_text(text), JSON_TYPED, &out, &error));
    memset(text, '[', JSON_DEPTH_MAX + 1);
    ck_assert(!json_parse(slice_text(text), JSON_TYPED, &out, &error));
    ck_assert_uint_eq(error.column, JSON_DEPTH_MAX + 1);
    text[0] = '\0';
    for (int i = 0; i < 300; i++)
        strcat(text, "{\"$map\":");
    ck_assert(!json_parse(slice_text(text), JSON_TYPED, &out, &error));
    ck_assert_ptr_nonnull(strstr(error.message, "deeper"));
    hf_pack_fini(&out);
}
END_TEST

/* Broken input of any kind is an error or a value, never more. */
START_TEST(mutilated_json_is_an_error_or_a_value)
{
    static const char seed[] =
        "{\"a\":[1,-2.5e3,\"\\u00e9\\ud83d\\ude00\",{\"$binary\":\"aGk=\"}],"
        "\"b\":{\"$ext\":[1,\"AQ==\"]},\"c\":{\"$map\":[[1,2]]},\"d\":null}";

    random_state = 77;
    for (int i = 0; i < 4000; i++) {
        size_t size = sizeof seed - 1;
        char *text = malloc(size); /* no terminator: reading too far is seen */
        struct hf_pack out = {0};
        struct json_error error;

        memcpy(text, seed, size);
        for (unsigned k = random_below(4); k > 0; k--)
            text[random_below((unsigned)size)] = (char)random_next();
        if (random_below(2))
            size = random_below((unsigned)size);
        char *exact = malloc(size ? size : 1);
        memcpy(exact, text, size);
        if (json_parse(slice_make(exact, size), JSON_TYPED, &out, &error))
            ck_assert_uint_eq(hf_value_size(hf_pack_bytes(&out)), out.size);
        free(exact);
        free(text);
        hf_pack_fini(&out);
    }
}
END_TEST

/* The same for what a broken server might send. */
START_TEST(mutilated_messagepack_prints_something)
{
    struct hf_pack value = {0}, text = {0};

    random_state = 99;
    for (int i = 0; i < 4000; i++) {
        uint8_t *exact;

        hf_pack_reset(&value);
        hf_pack_reset(&text);
        random_value(&value, 0);
        for (unsigned k = random_below(4); k > 0; k--)
            value.data[random_below((unsigned)value.size)] = (uint8_t)random_next();
        value.size = 1 + random_below((unsigned)value.size);
        exact = malloc(value.size);
        memcpy(exact, value.data, value.size);
        json_print(slice_make(exact, value.size), random_below(2) ? JSON_INDENT : JSON_TYPED,
                   &text);
        ck_assert_uint_gt(text.size, 0);
        for (size_t k = 0; k < text.size; k++)
            ck_assert(text.data[k] >= 0x20 || text.data[k] == '\n');
        free(exact);
    }
    hf_pack_fini(&value);
    hf_pack_fini(&text);
}
END_TEST

START_TEST(base64_comes_back_and_takes_nothing_else)
{
    static const char *const bad[] = {
        "a", "ab", "abc", "a===", "ab=c", "====", "aGk=aGk=", "aG k", "aGl=", "aH==", "a\n=="};
    uint8_t bytes[100];

    random_state = 5;
    for (size_t size = 0; size < sizeof bytes; size++) {
        struct hf_pack text = {0}, back = {0};

        random_bytes(bytes, size);
        base64_encode(&text, slice_make(bytes, size));
        ck_assert(base64_decode(&back, packed(&text)));
        ck_assert(slice_equal(packed(&back), slice_make(bytes, size)));
        hf_pack_fini(&text);
        hf_pack_fini(&back);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hf_pack out = {0};

        ck_assert_msg(!base64_decode(&out, slice_text(bad[i])), "%s", bad[i]);
        ck_assert_uint_eq(out.size, 0);
        hf_pack_fini(&out);
    }
}
END_TEST

/* Against the C library's calendar, over all years that the text form has. */
START_TEST(moments_agree_with_gmtime)
{
    random_state = 11;
    for (int i = 0; i < 4000; i++) {
        uint64_t span = (uint64_t)(TIMESTAMP_SECONDS_MAX - TIMESTAMP_SECONDS_MIN) + 1;
        int64_t seconds = TIMESTAMP_SECONDS_MIN + (int64_t)(random_next() % span), back;
        uint32_t nanoseconds = random_below(1000000000), nanoseconds_back;
        char text[TIMESTAMP_TEXT_MAX], expected[64];
        time_t time = seconds;
        struct tm tm;

        timestamp_print(text, seconds, nanoseconds);
        gmtime_r(&time, &tm);
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02d.%09uZ",
                 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                 nanoseconds);
        if (nanoseconds)
            ck_assert_str_eq(text, expected);
        ck_assert(timestamp_parse(slice_text(text), &back, &nanoseconds_back));
        ck_assert_int_eq(back, seconds);
        ck_assert_uint_eq(nanoseconds_back, nanoseconds);
    }
}
END_TEST

START_TEST(moments_that_are_none_are_refused)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-13-02T03:04:05Z",
        "2026-00-02T03:04:05Z",
        "2026-04-31T03:04:05Z",
        "2026-01-02T24:04:05Z",
        "2026-01-02T03:60:05Z",
        "2026-01-02T03:04:60Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05.1234567890Z",
        "2026-01-02T03:04:05+1:00",
        "2026-01-02T03:04:05Zx",
        "1900-02-29T00:00:00Z",
        "2026-01-02T03:04:05+24:00",
    };
    int64_t seconds;
    uint32_t nanoseconds;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!timestamp_parse(slice_text(bad[i]), &seconds, &nanoseconds), "%s",
                      bad[i]);
    ck_assert(timestamp_parse(slice_text("2000-02-29 00:00:00.5z"), &seconds, &nanoseconds));
    ck_assert_uint_eq(nanoseconds, 500000000);
}
END_TEST

START_TEST(text_for_terminals_moves_no_cursor)
{
    static const char evil[] = "a\x1b[2J\r\n\t\x07\\\xc2\x9b\xe2\x80\xae\xff"
                               "b";
    struct hf_pack out = {0};
    size_t used;

    text_escape(&out, slice_make(evil, sizeof evil - 1));
    ck_assert(
        slice_equal(packed(&out), slice_text("a\\u001b[2J\\u000d\\n\\t\\u0007\\\\\\u009b\\u202e"
                                             "\xef\xbf\xbd"
                                             "b")));
    hf_pack_fini(&out);
    ck_assert_uint_eq(text_width(slice_text("abc")), 3);
    ck_assert_uint_eq(text_width(slice_text("\xe6\x97\xa5\xe6\x9c\xac")), 4); /* two wide */
    ck_assert_uint_eq(text_width(slice_text("e\xcc\x81")), 1);                /* a mark */
    ck_assert_uint_eq(text_fit(slice_text("\xe6\x97\xa5\xe6\x9c\xac"), 3, &used), 3);
    ck_assert_uint_eq(used, 2);
    ck_assert_uint_eq(text_fit(slice_text("e\xcc\x81x"), 1, &used), 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_json");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, any_value_comes_back_from_json_byte_for_byte, 0, 4);
    tcase_add_test(tc, the_deepest_value_comes_back_too);
    tcase_add_test(tc, values_print_as_documented);
    tcase_add_test(tc, plain_json_comes_back_as_it_was);
    tcase_add_test(tc, errors_say_line_and_column);
    tcase_add_test(tc, nesting_ends_at_the_limit);
    tcase_add_test(tc, mutilated_json_is_an_error_or_a_value);
    tcase_add_test(tc, mutilated_messagepack_prints_something);
    tcase_add_test(tc, base64_comes_back_and_takes_nothing_else);
    tcase_add_test(tc, moments_agree_with_gmtime);
    tcase_add_test(tc, moments_that_are_none_are_refused);
    tcase_add_test(tc, text_for_terminals_moves_no_cursor);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
