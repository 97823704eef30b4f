/* test_index_entries.c - what an index is, and which entries a document has in it: sentence by
 * sentence, and at random beside a model that walks msgpack-c's objects. */
#include "server/storage/index_entries.h"

#include "notation.h"
#include "tests/sim/sim_os.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define ENTRIES_MAX 100

static struct sim *sim; /* for its memory, which is counted */

static void open_sim(void)
{
    sim = sim_new(1);
}

static void close_sim(void)
{
    ck_assert_uint_eq(sim_alloc_pieces(sim), 0);
    sim_free(sim);
}

/* ---- definitions ---- */

static const struct {
    const char *options, *canonical; /* NULL: refused */
    const char *words;
} definitions[] = {
    {"{\"key\":\"email\"}", "{\"key\":\"email\",\"unique\":F,\"multi\":F}", ""},
    {"{\"key\":[\"email\"]}", "{\"key\":\"email\",\"unique\":F,\"multi\":F}", ""},
    {"{\"key\":[[\"email\"]]}", "{\"key\":\"email\",\"unique\":F,\"multi\":F}", ""},
    {"{\"key\":{\"any\":[\"email\"],\"order\":\"asc\"},\"unique\":T}",
     "{\"key\":\"email\",\"unique\":T,\"multi\":F}", ""},
    {"{\"key\":[\"a\",[\"b\",0],{\"path\":\"c\",\"order\":\"desc\"}]}",
     "{\"key\":[\"a\",[\"b\",0],{\"path\":\"c\",\"order\":\"desc\"}],\"unique\":F,\"multi\":F}",
     ""},
    {"{\"key\":{\"any\":[\"a\",[\"b\",\"c\"]],\"order\":\"desc\"}}",
     "{\"key\":[{\"any\":[\"a\",[\"b\",\"c\"]],\"order\":\"desc\"}],\"unique\":F,\"multi\":F}",
     ""},
    {"{\"key\":[[]]}", "{\"key\":[[]],\"unique\":F,\"multi\":F}", ""},
    {"{\"key\":[[0]]}", "{\"key\":[[0]],\"unique\":F,\"multi\":F}", ""},
    {"{\"multi\":T,\"types\":[\"text\",\"number\"],\"key\":\"tags\",\"where\":{\"a\":{\"$gt\":"
     "1}}}",
     "{\"key\":\"tags\",\"unique\":F,\"multi\":T,\"types\":[\"number\",\"text\"],\"where\":{"
     "\"a\":{"
     "\"$gt\":1}}}",
     ""},
    {"{\"key\":\"a\",\"types\":[\"nil\",\"boolean\",\"number\",\"timestamp\",\"text\","
     "\"binary\","
     "\"array\"]}",
     "{\"key\":\"a\",\"unique\":F,\"multi\":F}", ""},
    {"5", NULL, "must be a map"},
    {"{}", NULL, "key: an index needs a key"},
    {"{\"key\":5}", NULL, "key: expected a path"},
    {"{\"key\":nil}", NULL, "key: expected a path"},
    {"{\"key\":[]}", NULL, "key: expected a path, or a list of at least one part"},
    {"{\"key\":[5]}", NULL, "key: a path must be a string or a list"},
    {"{\"key\":[[-1]]}", NULL, "key: each step of a path must be"},
    {"{\"key\":[{}]}", NULL, "key: a part needs a path"},
    {"{\"key\":{\"path\":\"a\",\"any\":[\"b\"]}}", NULL, "either path or any"},
    {"{\"key\":{\"path\":\"a\",\"x\":1}}", NULL, "either path or any"},
    {"{\"key\":{\"any\":[]}}", NULL, "any must be a list"},
    {"{\"key\":{\"path\":\"a\",\"order\":\"down\"}}", NULL, "order must be"},
    {"{\"key\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}", NULL, "key: a path must be"},
    {"{\"key\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\","
     "\"a\","
     "\"a\",\"a\",\"a\"]}",
     NULL, "at most 16 parts"},
    {"{\"key\":[[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]]}", NULL, "at most 16 steps"},
    {"{\"key\":[[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],[0,0,0,0,0,"
     "0,0,"
     "0,0,0,0,0,0,0,0,0],[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],[0]]}",
     NULL, "too many steps in all"},
    {"{\"key\":[\"a\",\"b\"],\"multi\":T}", NULL,
     "multi: a multi-entry index has exactly one part"},
    {"{\"key\":\"a\",\"unique\":1}", NULL, "unique: expected true or false"},
    {"{\"key\":\"a\",\"types\":[]}", NULL, "types: expected a list of at least one"},
    {"{\"key\":\"a\",\"types\":[\"map\"]}", NULL, "types: expected nil, boolean, number"},
    {"{\"key\":\"a\",\"types\":[\"text\",\"text\"]}", NULL,
     "types: each type can be named once"},
    {"{\"key\":\"a\",\"where\":{\"b\":{\"$x\":1}}}", NULL, "where, at \"b\", \"$x\": unknown"},
    {"{\"key\":\"a\",\"sparse\":T}", NULL, "unknown option \"sparse\""},
};

