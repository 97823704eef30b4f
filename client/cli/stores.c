#include "client/cli/stores.h"
#include "client/cli/json.h"
#include "client/cli/keypath.h"
#include "client/cli/text.h"
#include "client/cli/value.h"
#include "proto/msgpack.h"

static struct slice slice_of_text(const struct hf_pack *text)
{
    return slice_make(text->data, text->failed ? 0 : text->size);
}

static bool is_true(struct slice value)
{
    struct msgpack_cursor c = msgpack_open(value);
    bool b = false;

    return msgpack_read_bool(&c, &b) == ERR_OK && b;
}

/* A map whose pairs are counted as they are put. */
struct map {
    struct hf_pack pairs;
    uint32_t count;
};

static void map_put(struct map *m, const char *name, struct slice value)
{
    if (slice_is_none(value))
        return;
    hf_pack_text(&m->pairs, name);
    hf_pack_raw(&m->pairs, (struct hf_bytes){value.data, value.size});
    m->count++;
}

static void map_put_text(struct map *m, const char *name, const struct hf_pack *text)
{
    hf_pack_text(&m->pairs, name);
    hf_pack_text_bytes(&m->pairs, hf_pack_bytes(text));
    m->count++;
}

static void map_end(struct map *m, struct hf_pack *out)
{
    hf_pack_map(out, m->count);
    hf_pack_raw(out, hf_pack_bytes(&m->pairs));
    hf_pack_fini(&m->pairs);
}

/* The key as people write it: fields, "(generated)", or "(explicit)". */
static void put_key(struct map *m, struct slice entry)
{
    struct slice key = value_field(entry, "key");
    struct hf_pack text = {0};

    if (!slice_is_none(key))
        keypath_print(key, &text);
    else
        text_append(&text,
                    is_true(value_field(entry, "generate")) ? "(generated)" : "(explicit)");
    map_put_text(m, "key", &text);
    hf_pack_fini(&text);
}

/* " (building, 45 %)", " (failed: NOT_UNIQUE)"; nothing where it is ready. */
static void append_state(struct hf_pack *text, struct slice index, uint64_t records)
{
    struct slice state = value_field_text(index, "state");
    struct slice why = value_field_text(value_field(index, "error"), "name");
    uint64_t built = value_field_uint(index, "built", UINT64_MAX);

    if (slice_is_none(state) || slice_equal(state, slice_text("ready")))
        return;
    text_append(text, " (");
    text_append_slice(text, state);
    if (!slice_is_none(why)) {
        text_append(text, ": ");
        text_append_slice(text, why);
    } else if (built <= records) {
        text_printf(text, ", %d %%",
                    records ? (int)((double)built * 100 / (double)records) : 100);
    }
    text_append(text, ")");
}

/* The names of a store's indexes, each followed by "(unique)" and its state unless ready. */
static void put_names(struct map *m, const char *name, struct slice entry)
{
    struct slice list = value_field(entry, "indexes");

    struct msgpack_cursor c = msgpack_open(list);
    struct hf_pack text = {0};
    struct slice element;
    uint32_t count = 0;

    msgpack_read_array(&c, &count);
    while (count-- > 0 && msgpack_skip(&c, MSGPACK_DEPTH_MAX, &element) == ERR_OK) {
        if (text.size > 0)
            text_append(&text, ", ");
        text_append_slice(&text, value_field_text(element, "name"));
        if (is_true(value_field(element, "unique")))
            text_append(&text, " (unique)");
        append_state(&text, element, value_field_uint(entry, "records", 0));
    }
    if (text.size > 0)
        map_put_text(m, name, &text);
    hf_pack_fini(&text);
}

/* What a table has of a store before its indexes. */
static void put_store(struct map *m, struct slice entry)
{
    map_put(m, "name", value_field(entry, "name"));
    put_key(m, entry);
    map_put(m, "records", value_field(entry, "records"));
    map_put(m, "bytes", value_field(entry, "bytes"));
}

/* What is out of the ordinary. */
static void put_oddities(struct map *m, struct slice entry)
{
    struct slice conflict = value_field(entry, "conflict");

    if (slice_equal(value_field_text(entry, "conflict"), slice_text("none")))
        map_put(m, "conflict", conflict);
    if (is_true(value_field(entry, "damaged")))
        map_put(m, "damaged", value_field(entry, "damaged"));
}

void stores_shorten(struct slice list, struct hf_pack *out)
{
    struct msgpack_cursor c = msgpack_open(list);
    struct slice entry;
    uint32_t count = 0;

    msgpack_read_array(&c, &count);
    hf_pack_array(out, count);
    while (count-- > 0 && msgpack_skip(&c, MSGPACK_DEPTH_MAX, &entry) == ERR_OK) {
        struct map m = {0};

        put_store(&m, entry);
        put_names(&m, "indexes", entry);
        put_oddities(&m, entry);
        map_end(&m, out);
    }
}

/* "text, number" */
static void put_words(struct map *m, const char *name, struct slice list)
{
    struct msgpack_cursor c = msgpack_open(list);
    struct hf_pack text = {0};
    struct slice word;
    uint32_t count = 0;

    msgpack_read_array(&c, &count);
    while (count-- > 0 && msgpack_read_text(&c, &word) == ERR_OK) {
        if (text.size > 0)
            text_append(&text, ", ");
        text_append_slice(&text, word);
    }
    if (text.size > 0)
        map_put_text(m, name, &text);
    hf_pack_fini(&text);
}

/* As --where takes it: its operators are no types. */
static void put_condition(struct map *m, struct slice condition)
{
    struct hf_pack text = {0};

    if (slice_is_none(condition))
        return;
    json_print(condition, JSON_PLAIN, &text);
    map_put_text(m, "where", &text);
    hf_pack_fini(&text);
}

