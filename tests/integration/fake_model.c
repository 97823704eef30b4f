#include "tests/integration/fake_model.h"

#include <stdlib.h>
#include <string.h>

struct bytes fake_bytes_copy(const void *data, size_t size)
{
    struct bytes b = {malloc(size + 1), size};

    memcpy(b.data, data, size);
    return b;
}

struct bytes fake_bytes_of(msgpack_object o)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;
    struct bytes b;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_object(&packer, o);
    b = fake_bytes_copy(buffer.data, buffer.size);
    msgpack_sbuffer_destroy(&buffer);
    return b;
}

static int bytes_compare(struct bytes a, struct bytes b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = memcmp(a.data, b.data, size);

    return order ? order : (a.size > b.size) - (a.size < b.size);
}

void fake_record_free(struct record *r)
{
    free(r->key.data);
    free(r->value.data);
}

static void store_clear(struct store *s)
{
    for (size_t i = 0; i < s->count; i++)
        fake_record_free(&s->records[i]);
    free(s->records);
    s->records = NULL;
    s->count = 0;
}

void fake_state_clear(struct state *state)
{
    for (int i = 0; i < STORES_MAX; i++) {
        store_clear(&state->stores[i]);
        free(state->stores[i].key.data);
        memset(&state->stores[i], 0, sizeof state->stores[i]);
    }
}

void fake_state_copy(struct state *to, const struct state *from)
{
    *to = *from;
    for (int i = 0; i < STORES_MAX; i++) {
        struct store *s = &to->stores[i];
        const struct store *f = &from->stores[i];

        s->key = f->key.data ? fake_bytes_copy(f->key.data, f->key.size) : f->key;
        s->records = malloc((f->count + 1) * sizeof *s->records);
        for (size_t k = 0; k < f->count; k++) {
            s->records[k].key = fake_bytes_copy(f->records[k].key.data, f->records[k].key.size);
            s->records[k].value =
                fake_bytes_copy(f->records[k].value.data, f->records[k].value.size);
        }
    }
}

bool fake_object_is(msgpack_object o, const char *text)
{
    return o.type == MSGPACK_OBJECT_STR && o.via.str.size == strlen(text) &&
           memcmp(o.via.str.ptr, text, o.via.str.size) == 0;
}

struct store *fake_store_find(struct state *state, msgpack_object name)
{
    for (int i = 0; i < STORES_MAX; i++) {
        if (state->stores[i].name[0] && fake_object_is(name, state->stores[i].name))
            return &state->stores[i];
    }
    return NULL;
}

/* Where key is or belongs. */
bool fake_store_search(const struct store *s, struct bytes key, size_t *at)
{
    size_t from = 0, to = s->count;

    while (from < to) {
        size_t middle = (from + to) / 2;
        int order = bytes_compare(s->records[middle].key, key);

        if (order == 0) {
            *at = middle;
            return true;
        }
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
    }
    *at = from;
    return false;
}

msgpack_object fake_map_get(msgpack_object map, const char *name)
{
    msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};

    if (map.type != MSGPACK_OBJECT_MAP)
        return nil;
    for (uint32_t i = 0; i < map.via.map.size; i++) {
        if (fake_object_is(map.via.map.ptr[i].key, name))
            return map.via.map.ptr[i].val;
    }
    return nil;
}

static msgpack_object map_get_object(msgpack_object map, msgpack_object name)
{
    char text[64] = "";

    if (name.type == MSGPACK_OBJECT_STR && name.via.str.size < sizeof text)
        memcpy(text, name.via.str.ptr, name.via.str.size);
    return fake_map_get(map, text);
}

/* The key of a record, given beside it or taken from it; size 0 if there is none. */
static struct bytes record_key(struct store *s, msgpack_object value, msgpack_object given)
{
    msgpack_object number = {.type = MSGPACK_OBJECT_POSITIVE_INTEGER};
    msgpack_unpacked spec;
    msgpack_object parts[16], key;
    struct bytes none = {NULL, 0}, made;
    size_t offset = 0;

    if (given.type != MSGPACK_OBJECT_NIL)
        return fake_bytes_of(given);
    if (s->key.size == 0) {
        if (!s->generate)
            return none;
        number.via.u64 = ++s->last_number;
        return fake_bytes_of(number);
    }
    msgpack_unpacked_init(&spec);
    msgpack_unpack_next(&spec, s->key.data, s->key.size, &offset);
    if (spec.data.type == MSGPACK_OBJECT_ARRAY) {
        key.type = MSGPACK_OBJECT_ARRAY;
        key.via.array.size = spec.data.via.array.size;
        key.via.array.ptr = parts;
        for (uint32_t i = 0; i < key.via.array.size; i++)
            parts[i] = map_get_object(value, spec.data.via.array.ptr[i]);
    } else {
        key = map_get_object(value, spec.data);
    }
    made = key.type == MSGPACK_OBJECT_NIL ? none : fake_bytes_of(key);
    msgpack_unpacked_destroy(&spec);
    return made;
}

/* ---- Answers ---- */

void fake_refuse(struct answer *a, int code, const char *name)
{
    a->error = name;
    a->code = code;
}

void fake_pack_text(msgpack_packer *p, const char *text)
{
    msgpack_pack_str_with_body(p, text, strlen(text));
}

void fake_pack_raw(msgpack_packer *p, struct bytes b)
{
    msgpack_sbuffer_write(p->data, b.data, b.size);
}

