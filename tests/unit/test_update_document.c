/* test_update_document.c - changes to documents, sentence by sentence, and what they take.
 * notation.h says how documents are written. */
#include "server/txn/update.h"

#include "notation.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* A document that changes are made to in memory of just the size that was asked for. */
struct trial {
    struct update u;
    struct failure f;
};

static enum err change(struct trial *t, struct slice document, struct slice changes,
                       size_t bytes_max, uint64_t work_max)
{
    struct update_needs needs;
    enum err e;

    memset(&t->u, 0, sizeof t->u);
    failure_init(&t->f);
    e = update_measure(changes, &needs, &t->f);
    if (e)
        return e;
    t->u.bytes_max = bytes_max;
    t->u.work_max = work_max;
    t->u.room = update_room(&needs, document.size, bytes_max) + 1;
    t->u.bytes = malloc(t->u.room);
    if (document.size)
        memcpy(t->u.bytes, document.data, document.size);
    t->u.size = document.size;
    return update_apply(&t->u, changes, &t->f);
}

static void trial_fini(struct trial *t)
{
    free(t->u.bytes);
    failure_clear(&t->f);
}

static enum err change_texts(struct trial *t, const char *document, const char *changes)
{
    struct buffer d = packed(document), c = packed(changes);
    enum err e = change(t, buffer_slice(&d), buffer_slice(&c), 1 << 20, 1 << 20);

    buffer_fini(&d);
    buffer_fini(&c);
    return e;
}

