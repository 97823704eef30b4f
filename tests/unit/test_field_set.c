/* test_field_set.c - the fields that one walk over a record finds are those that a look for each
 * of them finds, whatever the records before it were like. */
#include "server/query/field_set.h"
#include "server/storage/path.h"
#include "tests/unit/core_rig.h"

#include <stdio.h>
#include <stdlib.h>

#define NAMES 40
#define RECORDS 20000
#define RECORD_BYTES 8192

static char names[NAMES][72];
static struct slice texts[NAMES];
static unsigned seed;

static unsigned draw(unsigned below)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % below;
}

/* Of all lengths about those that the walk tells apart, most of them with a common beginning. */
static void make_names(void)
{
    static const unsigned sizes[] = {0,  1,  2,  3,  6,  7,  8,  9, 14,
                                     15, 16, 17, 30, 31, 32, 33, 70};

    for (unsigned i = 0; i < NAMES; i++) {
        unsigned size = sizes[i % (sizeof sizes / sizeof *sizes)];

        memset(names[i], 'a', sizeof names[i]);
        if (size)
            names[i][size - 1] = (char)('a' + i / (sizeof sizes / sizeof *sizes));
        texts[i] = slice_make(names[i], size);
    }
}

static size_t put_value(uint8_t *to)
{
    size_t size;

    switch (draw(12)) {
    case 0: return msgpack_put_nil(to);
    case 1: return msgpack_put_bool(to, draw(2));
    case 2: return msgpack_put_uint(to, draw(256));
    case 3: return msgpack_put_uint(to, draw(70000));
    case 4: return msgpack_put_int(to, -(int64_t)draw(70000));
    case 5: return msgpack_put_double(to, draw(100) / 4.0);
    case 6: return msgpack_put_timestamp(to, draw(1000000), draw(2));
    case 7: return msgpack_put_binary(to, slice_make(names[0], draw(70)));
    case 8: return msgpack_put_uint(to, UINT64_MAX - draw(3));
    case 9:
        size = msgpack_put_array_head(to, 2);
        size += msgpack_put_uint(to + size, draw(300));
        return size + msgpack_put_text(to + size, texts[draw(NAMES)]);
    case 10: /* a map, whose fields are not the record's */
        size = msgpack_put_map_head(to, 1);
        size += msgpack_put_text(to + size, texts[draw(NAMES)]);
        return size + msgpack_put_uint(to + size, draw(300));
    default: return msgpack_put_text(to, texts[draw(NAMES)]);
    }
}

/* A name, mostly in its shortest form, or what is no name. */
static size_t put_name(uint8_t *to, struct slice name)
{
    if (draw(50) == 0)
        return msgpack_put_uint(to, draw(70000));
    if (draw(50) == 0) { /* str 16, as it need not be */
        to[0] = 0xda;
        to[1] = 0;
        to[2] = (uint8_t)name.size;
        memcpy(to + 3, name.data, name.size);
        return 3 + name.size;
    }
    return msgpack_put_text(to, name);
}

/* Like the one before it, or not. */
static size_t put_record(uint8_t *to)
{
    static unsigned order[NAMES], count;
    size_t size;

    if (draw(4) == 0 || !count) {
        count = draw(NAMES);
        for (unsigned i = 0; i < count; i++)
            order[i] = draw(NAMES); /* some are there twice */
    } else if (draw(3) == 0) {
        order[draw(count)] = draw(NAMES);
    }
    if (draw(100) == 0)
        return put_value(to);
    size = msgpack_put_map_head(to, count);
    for (unsigned i = 0; i < count; i++) {
        size += put_name(to + size, texts[order[i]]);
        size += put_value(to + size);
    }
    return size;
}

static bool is_same(const struct datum *a, const struct datum *b)
{
    uint8_t of_a[256], of_b[256];
    size_t size = datum_size(a);

    return a->type == b->type && size == datum_size(b) && size <= sizeof of_a &&
           datum_write(a, of_a) == size && datum_write(b, of_b) == size &&
           memcmp(of_a, of_b, size) == 0;
}

static void check_record(const struct field_set *set, struct field_shape *shape,
                         struct slice record, unsigned number)
{
    struct datum found[FIELDS_MAX];

    field_set_read(set, shape, record, found);
    for (unsigned i = 0; i < set->count; i++) {
        struct path_step step = {.name = set->names[i]};
        struct datum one = datum_at_path(&(struct value_path){&step, 1}, record);

        if (!is_same(&found[i], &one))
            ck_abort_msg("record %u, field %u: %s and not %s", number, i,
                         datum_type_name(&found[i]), datum_type_name(&one));
    }
}

START_TEST(a_walk_finds_what_a_look_for_each_field_finds)
{
    uint8_t *room = malloc(RECORD_BYTES);
    struct field_shape shape = {0};
    struct field_set set = {0};

    seed = (unsigned)_i + 1;
    make_names();
    for (unsigned i = 0; i < (_i ? draw(FIELDS_MAX) + 1 : FIELDS_MAX); i++)
        field_set_add(&set, texts[draw(NAMES)]);
    for (unsigned i = 0; i < RECORDS; i++) {
        size_t size = put_record(room);
        uint8_t *exact = malloc(size); /* so that a look beyond its end is found */

        MUST(size <= RECORD_BYTES);
        memcpy(exact, room, size);
        check_record(&set, &shape, slice_make(exact, size), i);
        free(exact);
    }
    check_record(&set, &shape, SLICE_NONE, RECORDS);
    free(room);
}
END_TEST

START_TEST(a_set_has_each_name_once_and_a_limit)
{
    struct field_set set = {0};

    make_names();
    for (unsigned i = 0; i < 2 * NAMES; i++) {
        int place = field_set_add(&set, texts[1 + i % (NAMES - 1)]);

        MUST(place < FIELDS_MAX);
        MUST(place < 0 ? set.count == FIELDS_MAX
                       : slice_equal(set.names[place], texts[1 + i % (NAMES - 1)]));
    }
    MUST_EQ(set.count, FIELDS_MAX);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("field_set");
    TCase *c = tcase_create("walk");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(c, a_walk_finds_what_a_look_for_each_field_finds, 0, 6);
    tcase_add_test(c, a_set_has_each_name_once_and_a_limit);
    suite_add_tcase(s, c);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
