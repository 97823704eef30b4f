/* fake_rig.h - a connection of libholdfast to a fake server, for tests of the library. */
#ifndef HOLDFAST_TESTS_FAKE_RIG_H
#define HOLDFAST_TESTS_FAKE_RIG_H

#include "client/lib/holdfast.h"
#include "tests/integration/fake_server.h"

struct rig {
    struct fake_server *server;
    struct hf_conn *c;
    struct hf_pack key, value; /* scratch */
};

void rig_open(struct rig *rig, const struct fake_options *fake,
              const struct hf_open_options *options);
void rig_close(struct rig *rig);

/* Fail with the connection's error unless e is HF_OK. */
void rig_ok(struct rig *rig, int e);

/* n packed into p, in place of what was there. */
struct hf_bytes rig_number(struct hf_pack *p, uint64_t n);

/* Create store and put count records: i has the value 10 i. */
void rig_fill(struct rig *rig, const char *store, unsigned count);

bool rig_same(struct hf_bytes a, struct hf_bytes b);

/* Begin a get of the store "s" outside of a transaction. */
void rig_begin_get(struct rig *rig, unsigned key);

#endif