START_TEST(definitions_are_read_and_written_in_one_form)
{
    struct buffer options = packed(definitions[_i].options);
    struct index_definition d, again;
    uint8_t written[INDEX_DEFINITION_BYTES_MAX];
    struct failure f;
    enum err e;

    failure_init(&f);
    e = index_definition_read(buffer_slice(&options), &d, &f);
    if (!definitions[_i].canonical) {
        ck_assert_int_eq(e, ERR_BAD_REQUEST);
        ck_assert_msg(strstr(f.text, definitions[_i].words) != NULL, "\"%s\" lacks \"%s\"",
                      f.text, definitions[_i].words);
    } else {
        struct buffer canonical = packed(definitions[_i].canonical);
        size_t size = index_definition_write(&d, written, sizeof written);

        ck_assert_msg(!e, "%s: %s", definitions[_i].options, f.text);
        ck_assert_msg(slice_equal(slice_make(written, size), buffer_slice(&canonical)),
                      "%s is not written as %s", definitions[_i].options,
                      definitions[_i].canonical);
        ck_assert_int_eq(index_definition_read(buffer_slice(&canonical), &again, &f), ERR_OK);
        ck_assert_uint_eq(index_definition_write(&again, written, sizeof written), size);
        ck_assert(slice_equal(slice_make(written, size), buffer_slice(&canonical)));
        ck_assert_uint_eq(index_definition_write(&d, written, size - 1), 0);
        buffer_fini(&canonical);
    }
    buffer_fini(&options);
}
END_TEST

/* ---- entries ---- */

/* The index keys of the entries as clients see them, a list; every entry has the record's key. */
static struct buffer keys_of(const struct index_definition *d, const struct index_entries *e,
                             struct slice record_key)
{
    struct buffer out = {0};
    uint8_t plain[KEY_PLAIN_BYTES_MAX], head[MSGPACK_HEAD_MAX];
    struct key_spec spec;

    index_definition_spec(d, &spec);
    buffer_put(&out, head, msgpack_put_array_head(head, e->count));
    for (uint32_t i = 0; i < e->count; i++) {
        struct slice entry = index_entry_at(e, i);
        size_t size, at;

        REQUIRE(!index_entry_split(d, entry, &at));
        REQUIRE(at == e->entries[i].index_key && at == index_entry_key(e, i).size);
        REQUIRE(slice_equal(slice_make(entry.data + at, entry.size - at), record_key));
        REQUIRE(!key_decode(&spec, slice_make(entry.data, at), plain, sizeof plain, &size));
        buffer_put(&out, plain, size);
        REQUIRE(!i || slice_compare(index_entry_at(e, i - 1), entry) < 0);
    }
    return out;
}

