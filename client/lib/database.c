/* database.c - which database a connection belongs to: said once, and again after reconnects. */
#include "client/lib/connection_internal.h"

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

int hf_databases(struct hf_conn *c, struct hf_bytes *result)
{
    call_start(c, "databases", 0, NULL);
    return call_finish(c, NULL, result);
}