static const struct {
    const char *before, *changes, *after;
} sentences[] = {
    /* set puts the value there, and makes the maps on the way */
    {"{\"a\":1}", "[[\"set\",\"a\",2]]", "{\"a\":2}"},
    {"{\"a\":1}", "[[\"set\",[\"b\",\"c\",\"d\"],2]]", "{\"a\":1,\"b\":{\"c\":{\"d\":2}}}"},
    {"{\"a\":{\"x\":1}}", "[[\"set\",[\"a\",\"y\"],[]]]", "{\"a\":{\"x\":1,\"y\":[]}}"},
    {"{}", "[[\"set\",\"a.b\",nil]]", "{\"a.b\":nil}"},
    {"{\"a\":[1,[2,3]]}", "[[\"set\",[\"a\",1,0],\"x\"]]", "{\"a\":[1,[\"x\",3]]}"},
    {"{\"a\":1}", "[[\"set\",[],\"whole\"]]", "\"whole\""},
    {"", "[[\"set\",[\"a\",\"b\"],1]]", "{\"a\":{\"b\":1}}"},
    {"", "[[\"set\",[],[1]]]", "[1]"},
    /* unset removes a field, or an element; nothing where there is none */
    {"{\"a\":1,\"b\":2}", "[[\"unset\",\"a\"]]", "{\"b\":2}"},
    {"{\"a\":[1,2,3]}", "[[\"unset\",[\"a\",1]]]", "{\"a\":[1,3]}"},
    {"{\"a\":1}", "[[\"unset\",\"b\"],[\"unset\",[\"a\",\"c\"]],[\"unset\",[\"a\",0]]]",
     "{\"a\":1}"},
    {"{\"a\":[]}", "[[\"unset\",[\"a\",0]]]", "{\"a\":[]}"},
    {"", "[[\"unset\",\"a\"]]", "{}"},
    {"", "[]", "{}"},
    /* add adds to a number; an absent one is 0 */
    {"{\"n\":127}", "[[\"add\",\"n\",1]]", "{\"n\":128}"},
    {"{\"n\":1}", "[[\"add\",\"n\",-2]]", "{\"n\":-1}"},
    {"{}", "[[\"add\",\"n\",5]]", "{\"n\":5}"},
    {"{}", "[[\"add\",[\"m\",\"n\"],0.5]]", "{\"m\":{\"n\":0.5}}"},
    {"5", "[[\"add\",[],1]]", "6"},
    {"", "[[\"add\",[],1]]", "1"},
    /* min, max keep the lesser or the greater; of equal ones the record's; absent: the value */
    {"{\"n\":5}", "[[\"min\",\"n\",4.5]]", "{\"n\":4.5}"},
    {"{\"n\":5}", "[[\"min\",\"n\",5.5]]", "{\"n\":5}"},
    {"{\"n\":5}", "[[\"max\",\"n\",5.0]]", "{\"n\":5}"},
    {"{\"n\":-9223372036854775808}", "[[\"max\",\"n\",18446744073709551615]]",
     "{\"n\":18446744073709551615}"},
    {"{\"n\":9007199254740993}", "[[\"min\",\"n\",9007199254740992.0]]",
     "{\"n\":9007199254740992.0}"},
    {"{}", "[[\"max\",\"n\",\"x\"]]", "{\"n\":\"x\"}"},
    {"{\"n\":\"ab\"}", "[[\"min\",\"n\",\"a\"]]", "{\"n\":\"a\"}"},
    {"{\"n\":b'ab'}", "[[\"max\",\"n\",b'b']]", "{\"n\":b'b'}"},
    {"{\"n\":t5}", "[[\"max\",\"n\",t6],[\"max\",\"n\",t2]]", "{\"n\":t6}"},
    /* append adds one element to an array, or joins; absent: an array with it */
    {"{\"a\":[1]}", "[[\"append\",\"a\",[2]]]", "{\"a\":[1,[2]]}"},
    {"{\"a\":\"x\"}", "[[\"append\",\"a\",\"yz\"]]", "{\"a\":\"xyz\"}"},
    {"{\"a\":b'x'}", "[[\"append\",\"a\",b'']]", "{\"a\":b'x'}"},
    {"{\"z\":1}", "[[\"append\",[\"a\",\"b\"],\"x\"]]", "{\"z\":1,\"a\":{\"b\":[\"x\"]}}"},
    {"[]", "[[\"append\",[],nil]]", "[nil]"},
    /* commit puts in the number of the commit */
    {"{\"a\":[1,2],\"z\":3}", "[[\"commit\",[\"a\",0]],[\"commit\",\"at\"]]",
     "{\"a\":[@,2],\"z\":3,\"at\":@}"},
    {"{}", "[[\"commit\",\"a\"],[\"commit\",\"a\"]]", "{\"a\":@}"},
    /* in their order */
    {"{\"n\":1}",
     "[[\"add\",\"n\",1],[\"set\",\"m\",[]],[\"append\",\"m\",7],[\"unset\",\"n\"]]",
     "{\"m\":[7]}"},
    /* keys that are not text are no fields, and stay */
    {"{1:2,b'a':3}", "[[\"set\",\"a\",4]]", "{1:2,b'a':3,\"a\":4}"},
};

START_TEST(each_change_does_what_is_said_of_it)
{
    struct buffer after = packed(sentences[_i].after);
    struct trial t;
    enum err e = change_texts(&t, sentences[_i].before, sentences[_i].changes);

    ck_assert_msg(!e, "%s to %s: %s", sentences[_i].changes, sentences[_i].before, t.f.text);
    ck_assert_msg(slice_equal(slice_make(t.u.bytes, t.u.size), buffer_slice(&after)),
                  "%s to %s is not %s", sentences[_i].changes, sentences[_i].before,
                  sentences[_i].after);
    buffer_fini(&after);
    trial_fini(&t);
}
END_TEST