static const struct {
    const char *options, *document, *keys;
} sentences[] = {
    /* the value at the path; no entry where a part is missing */
    {"{\"key\":\"a\"}", "{\"a\":5}", "[5]"},
    {"{\"key\":\"a\"}", "{\"a\":5.0}", "[5]"},
    {"{\"key\":\"a\"}", "{\"b\":5}", "[]"},
    {"{\"key\":\"a\"}", "{\"a\":nil}", "[nil]"},
    {"{\"key\":\"a\"}", "7", "[]"},
    {"{\"key\":[[\"a\",\"b\"]]}", "{\"a\":{\"b\":\"x\"}}", "[\"x\"]"},
    {"{\"key\":\"a.b\"}", "{\"a\":{\"b\":\"x\"}}", "[]"},
    {"{\"key\":[\"a\",\"b\"]}", "{\"b\":1,\"a\":2}", "[[2,1]]"},
    {"{\"key\":[\"a\",\"b\"]}", "{\"b\":1}", "[]"},
    {"{\"key\":[\"a\",{\"path\":\"b\",\"order\":\"desc\"}]}", "{\"b\":[1,\"x\"],\"a\":2}",
     "[[2,[1,\"x\"]]]"},
    /* a map, a NaN, an array that holds such an element */
    {"{\"key\":\"a\"}", "{\"a\":{\"b\":1}}", "[]"},
    {"{\"key\":\"a\"}", "{\"a\":nan}", "[]"},
    {"{\"key\":\"a\"}", "{\"a\":e}", "[]"},
    {"{\"key\":\"a\"}", "{\"a\":[1,[nan]]}", "[]"},
    {"{\"key\":\"a\"}", "{\"a\":[1,[2]]}", "[[1,[2]]]"},
    {"{\"key\":[\"a\",\"b\"]}", "{\"b\":{},\"a\":2}", "[]"},
    /* types */
    {"{\"key\":\"a\",\"types\":[\"number\",\"array\"]}", "{\"a\":nil}", "[]"},
    {"{\"key\":\"a\",\"types\":[\"number\",\"array\"]}", "{\"a\":T}", "[]"},
    {"{\"key\":\"a\",\"types\":[\"number\",\"array\"]}", "{\"a\":-1.5}", "[-1.5]"},
    {"{\"key\":\"a\",\"types\":[\"number\",\"array\"]}", "{\"a\":[1,\"x\"]}", "[]"},
    {"{\"key\":\"a\",\"types\":[\"number\",\"array\"]}", "{\"a\":[1,[2]]}", "[[1,[2]]]"},
    {"{\"key\":\"a\",\"types\":[\"number\"]}", "{\"a\":[1]}", "[]"},
    {"{\"key\":\"a\",\"types\":[\"timestamp\",\"binary\"]}", "{\"a\":t5}", "[t5]"},
    {"{\"key\":\"a\",\"types\":[\"boolean\",\"nil\"]}", "{\"a\":F}", "[F]"},
    /* multi: each element that is a key by types, doubles once, arrays inside whole */
    {"{\"key\":\"a\",\"multi\":T}", "{\"a\":[3,1,2.5,1.0,[1],{},nan,\"x\"]}",
     "[1,2.5,3,\"x\",[1]]"},
    {"{\"key\":\"a\",\"multi\":T}", "{\"a\":[]}", "[]"},
    {"{\"key\":\"a\",\"multi\":T}", "{\"a\":5}", "[5]"},
    {"{\"key\":\"a\",\"multi\":T}", "{\"a\":{}}", "[]"},
    {"{\"key\":\"a\",\"multi\":T}", "{}", "[]"},
    {"{\"key\":\"a\",\"multi\":T}", "{\"a\":[nil,F]}", "[nil,F]"},
    {"{\"key\":\"a\",\"multi\":T,\"types\":[\"text\"]}", "{\"a\":[\"x\",1,[\"y\"],\"w\"]}",
     "[\"w\",\"x\"]"},
    {"{\"key\":\"a\",\"multi\":T,\"types\":[\"text\"]}", "{\"a\":1}", "[]"},
    {"{\"key\":{\"path\":\"a\",\"order\":\"desc\"},\"multi\":T}", "{\"a\":[1,3,2]}", "[3,2,1]"},
    /* any: the first of the paths that is there, be it a key or not */
    {"{\"key\":{\"any\":[\"a\",\"b\"]}}", "{\"b\":1,\"a\":2}", "[2]"},
    {"{\"key\":{\"any\":[\"a\",\"b\"]}}", "{\"b\":1}", "[1]"},
    {"{\"key\":{\"any\":[\"a\",\"b\"]}}", "{\"b\":1,\"a\":{}}", "[]"},
    {"{\"key\":{\"any\":[\"a\",\"b\"]}}", "{\"b\":1,\"a\":nil}", "[nil]"},
    {"{\"key\":{\"any\":[\"a\",\"b\"]},\"multi\":T}", "{\"b\":[1,2]}", "[1,2]"},
    /* numbers are places in arrays only, texts fields of maps only */
    {"{\"key\":[[\"a\",1]]}", "{\"a\":[5,6]}", "[6]"},
    {"{\"key\":[[\"a\",2]]}", "{\"a\":[5,6]}", "[]"},
    {"{\"key\":[[\"a\",1]]}", "{\"a\":{1:6,\"1\":7}}", "[]"},
    {"{\"key\":[[\"a\",\"1\"]]}", "{\"a\":[5,6]}", "[]"},
    /* the record itself */
    {"{\"key\":[[]]}", "\"whole\"", "[\"whole\"]"},
    {"{\"key\":[[]],\"multi\":T}", "[2,1]", "[1,2]"},
    {"{\"key\":[[1]]}", "[2,1]", "[1]"},
    /* where */
    {"{\"key\":\"a\",\"where\":{\"state\":\"open\"}}", "{\"a\":1,\"state\":\"open\"}", "[1]"},
    {"{\"key\":\"a\",\"where\":{\"state\":\"open\"}}", "{\"a\":1,\"state\":\"shut\"}", "[]"},
    {"{\"key\":\"a\",\"where\":{\"a\":{\"$gte\":18}}}", "{\"a\":17}", "[]"},
    {"{\"key\":\"a\",\"unique\":T}", "{\"a\":17}", "[17]"},
};