msgpack_object fake_param(msgpack_object params, uint32_t i)
{
    msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};

    return i < params.via.array.size ? params.via.array.ptr[i] : nil;
}

void fake_do_write(struct state *state, const char *method, msgpack_object params,
                   struct answer *a)
{
    bool update = method[0] == 'u', insert = method[0] == 'i';
    msgpack_object value = fake_param(params, update ? 3 : 2);
    struct store *s = fake_store_find(state, fake_param(params, 1));
    struct bytes key;
    size_t at;
    bool found;

    if (!s) {
        fake_refuse(a, 1003, "NO_STORE");
        return;
    }
    key = record_key(s, value, fake_param(params, update ? 2 : 3));
    if (key.size == 0) {
        fake_refuse(a, 1002, "BAD_KEY");
        return;
    }
    found = fake_store_search(s, key, &at);
    if (found && insert) {
        free(key.data);
        fake_refuse(a, 1007, "EXISTS");
        return;
    }
    if (found) {
        fake_record_free(&s->records[at]);
    } else {
        s->records = realloc(s->records, (s->count + 1) * sizeof *s->records);
        memmove(s->records + at + 1, s->records + at, (s->count - at) * sizeof *s->records);
        s->count++;
    }
    s->records[at].key = key;
    s->records[at].value = fake_bytes_of(value);
    fake_pack_raw(&a->packer, key);
}

void fake_do_key(struct state *state, const char *method, msgpack_object params,
                 struct answer *a)
{
    struct store *s = fake_store_find(state, fake_param(params, 1));
    struct bytes key;
    size_t at;
    bool found;

    if (!s) {
        fake_refuse(a, 1003, "NO_STORE");
        return;
    }
    key = fake_bytes_of(fake_param(params, 2));
    found = fake_store_search(s, key, &at);
    free(key.data);
    if (strcmp(method, "get") == 0) {
        if (found)
            fake_pack_raw(&a->packer, s->records[at].value);
        else
            msgpack_pack_nil(&a->packer);
        return;
    }
    if (found && strcmp(method, "delete") == 0) {
        fake_record_free(&s->records[at]);
        s->count--;
        memmove(s->records + at, s->records + at + 1, (s->count - at) * sizeof *s->records);
    }
    if (found)
        msgpack_pack_true(&a->packer);
    else
        msgpack_pack_false(&a->packer);
}

void fake_do_create(struct state *state, msgpack_object params, struct answer *a)
{
    msgpack_object name = fake_param(params, 1), options = fake_param(params, 2);
    msgpack_object key = fake_map_get(options, "key");

    if (fake_store_find(state, name)) {
        fake_refuse(a, 1007, "EXISTS");
        return;
    }
    for (int i = 0; i < STORES_MAX; i++) {
        struct store *s = &state->stores[i];

        if (s->name[0])
            continue;
        memcpy(s->name, name.via.str.ptr, name.via.str.size);
        if (key.type != MSGPACK_OBJECT_NIL)
            s->key = fake_bytes_of(key);
        s->generate = fake_map_get(options, "generate").type == MSGPACK_OBJECT_BOOLEAN;
        break;
    }
    msgpack_pack_nil(&a->packer);
}

void fake_do_store(struct state *state, const char *method, msgpack_object params,
                   struct answer *a)
{
    struct store *s = fake_store_find(state, fake_param(params, 1));
    msgpack_object name = fake_param(params, 2);

    if (!s) {
        fake_refuse(a, 1003, "NO_STORE");
        return;
    }
    if (strcmp(method, "delete_range") == 0)
        msgpack_pack_uint64(&a->packer, s->count);
    else
        msgpack_pack_nil(&a->packer);
    if (strcmp(method, "rename_store") == 0) {
        memset(s->name, 0, sizeof s->name);
        memcpy(s->name, name.via.str.ptr, name.via.str.size);
        return;
    }
    store_clear(s);
    if (strcmp(method, "drop_store") == 0) {
        free(s->key.data);
        memset(s, 0, sizeof *s);
    }
}

static void pack_store(struct answer *a, const struct store *s)
{
    msgpack_pack_map(&a->packer, 3);
    fake_pack_text(&a->packer, "name");
    fake_pack_text(&a->packer, s->name);
    fake_pack_text(&a->packer, "key");
    if (s->key.size)
        fake_pack_raw(&a->packer, s->key);
    else
        msgpack_pack_nil(&a->packer);
    fake_pack_text(&a->packer, "records");
    msgpack_pack_uint64(&a->packer, s->count);
}

/* Pages of FAKE_PAGE_STORES; the order is that of making. */
void fake_do_stores(struct state *state, msgpack_object params, struct answer *a)
{
    struct store *from = fake_store_find(state, fake_map_get(fake_param(params, 1), "from"));
    int at = from ? (int)(from - state->stores) : 0, end = at;
    uint32_t count = 0;

    for (; end < STORES_MAX && count < FAKE_PAGE_STORES; end++)
        count += state->stores[end].name[0] != '\0';
    msgpack_pack_map(&a->packer, 2);
    fake_pack_text(&a->packer, "stores");
    msgpack_pack_array(&a->packer, count);
    for (; at < end; at++) {
        if (state->stores[at].name[0])
            pack_store(a, &state->stores[at]);
    }
    while (end < STORES_MAX && !state->stores[end].name[0])
        end++;
    fake_pack_text(&a->packer, "next");
    if (end < STORES_MAX)
        fake_pack_text(&a->packer, state->stores[end].name);
    else
        msgpack_pack_nil(&a->packer);
}
