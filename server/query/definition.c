/* definition.c - see definition.h: the options of create become the maps that the methods take. */
#include "server/query/definition.h"

#include "server/query/definition_where.h"
#include "server/query/parse.h"
#include "server/txn/guard.h"
#include "server/txn/indexes.h"
#include "server/txn/stores.h"

#include <string.h>

struct option_writer {
    uint8_t *to;
    size_t used, room;
};

static void put_bytes(struct option_writer *w, const void *bytes, size_t size)
{
    if (size <= w->room - w->used)
        memcpy(w->to + w->used, bytes, size);
    w->used += size <= w->room - w->used ? size : 0;
}

static void put_name(struct option_writer *w, struct slice text)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    put_bytes(w, head, msgpack_put_text_head(head, (uint32_t)text.size));
    put_bytes(w, text.data, text.size);
}

static void put_head(struct option_writer *w, uint8_t fix, uint32_t count)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    put_bytes(w, head,
              fix == 0x90 ? msgpack_put_array_head(head, count)
                          : msgpack_put_map_head(head, count));
}

/* The steps of a path, from its name on. ERR_BAD_QUERY: a step that is no constant. */
static enum err put_steps(struct option_writer *w, const struct ast *a, unsigned behind)
{
    uint8_t head[MSGPACK_HEAD_MAX];
    uint64_t place = 0;
    enum err e;

    if (a->kind == AST_NAME) {
        put_head(w, 0x90, behind + 1);
        put_name(w, a->text);
        return ERR_OK;
    }
    e = put_steps(w, a->a, behind + 1);
    if (e)
        return e;
    if (a->kind == AST_FIELD) {
        put_name(w, a->text);
        return ERR_OK;
    }
    if (a->b->kind == AST_TEXT) {
        put_name(w, a->b->text);
        return ERR_OK;
    }
    if (a->b->kind != AST_INTEGER)
        return ERR_BAD_QUERY;
    for (size_t i = 0; i < a->b->text.size && place <= UINT32_MAX; i++)
        place = place * 10 + (a->b->text.data[i] - '0');
    put_bytes(w, head, msgpack_put_uint(head, place));
    return ERR_OK;
}

/* A list of {path, order} as the option `key`. */
static enum err put_parts(struct option_writer *w, const struct ast_statement *s, struct op *op,
                          struct slice text)
{
    put_head(w, 0x90, s->parts.count);
    for (const struct ast *a = s->parts.first; a; a = a->next) {
        put_head(w, 0x80, 2);
        put_name(w, slice_text("path"));
        if (put_steps(w, a->a, 0))
            return query_refuse(&op->failure, text, a->place,
                                "the steps of a key path must be names or integers");
        put_name(w, slice_text("order"));
        put_name(w, slice_text(a->is_descending ? "desc" : "asc"));
    }
    return ERR_OK;
}

static void put_flag(struct option_writer *w, const char *name)
{
    put_name(w, slice_text(name));
    put_bytes(w, "\xc3", 1);
}

static enum err create_store(struct op *op, struct txn *t, const struct ast_statement *s,
                             struct slice text, struct option_writer *w)
{
    struct store_options options = {.generate = s->generates};
    enum err e = s->parts.count ? put_parts(w, s, op, text) : ERR_OK;

    if (s->parts.count)
        options.key = slice_make(w->to, w->used);
    return e ? e : store_create(op, t, s->store, &options);
}

static enum err create_index(struct op *op, struct txn *t, const struct ast_statement *s,
                             struct slice text, struct arena *arena, struct option_writer *w)
{
    struct slice where = SLICE_NONE;
    enum err e = ERR_OK;

    if (s->where)
        e = definition_where(s->where, text, arena, &op->failure, &where);
    if (e)
        return e;
    w->room += where.size;
    w->to = arena_alloc(arena, w->room);
    if (!w->to)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for the query");
    put_head(w, 0x80, 1u + s->is_unique + s->is_multi + (s->where != NULL));
    put_name(w, slice_text("key"));
    e = put_parts(w, s, op, text);
    if (e)
        return e;
    if (s->is_unique)
        put_flag(w, "unique");
    if (s->is_multi)
        put_flag(w, "multi");
    if (s->where) {
        put_name(w, slice_text("where"));
        put_bytes(w, where.data, where.size);
    }
    return index_create(op, t, s->store, s->index, slice_make(w->to, w->used));
}

/* What is said to be there already, or to be gone. */
static bool is_granted(const struct ast_statement *s, enum err e)
{
    bool creates = s->verb == AST_CREATE_STORE || s->verb == AST_CREATE_INDEX;

    return s->if_exists && (creates ? e == ERR_EXISTS : e == ERR_NO_STORE || e == ERR_NO_INDEX);
}

static bool is_name(struct slice name)
{
    return name.size >= 1 && name.size <= TEXT_NAME_BYTES_MAX;
}

enum err definition_run(struct op *op, struct txn *t, const struct ast_statement *s,
                        struct slice text, struct arena *arena)
{
    struct option_writer w = {.room = text.size * 2 + 256 * (s->parts.count + 1)};
    enum err e = ERR_INTERNAL;

    if (!is_name(s->store) || (!slice_is_none(s->index) && !is_name(s->index)))
        return query_refuse(&op->failure, text, s->store_place,
                            "a name must have 1 to %u bytes", TEXT_NAME_BYTES_MAX);
    w.to = arena_alloc(arena, w.room);
    if (!w.to)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for the query");
    e = s->verb == AST_CREATE_STORE ? guard_check_new(op, s->store)
                                    : guard_check(op, s->store, GUARD_SCHEMA);
    if (e)
        return query_set_place(&op->failure, e, text, s->store_place), e;
    switch (s->verb) {
    case AST_CREATE_STORE: e = create_store(op, t, s, text, &w); break;
    case AST_DROP_STORE: e = store_drop(op, t, s->store); break;
    case AST_CREATE_INDEX: e = create_index(op, t, s, text, arena, &w); break;
    case AST_DROP_INDEX: e = index_drop(op, t, s->store, s->index); break;
    default: break;
    }
    if (is_granted(s, e)) {
        failure_clear(&op->failure);
        return ERR_OK;
    }
    if (e && e != ERR_WAIT)
        query_set_place(&op->failure, e, text,
                        slice_is_none(s->index) ? s->store_place : s->index_place);
    return e;
}