START_TEST(a_document_has_the_entries_that_are_said)
{
    struct buffer options = packed(sentences[_i].options),
                  document = packed(sentences[_i].document);
    struct buffer expected = packed(sentences[_i].keys), found;
    struct slice record_key = slice_make("\x1d\x07\x00", 3);
    struct index_entries entries;
    struct index_definition d;
    struct failure f;

    open_sim();
    failure_init(&f);
    index_entries_init(&entries, sim_table(sim), ENTRIES_MAX);
    ck_assert_msg(!index_definition_read(buffer_slice(&options), &d, &f), "%s", f.text);
    ck_assert_msg(!index_entries_make(&entries, &d, buffer_slice(&document), record_key, &f),
                  "%s", f.text);
    found = keys_of(&d, &entries, record_key);
    ck_assert_msg(slice_equal(buffer_slice(&found), buffer_slice(&expected)),
                  "%s in %s: not %s but %u entries", sentences[_i].document,
                  sentences[_i].options, sentences[_i].keys, entries.count);
    ck_assert_int_eq(index_entries_make(&entries, &d, SLICE_NONE, record_key, &f), ERR_OK);
    ck_assert_uint_eq(entries.count, 0);
    index_entries_fini(&entries);
    close_sim();
    buffer_fini(&found);
    buffer_fini(&expected);
    buffer_fini(&options);
    buffer_fini(&document);
}
END_TEST

/* ---- limits ---- */