static const struct {
    const char *before, *changes;
    enum err error;
    const char *words;
} refusals[] = {
    {"{\"t\":\"x\"}", "[[\"add\",\"t\",1]]", ERR_BAD_VALUE,
     "change 1, add of \"t\": expected a number in the record, found text"},
    {"{\"t\":nil}", "[[\"add\",\"t\",1]]", ERR_BAD_VALUE, "found nil"},
    {"{\"t\":T}", "[[\"set\",\"q\",1],[\"max\",\"t\",1]]", ERR_BAD_VALUE,
     "change 2, max of \"t\""},
    {"{\"t\":1}", "[[\"min\",\"t\",\"1\"]]", ERR_BAD_VALUE, "cannot be compared"},
    {"{\"t\":1}", "[[\"append\",\"t\",1]]", ERR_BAD_VALUE,
     "a number there, to which a number cannot"},
    {"{\"t\":b'x'}", "[[\"append\",\"t\",\"x\"]]", ERR_BAD_VALUE,
     "binary there, to which text"},
    {"{\"a\":[1,2]}", "[[\"set\",[\"a\",2],1]]", ERR_BAD_VALUE,
     "set of [\"a\", 2]: step 2: an array of 2 elements has no element 2; append"},
    {"{}", "[[\"add\",[\"a\",0],1]]", ERR_BAD_VALUE,
     "step 2 is an element of an array that does not"},
    {"{\"a\":1}", "[[\"set\",[\"a\",\"b\"],1]]", ERR_BAD_VALUE,
     "step 2 expects a field of a map, the record has a number"},
    {"{\"a\":{}}", "[[\"commit\",[\"a\",0]]]", ERR_BAD_VALUE, "expects an element of an array"},
    {"", "[[\"append\",[0],1]]", ERR_BAD_VALUE, "step 1 is an element"},
    {"{}", "[[\"set\",[],nil]]", ERR_BAD_VALUE, "use delete"},
    {"{}", "[[\"unset\",[]]]", ERR_BAD_VALUE, "use delete"},
    {"{}", "[[\"add\",\"a\",\"1\"]]", ERR_BAD_VALUE, "expected a number, found text"},
    {"{}", "[[\"max\",\"a\",{}]]", ERR_BAD_VALUE, "found a map"},
    {"{}", "[[\"max\",\"a\",nil]]", ERR_BAD_VALUE, "found nil"},
    {"{}", "{}", ERR_BAD_REQUEST, "expected a list of changes"},
    {"{}", "[1]", ERR_BAD_REQUEST, "change 1: expected [operator"},
    {"{}", "[[\"set\"]]", ERR_BAD_REQUEST, "expected [operator"},
    {"{}", "[[1,\"a\"]]", ERR_BAD_REQUEST, "must begin with"},
    {"{}", "[[\"inc\",\"a\"]]", ERR_BAD_REQUEST, "unknown operator \"inc\"; expected set"},
    {"{}", "[[\"set\",\"a\"]]", ERR_BAD_REQUEST, "set of \"a\": a value is missing"},
    {"{}", "[[\"unset\",\"a\",1]]", ERR_BAD_REQUEST, "takes no value"},
    {"{}", "[[\"unset\",7]]", ERR_BAD_REQUEST, "a path must be"},
    {"{}", "[[\"unset\",[1.0]]]", ERR_BAD_REQUEST, "each step of a path"},
    {"{}", "[[\"unset\",[-1]]]", ERR_BAD_REQUEST, "each step of a path"},
    {"{}", "[[\"unset\",[4294967296]]]", ERR_BAD_REQUEST, "each step of a path"},
    {"{}", "[[\"unset\",[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]]]", ERR_BAD_REQUEST, "at most 16"},
};

START_TEST(what_cannot_be_done_says_change_operator_and_path)
{
    struct trial t;
    enum err e = change_texts(&t, refusals[_i].before, refusals[_i].changes);

    ck_assert_msg(e == refusals[_i].error && t.f.error == e, "%s to %s: %s %s",
                  refusals[_i].changes, refusals[_i].before, err_name(e), t.f.text);
    ck_assert_msg(strstr(t.f.text, refusals[_i].words) != NULL, "\"%s\" lacks \"%s\"", t.f.text,
                  refusals[_i].words);
    trial_fini(&t);
}
END_TEST

