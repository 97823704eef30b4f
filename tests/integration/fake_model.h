/* fake_model.h - what the fake server keeps: stores of records, ordered by packed key. */
#ifndef HOLDFAST_TESTS_FAKE_MODEL_H
#define HOLDFAST_TESTS_FAKE_MODEL_H

#include <msgpack.h>

#define STORES_MAX 8

struct bytes {
    char *data;
    size_t size;
};

struct record {
    struct bytes key, value;
};

struct store {
    char name[64];    /* "": free */
    struct bytes key; /* the option as given; size 0: explicit keys */
    bool generate;
    uint64_t last_number; /* of generated keys */
    struct record *records;
    size_t count;
};

struct state {
    struct store stores[STORES_MAX];
};

struct answer {
    msgpack_packer packer; /* the result is packed here; nil is packed if error is set */
    const char *error;     /* a name, or NULL */
    int code;
};

/* Small tools. Copies are the caller's to free. */
struct bytes fake_bytes_copy(const void *data, size_t size);
struct bytes fake_bytes_of(msgpack_object o);
void fake_state_clear(struct state *state);
void fake_state_copy(struct state *to, const struct state *from);
bool fake_object_is(msgpack_object o, const char *text);
struct store *fake_store_find(struct state *state, msgpack_object name);
bool fake_store_search(const struct store *s, struct bytes key, size_t *at);
msgpack_object fake_map_get(msgpack_object map, const char *name);
void fake_refuse(struct answer *a, int code, const char *name);
void fake_pack_text(msgpack_packer *p, const char *text);
void fake_pack_raw(msgpack_packer *p, struct bytes b);
msgpack_object fake_param(msgpack_object params, uint32_t i);
/* put, insert, and an update whose changes simply become the record. */
void fake_do_write(struct state *state, const char *method, msgpack_object params,
                   struct answer *a);
void fake_do_key(struct state *state, const char *method, msgpack_object params,
                 struct answer *a);
void fake_do_create(struct state *state, msgpack_object params, struct answer *a);
/* drop_store, clear_store, rename_store, and delete_range, whose range is always all. */
void fake_do_store(struct state *state, const char *method, msgpack_object params,
                   struct answer *a);
#define FAKE_PAGE_STORES 2
void fake_do_stores(struct state *state, msgpack_object params, struct answer *a);
void fake_record_free(struct record *r);

#endif