/* Every field of an index, those that are nil or false left out. */
static void describe_index(struct slice index, struct hf_pack *out)
{
    struct msgpack_cursor c = msgpack_open(index);
    struct map m = {0};
    struct slice name, value;
    char field[64];
    uint32_t pairs = 0;

    msgpack_read_map(&c, &pairs);
    map_put(&m, "name", value_field(index, "name"));
    put_key(&m, index);
    put_words(&m, "types", value_field(index, "types"));
    put_condition(&m, value_field(index, "where"));
    while (pairs-- > 0 && msgpack_read_text(&c, &name) == ERR_OK &&
           msgpack_skip(&c, MSGPACK_DEPTH_MAX, &value) == ERR_OK) {
        snprintf(field, sizeof field, "%.*s", (int)name.size, (const char *)name.data);
        if (strcmp(field, "name") == 0 || strcmp(field, "key") == 0 ||
            strcmp(field, "types") == 0 || strcmp(field, "where") == 0 ||
            value.data[0] == 0xc0 || value.data[0] == 0xc2)
            continue;
        map_put(&m, field, value);
    }
    map_end(&m, out);
}

void stores_describe(struct slice entry, struct slice sample, struct hf_pack *out)
{
    struct slice indexes = value_field(entry, "indexes"), index;
    struct msgpack_cursor c = msgpack_open(indexes);
    struct hf_pack list = {0};
    struct map m = {0};
    uint32_t count = 0;

    put_store(&m, entry);
    map_put(&m, "generate", value_field(entry, "generate"));
    map_put(&m, "next", value_field(entry, "next"));
    map_put(&m, "conflict", value_field(entry, "conflict"));
    if (is_true(value_field(entry, "damaged")))
        map_put(&m, "damaged", value_field(entry, "damaged"));
    msgpack_read_array(&c, &count);
    hf_pack_array(&list, count);
    while (count-- > 0 && msgpack_skip(&c, MSGPACK_DEPTH_MAX, &index) == ERR_OK)
        describe_index(index, &list);
    map_put(&m, "indexes", slice_of_text(&list));
    if (sample.size > 0)
        map_put(&m, "fields", sample);
    hf_pack_fini(&list);
    map_end(&m, out);
}

/* ---- A sample ---- */

struct sampled {
    struct hf_pack name; /* packed text */
    unsigned types;      /* bits of hf_type */
    uint64_t records;
    struct hf_pack example; /* JSON, cut */
};

#define EXAMPLE_BYTES 40

static void sample_field(struct sampled *fields, unsigned *count, struct hf_bytes name,
                         struct hf_bytes value)
{
    unsigned i = 0;

    while (i < *count &&
           !slice_equal(slice_of_text(&fields[i].name), slice_make(name.data, name.size)))
        i++;
    if (i == STORES_SAMPLE_FIELDS)
        return;
    if (i == *count) {
        memset(&fields[i], 0, sizeof fields[i]);
        hf_pack_raw(&fields[i].name, name);
        (*count)++;
    }
    fields[i].types |= 1u << hf_type(value);
    fields[i].records++;
    if (fields[i].example.size == 0 && hf_type(value) != HF_TYPE_NIL)
        json_print(slice_make(value.data, value.size), JSON_TYPED, &fields[i].example);
}

static void describe_sampled(struct sampled *field, struct hf_pack *out)
{
    struct slice example = slice_of_text(&field->example);
    struct hf_pack types = {0}, cut = {0}, number = {0};
    struct map m = {0};
    size_t used;

    for (int type = HF_TYPE_NIL; type <= HF_TYPE_EXT; type++) {
        if (!(field->types & 1u << type))
            continue;
        text_append(&types, types.size ? ", " : "");
        text_append(&types, hf_type_name((enum hf_type)type));
    }
    text_append_slice(&cut, slice_make(example.data, text_fit(example, EXAMPLE_BYTES, &used)));
    if (cut.size < example.size)
        text_append(&cut, "\xe2\x80\xa6");
    hf_pack_uint(&number, field->records);
    map_put(&m, "field", slice_of_text(&field->name));
    map_put_text(&m, "types", &types);
    map_put(&m, "records", slice_of_text(&number));
    map_put_text(&m, "example", &cut);
    map_end(&m, out);
    hf_pack_fini(&types);
    hf_pack_fini(&cut);
    hf_pack_fini(&number);
}

void stores_sample(struct cli *cli, const char *store, struct hf_pack *out)
{
    struct hf_scan_options scan = {
        .values_only = true, .has_limit = true, .limit = STORES_SAMPLE_RECORDS};
    struct sampled fields[STORES_SAMPLE_FIELDS];
    struct hf_bytes name, value;
    struct hf_cursor *cursor;
    struct hf_walk walk;
    struct hf_row row;
    unsigned count = 0;

    if (hf_cursor_open(cli->conn, NULL, store, NULL, &scan, &cursor) != HF_OK)
        return;
    while (hf_cursor_next(cursor, &row) == HF_OK) {
        walk = hf_walk(row.value);
        while (hf_type(row.value) == HF_TYPE_MAP && hf_walk_next(&walk, &name, &value))
            if (hf_type(name) == HF_TYPE_TEXT)
                sample_field(fields, &count, name, value);
    }
    hf_cursor_close(cursor);
    if (count > 0)
        hf_pack_array(out, count);
    for (unsigned i = 0; i < count; i++) {
        describe_sampled(&fields[i], out);
        hf_pack_fini(&fields[i].name);
        hf_pack_fini(&fields[i].example);
    }
}