/* sum "": refused */
static const struct {
    const char *a, *b, *sum;
} sums[] = {
    {"18446744073709551614", "1", "18446744073709551615"},
    {"18446744073709551615", "1", ""},
    {"18446744073709551615", "18446744073709551615", ""},
    {"18446744073709551615", "-9223372036854775808", "9223372036854775807"},
    {"-9223372036854775808", "-1", ""},
    {"-9223372036854775807", "-1", "-9223372036854775808"},
    {"9223372036854775807", "1", "9223372036854775808"},
    {"-1", "1", "0"},
    {"0.1", "0.2", "0.30000000000000004"},
    {"1", "0.5", "1.5"},
    {"-1.5", "1", "-0.5"},
    {"1", "2.0", "3.0"},
    {"9007199254740992", "0.5", "9007199254740992.0"},
    {"9007199254740993", "1.0", ""},
    {"1.0", "-9007199254740993", ""},
    {"18446744073709551615", "1.0", ""},
    {"9223372036854775808", "1.0", "9223372036854775808.0"},
    {"1e308", "1e308", ""},
    {"-1e308", "-1e308", ""},
};

START_TEST(sums_are_exact_or_refused)
{
    for (unsigned turned = 0; turned < 2; turned++) {
        char changes[100];
        struct buffer sum = packed(sums[_i].sum);
        struct trial t;
        enum err e;

        snprintf(changes, sizeof changes, "[[\"add\",[],%s]]",
                 turned ? sums[_i].a : sums[_i].b);
        e = change_texts(&t, turned ? sums[_i].b : sums[_i].a, changes);
        ck_assert_int_eq(e, *sums[_i].sum ? ERR_OK : ERR_BAD_VALUE);
        if (!e)
            ck_assert_msg(slice_equal(slice_make(t.u.bytes, t.u.size), buffer_slice(&sum)),
                          "%s + %s is not %s", sums[_i].a, sums[_i].b, sums[_i].sum);
        buffer_fini(&sum);
        trial_fini(&t);
    }
}
END_TEST

/* Make one change of [what, path, value] to the document in *d. */
static void make(struct buffer *d, const char *changes)
{
    struct buffer c = packed(changes);
    struct trial t;
    const char *why = "";
    enum err e = change(&t, buffer_slice(d), buffer_slice(&c), 8 << 20, UINT64_MAX);

    ck_assert_msg(!e, "%s: %s", changes, t.f.text);
    buffer_clear(d);
    buffer_put(d, t.u.bytes, t.u.size);
    ck_assert_msg(!msgpack_check_document(buffer_slice(d), MSGPACK_DEPTH_MAX, &why), "%s: %s",
                  changes, why);
    buffer_fini(&c);
    trial_fini(&t);
}

static uint32_t count_at(const struct buffer *d, size_t offset)
{
    struct msgpack_cursor c = {d->data + offset, d->data + d->size};
    struct msgpack_token t;

    ck_assert_int_eq(msgpack_read(&c, &t), ERR_OK);
    return t.type == MSGPACK_TEXT || t.type == MSGPACK_BINARY ? (uint32_t)t.bytes.size
                                                              : t.count;
}

START_TEST(heads_grow_and_shrink)
{
    struct buffer map = packed("{\"a\":[]}"), list = packed("[\"\",b'',[]]");
    char change_text[64];

    for (unsigned i = 1; i < 20; i++) {
        snprintf(change_text, sizeof change_text,
                 "[[\"append\",\"a\",%u],[\"set\",\"f%u\",%u]]", i, i, i);
        make(&map, change_text);
        ck_assert_uint_eq(count_at(&map, 0), i + 1);
        ck_assert_uint_eq(count_at(&map, i + 1 < 16 ? 3 : 5), i);
    }
    for (unsigned i = 19; i > 0; i--) {
        snprintf(change_text, sizeof change_text, "[[\"unset\",[\"a\",0]],[\"unset\",\"f%u\"]]",
                 i);
        make(&map, change_text);
        ck_assert_uint_eq(count_at(&map, 0), i);
        ck_assert_uint_eq(count_at(&map, i < 16 ? 3 : 5), i - 1);
    }
    for (unsigned n = 1; n < 300; n++) {
        make(&list, "[[\"append\",[0],\"x\"]]");
        ck_assert_uint_eq(count_at(&list, 1), n);
        make(&list, "[[\"append\",[1],b'x']]");
    }
    ck_assert_uint_eq(count_at(&list, 1 + 3 + 299), 299);
    buffer_fini(&map);
    buffer_fini(&list);
}
END_TEST