START_TEST(index_key_and_record_key_have_4096_bytes_together)
{
    static uint8_t document[5000], record_key[64];
    struct buffer options = packed("{\"key\":\"a\"}");
    struct index_entries entries;
    struct index_definition d;
    struct failure f;

    open_sim();
    index_entries_init(&entries, sim_table(sim), ENTRIES_MAX);
    failure_init(&f);
    ck_assert_int_eq(index_definition_read(buffer_slice(&options), &d, &f), ERR_OK);
    memset(document, 'x', sizeof document);
    for (unsigned over = 0; over < 3; over++) { /* the last does not fit by itself */
        size_t text = over == 2 ? KEY_BYTES_MAX : KEY_BYTES_MAX - sizeof record_key - 3 + over;
        size_t size = 0;
        enum err e;

        memcpy(document,
               "\x81\xa1"
               "a",
               3);
        size = 3 + msgpack_put_text_head(document + 3, (uint32_t)text);
        document[size] = 'x';
        failure_init(&f);
        e = index_entries_make(&entries, &d, slice_make(document, size + text),
                               slice_make(record_key, sizeof record_key), &f);
        ck_assert_int_eq(e, over ? ERR_TOO_LARGE : ERR_OK);
        ck_assert_uint_eq(entries.count, over ? 0 : 1);
        if (over) {
            ck_assert_str_eq(f.limit, "key-size");
        } else {
            ck_assert_uint_eq(index_entry_at(&entries, 0).size, KEY_BYTES_MAX);
        }
    }
    index_entries_fini(&entries);
    close_sim();
    buffer_fini(&options);
}
END_TEST

START_TEST(entries_are_bounded)
{
    struct buffer options = packed("{\"key\":\"a\",\"multi\":T}");
    struct index_entries entries;
    struct index_definition d;
    struct failure f;

    open_sim();
    index_entries_init(&entries, sim_table(sim), ENTRIES_MAX);
    failure_init(&f);
    ck_assert_int_eq(index_definition_read(buffer_slice(&options), &d, &f), ERR_OK);
    for (unsigned count = ENTRIES_MAX; count < ENTRIES_MAX + 2; count++) {
        struct buffer document = {0};

        buffer_put(&document,
                   "\x81\xa1"
                   "a\xdc\0",
                   5);
        buffer_put_byte(&document, (uint8_t)count);
        for (unsigned i = 0; i < count; i++)
            buffer_put_byte(&document, (uint8_t)(count - i));
        failure_init(&f);
        ck_assert_int_eq(index_entries_make(&entries, &d, buffer_slice(&document),
                                            slice_make("\x02", 1), &f),
                         count > ENTRIES_MAX ? ERR_TOO_LARGE : ERR_OK);
        if (count > ENTRIES_MAX)
            ck_assert_str_eq(f.limit, "index-entries");
        else
            ck_assert_uint_eq(entries.count, ENTRIES_MAX);
        buffer_fini(&document);
    }
    index_entries_fini(&entries);
    close_sim();
    buffer_fini(&options);
}
END_TEST

START_TEST(entries_survive_failed_allocations)
{
    struct buffer options = packed("{\"key\":\"a\",\"multi\":T}");
    struct buffer document =
        packed("{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]}");
    bool failed = true;

    for (unsigned at = 1; failed; at++) {
        struct index_entries entries;
        struct index_definition d;
        struct failure f;
        enum err e;

        open_sim();
        index_entries_init(&entries, sim_table(sim), ENTRIES_MAX);
        failure_init(&f);
        ck_assert_int_eq(index_definition_read(buffer_slice(&options), &d, &f), ERR_OK);
        sim_fail_alloc_at(sim, at);
        e = index_entries_make(&entries, &d, buffer_slice(&document), slice_make("\x02", 1),
                               &f);
        failed = e != ERR_OK;
        sim_fail_clear(sim);
        ck_assert_uint_eq(entries.count, failed ? 0 : 20);
        ck_assert(!failed || e == ERR_NOMEM);
        index_entries_fini(&entries);
        close_sim();
    }
    buffer_fini(&options);
    buffer_fini(&document);
}
END_TEST

/* ---- at random, beside a model ---- */

#define RANDOM_OPTIONS 12

