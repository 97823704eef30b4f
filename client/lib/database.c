/* database.c - which database a connection belongs to: said once, and again after reconnects. */
#include "client/lib/txn_internal.h"
#include "proto/msgpack.h"

#include <stdlib.h>

static int database_say(struct hf_conn *c, const char *name)
{
    struct hf_pack *p = call_start(c, "hello", 1, NULL);

    hf_pack_map(p, 2);
    hf_pack_text(p, "protocol");
    hf_pack_uint(p, 1);
    hf_pack_text(p, "database");
    hf_pack_text(p, name);
    return call_finish(c, NULL, NULL);
}

int database_bind(struct hf_conn *c)
{
    return c->database ? database_say(c, c->database) : HF_OK;
}

int hf_use_database(struct hf_conn *c, const char *name)
{
    char *copy = strdup(name);
    int e;

    if (!copy)
        return error_set(&c->error, HF_MEMORY, "out of memory");
    e = database_say(c, copy);
    if (e) {
        free(copy);
        return e;
    }
    free(c->database);
    c->database = copy;
    return HF_OK;
}

int hf_drop_database(struct hf_conn *c, const char *name, uint64_t *version)
{
    struct msgpack_cursor at;
    struct hf_bytes result;
    uint64_t had;
    int e;

    hf_pack_text(call_start(c, "drop_database", 1, NULL), name);
    e = call_finish(c, NULL, &result);
    if (e)
        return e;
    at = msgpack_open(slice_make(result.data, result.size));
    if (msgpack_read_uint(&at, &had) != ERR_OK)
        return connection_distrust(c, "drop_database");
    if (version)
        *version = had;
    return HF_OK;
}

/* ---- openers ---- */

int hf_attach(struct hf_conn *c, uint32_t o, uint64_t version, struct hf_attached *out)
{
    struct call_options options = {0};
    struct hf_bytes result;
    int e;

    if (version)
        call_options_uint(&options, "version", version);
    hf_pack_uint(call_start(c, "attach", 1, &options), o);
    e = call_finish(c, &options, &result);
    if (e)
        return e;
    out->version = map_find_uint(result, "version");
    out->may_upgrade = !slice_is_none(map_find(result, "upgrade"));
    return HF_OK;
}

static int opener_call(struct hf_conn *c, const char *method, uint32_t o)
{
    hf_pack_uint(call_start(c, method, 1, NULL), o);
    return call_finish(c, NULL, NULL);
}

int hf_versionchange_seen(struct hf_conn *c, uint32_t o)
{
    return opener_call(c, "versionchange_seen", o);
}

int hf_detach(struct hf_conn *c, uint32_t o)
{
    return opener_call(c, "detach", o);
}