START_TEST(an_array_may_be_longer_than_65535)
{
    struct buffer list = {0}, changes = {0};
    uint8_t head[MSGPACK_HEAD_MAX];
    struct trial t;

    buffer_put(&list, head, msgpack_put_array_head(head, 65534));
    for (unsigned i = 0; i < 65534; i++)
        buffer_put_byte(&list, 1);
    for (unsigned i = 65534; i < 65538; i++) {
        ck_assert_uint_eq(count_at(&list, 0), i);
        make(&list, "[[\"append\",[],1]]");
    }
    for (unsigned i = 65538; i > 65533; i--) {
        ck_assert_uint_eq(count_at(&list, 0), i);
        make(&list, "[[\"unset\",[0]]]");
    }
    ck_assert_uint_eq(list.size, 65533 + 3);
    /* and it takes no more than its limit */
    buffer_put(&changes,
               "\x91\x93\xa6"
               "append\x90\x01",
               11);
    ck_assert_int_eq(change(&t, buffer_slice(&list), buffer_slice(&changes), 65536, 0),
                     ERR_TOO_LARGE);
    ck_assert_str_eq(t.f.limit, "value-size");
    trial_fini(&t);
    buffer_fini(&list);
    buffer_fini(&changes);
}
END_TEST

START_TEST(the_work_is_bounded)
{
    struct buffer d =
        packed("{\"n\":0,\"pad\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}");
    struct buffer c = packed("[[\"add\",\"n\",1],[\"add\",\"n\",1],[\"add\",\"n\",1]]");
    struct trial t;

    ck_assert_int_eq(change(&t, buffer_slice(&d), buffer_slice(&c), 1000, 3 * d.size), ERR_OK);
    trial_fini(&t);
    ck_assert_int_eq(change(&t, buffer_slice(&d), buffer_slice(&c), 1000, 3 * d.size - 1),
                     ERR_TOO_LARGE);
    ck_assert_str_eq(t.f.limit, "update-work");
    ck_assert_uint_eq(t.f.limit_size, 3 * d.size);
    trial_fini(&t);
    buffer_clear(&c);
    buffer_put(&c,
               "\x91\x93\xa3"
               "add\xa1n\x01",
               9);
    ck_assert_int_eq(change(&t, buffer_slice(&d), buffer_slice(&c), 1000, 0), ERR_OK);
    trial_fini(&t);
    buffer_fini(&d);
    buffer_fini(&c);
}
END_TEST

START_TEST(depth_is_bounded)
{
    for (unsigned steps = 1; steps <= 16; steps++) {
        for (unsigned over = 0; over < 2; over++) {
            struct buffer c = {0};
            struct trial t;
            unsigned inside = MSGPACK_DEPTH_MAX - steps + over;

            buffer_put(&c, "\x91\x93\xa3set", 6);
            buffer_put(&c, "\xdc\0", 2);
            buffer_put_byte(&c, (uint8_t)steps);
            for (unsigned i = 0; i < steps; i++)
                buffer_put(&c, "\xa1x", 2);
            for (unsigned i = 1; i < inside; i++)
                buffer_put_byte(&c, 0x91);
            buffer_put_byte(&c, 0x90);
            if (inside <= MSGPACK_DEPTH_MAX - 2) { /* deeper ones do not get here */
                ck_assert_int_eq(change(&t, SLICE_NONE, buffer_slice(&c), 1000, 0),
                                 over ? ERR_BAD_VALUE : ERR_OK);
                trial_fini(&t);
            }
            buffer_fini(&c);
        }
    }
}
END_TEST

/* Fields come, go, grow and take numbers of commits at random; each number is where the fields
 * say, and nowhere else. */