static const char *const random_options[RANDOM_OPTIONS] = {
    "{\"key\":\"a\"}",
    "{\"key\":{\"path\":\"a\",\"order\":\"desc\"},\"unique\":T}",
    "{\"key\":[\"a\",\"b\"]}",
    "{\"key\":[{\"path\":\"a\",\"order\":\"desc\"},\"b\"]}",
    "{\"key\":\"a\",\"multi\":T}",
    "{\"key\":{\"path\":\"a\",\"order\":\"desc\"},\"multi\":T}",
    "{\"key\":\"a\",\"multi\":T,\"types\":[\"number\",\"text\"]}",
    "{\"key\":\"a\",\"types\":[\"number\",\"array\",\"text\"]}",
    "{\"key\":{\"any\":[\"a\",\"b\"]},\"multi\":T}",
    "{\"key\":[[\"a\",0]]}",
    "{\"key\":[[\"b\",\"a\"],\"a\"]}",
    "{\"key\":\"a\",\"where\":{\"b\":{\"$lt\":\"\"}}}",
};

static const msgpack_object *field(const msgpack_object *o, const char *name)
{
    for (uint32_t i = 0; o && o->type == MSGPACK_OBJECT_MAP && i < o->via.map.size; i++) {
        const msgpack_object *key = &o->via.map.ptr[i].key;

        if (key->type == MSGPACK_OBJECT_STR && key->via.str.size == strlen(name) &&
            memcmp(key->via.str.ptr, name, key->via.str.size) == 0)
            return &o->via.map.ptr[i].val;
    }
    return NULL;
}

static unsigned type_bit(const msgpack_object *o)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL: return VALUE_NIL;
    case MSGPACK_OBJECT_BOOLEAN: return VALUE_BOOLEAN;
    case MSGPACK_OBJECT_STR: return VALUE_TEXT;
    case MSGPACK_OBJECT_BIN: return VALUE_BINARY;
    case MSGPACK_OBJECT_EXT: return VALUE_TIMESTAMP;
    case MSGPACK_OBJECT_ARRAY: return VALUE_ARRAY;
    default: return VALUE_NUMBER;
    }
}

static bool is_of(const msgpack_object *o, unsigned types)
{
    bool good = o && object_is_key(o) && (type_bit(o) & types);

    for (uint32_t i = 0; good && o->type == MSGPACK_OBJECT_ARRAY && i < o->via.array.size; i++)
        good = is_of(&o->via.array.ptr[i], types);
    return good;
}

/* One key: its parts. */
struct expected {
    const msgpack_object *parts[2];
};

/* The keys of the document by the option's number, in no order, with doubles. */
static unsigned model(unsigned option, const msgpack_object *doc, struct expected *out)
{
    const msgpack_object *a = field(doc, "a"), *b = field(doc, "b");
    unsigned types = option == 6   ? VALUE_NUMBER | VALUE_TEXT
                     : option == 7 ? VALUE_NUMBER | VALUE_ARRAY | VALUE_TEXT
                                   : VALUE_TYPES_ALL;
    unsigned count = 0;
    bool multi = (option >= 4 && option <= 6) || option == 8;

    if (option == 8 && !a)
        a = b;
    if (option == 9)
        a = a && a->type == MSGPACK_OBJECT_ARRAY && a->via.array.size ? a->via.array.ptr : NULL;
    if (option == 11 &&
        !(b && object_is_key(b) && type_bit(b) < VALUE_TEXT)) /* below the empty text */
        return 0;
    if (multi && a && a->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < a->via.array.size; i++) {
            if (is_of(&a->via.array.ptr[i], types))
                out[count++] = (struct expected){{&a->via.array.ptr[i], NULL}};
        }
        return count;
    }
    if (option == 2 || option == 3)
        out[0] = (struct expected){{a, b}};
    else if (option == 10)
        out[0] = (struct expected){{field(b, "a"), a}};
    else
        out[0] = (struct expected){{a, NULL}};
    if (!is_of(out[0].parts[0], types) ||
        ((option == 2 || option == 3 || option == 10) && !is_of(out[0].parts[1], types)))
        return 0;
    return 1;
}

static int model_order(unsigned option, const struct expected *x, const struct expected *y)
{
    int order = object_key_order(x->parts[0], y->parts[0]);

    if (option == 1 || option == 3 || option == 5)
        order = -order;
    return order || !x->parts[1] ? order : object_key_order(x->parts[1], y->parts[1]);
}

