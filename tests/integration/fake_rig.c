#include "tests/integration/fake_rig.h"

#include <check.h>
#include <string.h>

void rig_open(struct rig *rig, const struct fake_options *fake,
              const struct hf_open_options *options)
{
    struct hf_error error;

    rig->server = fake_server_start(fake);
    rig->c = hf_open(fake_server_address(rig->server), options, &error);
    ck_assert_msg(rig->c != NULL, "%s", error.message);
    hf_pack_init(&rig->key);
    hf_pack_init(&rig->value);
}

void rig_close(struct rig *rig)
{
    hf_close(rig->c);
    fake_server_free(rig->server);
    hf_pack_fini(&rig->key);
    hf_pack_fini(&rig->value);
}

struct hf_bytes rig_number(struct hf_pack *p, uint64_t n)
{
    hf_pack_reset(p);
    hf_pack_uint(p, n);
    return hf_pack_bytes(p);
}

void rig_ok(struct rig *rig, int e)
{
    ck_assert_msg(e == HF_OK, "%s: %s", hf_conn_error(rig->c)->name,
                  hf_conn_error(rig->c)->message);
}

void rig_fill(struct rig *rig, const char *store, unsigned count)
{
    rig_ok(rig, hf_create_store(rig->c, NULL, store, NULL));
    for (unsigned i = 0; i < count; i++)
        rig_ok(rig, hf_put(rig->c, NULL, store, rig_number(&rig->value, i * 10),
                           rig_number(&rig->key, i), NULL));
}

bool rig_same(struct hf_bytes a, struct hf_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

void rig_begin_get(struct rig *rig, unsigned key)
{
    struct hf_pack *p = hf_call_begin(rig->c, "get", 3);

    hf_pack_uint(p, 0);
    hf_pack_text(p, "s");
    hf_pack_uint(p, key);
}