START_TEST(numbers_of_commits_keep_their_places)
{
    enum { FIELDS = 6 };
    struct dice dice = {(uint64_t)_i + 77};
    enum { GONE, OTHER, NUMBER } is[FIELDS] = {GONE};
    struct buffer d = packed("{}");
    uint32_t marks[UPDATE_COMMITS_MAX];
    unsigned mark_count = 0;

    for (unsigned round = 0; round < 60; round++) {
        unsigned field = (unsigned)dice_below(&dice, FIELDS), found = 0;
        unsigned what = (unsigned)dice_below(&dice, 4);
        char text[80];
        struct buffer c;
        struct trial t;
        struct update_needs needs;

        is[field] = what == 0 ? GONE : what == 1 ? NUMBER : OTHER;
        if (what == 0)
            snprintf(text, sizeof text, "[[\"unset\",\"%c\"]]", 'a' + field);
        else if (what == 1)
            snprintf(text, sizeof text, "[[\"commit\",\"%c\"]]", 'a' + field);
        else
            snprintf(text, sizeof text, "[[\"set\",\"%c\",\"%.*s\"],[\"append\",\"%c\",\"y\"]]",
                     'a' + field, (int)dice_below(&dice, 40),
                     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 'a' + field);
        c = packed(text);
        memset(&t, 0, sizeof t);
        ck_assert_int_eq(update_measure(buffer_slice(&c), &needs, &t.f), ERR_OK);
        t.u =
            (struct update){.bytes_max = 10000, .work_max = 10000, .commit_count = mark_count};
        t.u.room = update_room(&needs, d.size, 10000) + 1;
        t.u.bytes = malloc(t.u.room);
        memcpy(t.u.bytes, d.data, d.size);
        t.u.size = d.size;
        memcpy(t.u.commits, marks, sizeof marks);
        ck_assert_int_eq(update_apply(&t.u, buffer_slice(&c), &t.f), ERR_OK);
        for (unsigned i = 0; i < FIELDS; i++) {
            uint8_t name = (uint8_t)('a' + i);
            struct update_path path = {.count = 1, .steps = {{.name = slice_make(&name, 1)}}};

            ck_assert_int_eq(update_commit_is_at(&t.u, &path), is[i] == NUMBER);
            found += is[i] == NUMBER;
        }
        ck_assert_uint_eq(t.u.commit_count, found);
        for (unsigned i = 0; i < t.u.commit_count; i++)
            ck_assert_uint_eq(t.u.bytes[t.u.commits[i]], 0xcf);
        mark_count = t.u.commit_count;
        memcpy(marks, t.u.commits, sizeof marks);
        buffer_clear(&d);
        buffer_put(&d, t.u.bytes, t.u.size);
        buffer_fini(&c);
        trial_fini(&t);
    }
    buffer_fini(&d);
}
END_TEST

START_TEST(a_record_takes_16_numbers_at_once)
{
    struct buffer c = {0};
    struct trial t;

    for (unsigned count = 16; count < 18; count++) {
        buffer_clear(&c);
        buffer_put(&c, "\xdc\0", 2);
        buffer_put_byte(&c, (uint8_t)count);
        for (unsigned i = 0; i < count; i++) {
            buffer_put(&c,
                       "\x92\xa6"
                       "commit\xa1",
                       9);
            buffer_put_byte(&c, (uint8_t)('a' + i));
        }
        ck_assert_int_eq(change(&t, SLICE_NONE, buffer_slice(&c), 10000, 1 << 20),
                         count > 16 ? ERR_BAD_VALUE : ERR_OK);
        trial_fini(&t);
    }
    buffer_fini(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("update_document");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(all, each_change_does_what_is_said_of_it, 0,
                        sizeof sentences / sizeof sentences[0]);
    tcase_add_loop_test(all, what_cannot_be_done_says_change_operator_and_path, 0,
                        sizeof refusals / sizeof refusals[0]);
    tcase_add_loop_test(all, sums_are_exact_or_refused, 0, sizeof sums / sizeof sums[0]);
    tcase_add_test(all, heads_grow_and_shrink);
    tcase_add_test(all, an_array_may_be_longer_than_65535);
    tcase_add_test(all, the_work_is_bounded);
    tcase_add_test(all, depth_is_bounded);
    tcase_add_loop_test(all, numbers_of_commits_keep_their_places, 0, 20);
    tcase_add_test(all, a_record_takes_16_numbers_at_once);
    suite_add_tcase(s, all);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