/* Sorted by the model's order, doubles once. */
static unsigned model_sort(unsigned option, struct expected *keys, unsigned count)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned at = 0;

        while (at < kept && model_order(option, &keys[at], &keys[i]) < 0)
            at++;
        if (at < kept && model_order(option, &keys[at], &keys[i]) == 0)
            continue;
        struct expected key = keys[i];
        memmove(keys + at + 1, keys + at, (kept - at) * sizeof *keys);
        keys[at] = key;
        kept++;
    }
    return kept;
}

static void random_value(struct dice *d, struct buffer *out)
{
    switch (dice_below(d, 6)) {
    case 0: value_make(d, 2, out); break;
    case 1: value_put_uint(d, dice_below(d, 4), out); break;
    case 2: {
        uint32_t count = (uint32_t)dice_below(d, 12);

        value_put_array_head(d, count, out);
        while (count-- > 0) {
            if (dice_below(d, 3))
                value_put_uint(d, dice_below(d, 5), out);
            else
                value_make_key(d, 1, out);
        }
        break;
    }
    case 3:
        buffer_put(out,
                   "\x81\xa1"
                   "a\x05",
                   4);
        break;
    default: value_make_key(d, 2, out);
    }
}

static struct buffer random_document(struct dice *d)
{
    struct buffer out = {0};

    do {
        unsigned fields = (unsigned)dice_below(d, 8);

        buffer_clear(&out);
        value_put_map_head(d, (fields & 1) + (fields > 1), &out);
        if (fields & 1) {
            buffer_put(&out,
                       "\xa1"
                       "a",
                       2);
            random_value(d, &out);
        }
        if (fields > 1) {
            buffer_put(&out,
                       "\xa1"
                       "b",
                       2);
            random_value(d, &out);
        }
    } while (msgpack_check_document(buffer_slice(&out), MSGPACK_DEPTH_MAX, NULL));
    return out;
}

/* Compare with the model; false: a key was too large. */
static bool check_entries(unsigned option, const struct index_definition *d,
                          struct slice document, struct index_entries *entries,
                          struct slice record_key)
{
    struct expected *expected = malloc(ENTRIES_MAX * 2 * sizeof *expected);
    msgpack_unpacked object, keys;
    struct buffer found;
    struct failure f;
    unsigned count;
    enum err e;

    failure_init(&f);
    e = index_entries_make(entries, d, document, record_key, &f);
    failure_clear(&f);
    if (e) {
        REQUIRE(e == ERR_TOO_LARGE && entries->count == 0);
        free(expected);
        return false;
    }
    msgpack_unpacked_init(&object);
    msgpack_unpacked_init(&keys);
    REQUIRE(msgpack_unpack_next(&object, (const char *)document.data, document.size, NULL) ==
            MSGPACK_UNPACK_SUCCESS);
    count = model_sort(option, expected, model(option, &object.data, expected));
    found = keys_of(d, entries, record_key);
    REQUIRE(msgpack_unpack_next(&keys, (const char *)found.data, found.size, NULL) ==
            MSGPACK_UNPACK_SUCCESS);
    REQUIRE(count == entries->count && keys.data.via.array.size == count);
    for (unsigned i = 0; i < count; i++) {
        const msgpack_object *key = &keys.data.via.array.ptr[i];

        if (!expected[i].parts[1]) {
            REQUIRE(object_key_order(key, expected[i].parts[0]) == 0);
        } else {
            REQUIRE(key->via.array.size == 2);
            for (unsigned n = 0; n < 2; n++)
                REQUIRE(object_key_order(&key->via.array.ptr[n], expected[i].parts[n]) == 0);
        }
    }
    msgpack_unpacked_destroy(&object);
    msgpack_unpacked_destroy(&keys);
    buffer_fini(&found);
    free(expected);
    return true;
}

/* Delete and add what the differences say: the second document's entries come out. */
static void check_diff(const struct index_entries *before, const struct index_entries *after)
{
    struct slice set[ENTRIES_MAX * 2], entry;
    struct index_diff diff;
    enum index_change change;
    unsigned count = before->count, same = 0;
    size_t key;

    for (unsigned i = 0; i < count; i++)
        set[i] = index_entry_at(before, i);
    index_diff_begin(&diff, before, after);
    while ((change = index_diff_next(&diff, &entry, &key)) != INDEX_SAME) {
        unsigned at = 0;

        REQUIRE(key < entry.size);
        while (at < count && slice_compare(set[at], entry) < 0)
            at++;
        if (change == INDEX_DELETE) {
            REQUIRE(at < count && slice_equal(set[at], entry));
            memmove(set + at, set + at + 1, (--count - at) * sizeof *set);
        } else {
            REQUIRE(at == count || !slice_equal(set[at], entry));
            memmove(set + at + 1, set + at, (count++ - at) * sizeof *set);
            set[at] = entry;
        }
    }
    REQUIRE(count == after->count);
    for (unsigned i = 0; i < count; i++)
        same += slice_equal(set[i], index_entry_at(after, i));
    REQUIRE(same == count);
}

START_TEST(random_documents_have_the_entries_of_the_model)
{
    struct dice dice = {(uint64_t)_i * 1000 + 3};
    struct buffer options = packed(random_options[_i]);
    struct index_entries entries[2];
    struct index_definition d;
    unsigned some = 0;
    struct failure f;

    open_sim();
    failure_init(&f);
    ck_assert_int_eq(index_definition_read(buffer_slice(&options), &d, &f), ERR_OK);
    for (unsigned i = 0; i < 2; i++)
        index_entries_init(&entries[i], sim_table(sim), ENTRIES_MAX);
    for (unsigned round = 0; round < 3000; round++) {
        struct buffer document = random_document(&dice);
        uint8_t *exact = exact_copy(buffer_slice(&document));
        unsigned at = round & 1;

        if (check_entries((unsigned)_i, &d, slice_make(exact, document.size), &entries[at],
                          slice_make("\x1d\x07\x00", 3)))
            some += entries[at].count > 0;
        if (round)
            check_diff(&entries[!at], &entries[at]);
        free(exact);
        buffer_fini(&document);
    }
    ck_assert_uint_gt(some, 100);
    for (unsigned i = 0; i < 2; i++)
        index_entries_fini(&entries[i]);
    close_sim();
    buffer_fini(&options);
}
END_TEST

START_TEST(bytes_that_are_no_entry_are_damage)
{
    struct buffer options = packed("{\"key\":[\"a\",\"b\"]}");
    struct index_definition d;
    struct failure f;
    size_t size;

    failure_init(&f);
    ck_assert_int_eq(index_definition_read(buffer_slice(&options), &d, &f), ERR_OK);
    ck_assert_int_eq(index_entry_split(&d, slice_make("\x02\x03\x04", 3), &size), ERR_OK);
    ck_assert_uint_eq(size, 2);
    ck_assert_int_eq(index_entry_split(&d, slice_make("\x02", 1), &size), ERR_CORRUPT);
    ck_assert_int_eq(index_entry_split(&d, slice_make("\x02\x01", 2), &size), ERR_CORRUPT);
    buffer_fini(&options);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("index_entries");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(all, 60);
    tcase_add_loop_test(all, definitions_are_read_and_written_in_one_form, 0,
                        sizeof definitions / sizeof definitions[0]);
    tcase_add_loop_test(all, a_document_has_the_entries_that_are_said, 0,
                        sizeof sentences / sizeof sentences[0]);
    tcase_add_test(all, index_key_and_record_key_have_4096_bytes_together);
    tcase_add_test(all, entries_are_bounded);
    tcase_add_test(all, entries_survive_failed_allocations);
    tcase_add_loop_test(all, random_documents_have_the_entries_of_the_model, 0, RANDOM_OPTIONS);
    tcase_add_test(all, bytes_that_are_no_entry_are_damage);
    suite_add_tcase(s, all);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
