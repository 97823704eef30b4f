/* explain.c - see explain.h. Conditions are shown as they stand in the query's text. */
#include "server/query/explain.h"

#include "server/base/assert.h"
#include "server/query/run_scan.h"
#include "server/txn/op.h"

#include <inttypes.h>
#include <stdio.h>

#define EXPRESSION_SHOWN 100 /* bytes of one */

static void put(struct explain_text *t, const void *bytes, size_t size)
{
    if (t->size + size > t->room) {
        size_t room = 2 * (t->size + size) + 512;
        uint8_t *grown = arena_alloc(t->arena, room);

        if (!grown) {
            t->failed = true;
            return;
        }
        if (t->size)
            memcpy(grown, t->data, t->size);
        t->data = grown;
        t->room = room;
    }
    if (size)
        memcpy(t->data + t->size, bytes, size);
    t->size += size;
}

static void put_chars(struct explain_text *t, const char *text)
{
    put(t, text, strlen(text));
}

static const char *const step_names[] = {
    [STEP_ONE] = "one row",
    [STEP_SCAN] = "scan",
    [STEP_DERIVED] = "rows of a query",
    [STEP_UNNEST] = "unnest",
    [STEP_JOIN] = "join",
    [STEP_FILTER] = "filter",
    [STEP_APPLY] = "ask a query",
    [STEP_GROUP] = "group",
    [STEP_PROJECT] = "columns",
    [STEP_HASH] = "join by hash",
    [STEP_DISTINCT] = "distinct",
    [STEP_SORT] = "sort",
    [STEP_LIMIT] = "limit",
};

/* ---- what a step does, in words ---- */

static void say_expression(struct explain_text *t, const struct query_run *r,
                           const struct expr *e)
{
    struct slice text = r->expr.text;

    if (e->kind == EXPR_AND && !e->end) { /* conditions put together by the planner */
        for (uint32_t i = 0; i < e->count; i++) {
            put_chars(t, i ? " and " : "");
            say_expression(t, r, e->list[i]);
        }
        return;
    }
    if (e->end <= e->place || e->end > text.size) {
        put_chars(t, "...");
        return;
    }
    text = text_cut(slice_make(text.data + e->place, e->end - e->place), EXPRESSION_SHOWN);
    put(t, text.data, text.size);
    put_chars(t, e->end - e->place > text.size ? "..." : "");
}

static void say_bound(struct explain_text *t, const struct query_run *r, const char *sign,
                      const struct expr *e)
{
    put_chars(t, sign);
    say_expression(t, r, e);
}

/* " key = 3, >= 4, < 5": of the parts in their order. */
static void say_bounds(struct explain_text *t, const struct query_run *r,
                       const struct step_scan *s)
{
    for (unsigned i = 0; i < s->equal_count; i++)
        say_bound(t, r, i ? ", = " : " = ", s->equal[i]);
    if (s->low.value)
        say_bound(t, r, s->low.is_open ? " > " : " >= ", s->low.value);
    if (s->high.value)
        say_bound(t, r, s->high.is_open ? " < " : " <= ", s->high.value);
}

static void say_scan(struct explain_text *t, const struct query_run *r, const struct step *s)
{
    const struct step_scan *scan = s->scan;
    struct slice name = schema_name(scan->store);

    put_chars(t, " ");
    put(t, name.data, name.size);
    if (scan->index) {
        put_chars(t, " by index ");
        put(t, scan->index->index.data, scan->index->index.size);
    } else if (scan->equal_count || scan->low.value || scan->high.value) {
        put_chars(t, " by key");
    } else {
        put_chars(t, " (all)");
    }
    say_bounds(t, r, scan);
    put_chars(t, scan->is_reverse ? ", backwards" : "");
}

static void say_list(struct explain_text *t, const struct query_run *r,
                     struct expr *const *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        put_chars(t, i ? ", " : " ");
        say_expression(t, r, list[i]);
    }
}

static void say_sort(struct explain_text *t, const struct query_run *r, const struct step *s)
{
    put_chars(t, " by");
    for (unsigned i = 0; i < s->key_count; i++) {
        put_chars(t, i ? ", " : " ");
        say_expression(t, r, s->keys[i].value);
        put_chars(t, s->keys[i].is_descending ? " desc" : "");
    }
    if (s->limit)
        put_chars(t, ", keeping what the limit wants");
}

static void say_apply(struct explain_text *t, const struct step *s)
{
    static const char *const kinds[] = {
        [APPLY_EXISTS] = ": exists", [APPLY_IN] = ": in", [APPLY_VALUE] = ": its value"};

    put_chars(t, kinds[s->apply]);
    put_chars(t, s->is_fixed ? ", once" : ", for each row");
}

static void say_group(struct explain_text *t, const struct query_run *r, const struct step *s)
{
    if (s->counts)
        put_chars(t, " of all: from the counts of the tree");
    else if (s->stops)
        put_chars(t, " of all: from the end of the key");
    else if (!s->output_count)
        put_chars(t, " of all");
    else
        put_chars(t, " by");
    say_list(t, r, s->outputs, s->output_count);
}

static void say_step(struct explain_text *t, const struct query_run *r, const struct step *s)
{
    put_chars(t, s->is_left ? "left " : "");
    put_chars(t, step_names[s->kind]);
    switch (s->kind) {
    case STEP_SCAN: say_scan(t, r, s); break;
    case STEP_UNNEST: say_bound(t, r, " ", s->value); break;
    case STEP_FILTER: say_bound(t, r, " ", s->condition); break;
    case STEP_JOIN:
    case STEP_HASH:
        if (s->condition)
            say_bound(t, r, " on ", s->condition);
        break;
    case STEP_APPLY: say_apply(t, s); break;
    case STEP_GROUP: say_group(t, r, s); break;
    case STEP_SORT: say_sort(t, r, s); break;
    case STEP_PROJECT: say_list(t, r, s->outputs, s->output_count); break;
    case STEP_LIMIT:
        if (s->limit)
            say_bound(t, r, " ", s->limit);
        if (s->offset)
            say_bound(t, r, " offset ", s->offset);
        break;
    default: break;
    }
}

/* ---- the tree ---- */

static void say_numbers(struct explain_text *t, const struct query_run *r, const struct step *s)
{
    const struct step_state *st = &r->states[s->number];
    char text[96];

    if (st->has_estimate) {
        snprintf(text, sizeof text, "  (%" PRIu64 " records)", st->estimate);
        put_chars(t, text);
    }
    if (!r->measures)
        return;
    snprintf(text, sizeof text, "  [%" PRIu64 " rows, %.3f ms]", st->rows,
             (double)st->spent_ns / 1e6);
    put_chars(t, text);
}

static void text_of(struct explain_text *t, const struct query_run *r, const struct step *s,
                    unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        put_chars(t, "  ");
    say_step(t, r, s);
    say_numbers(t, r, s);
    put_chars(t, "\n");
    if (s->input)
        text_of(t, r, s->input, depth + 1);
    if (s->inner)
        text_of(t, r, s->inner, depth + 1);
}

static const char *const verb_names[] = {
    [AST_SELECT] = "select",         [AST_INSERT] = "insert",
    [AST_UPSERT] = "upsert",         [AST_UPDATE] = "update",
    [AST_DELETE] = "delete",         [AST_CREATE_STORE] = "create store",
    [AST_DROP_STORE] = "drop store", [AST_CREATE_INDEX] = "create index",
    [AST_DROP_INDEX] = "drop index",
};

void explain_as_text(const struct query_run *r, struct explain_text *out)
{
    const struct plan *p = r->plan;

    if (p->statement->verb != AST_SELECT) {
        put_chars(out, verb_names[p->statement->verb]);
        put_chars(out,
                  !p->root || p->is_direct ? "\n" : ", all rows before the first is written\n");
    }
    if (p->root)
        text_of(out, r, p->root, p->statement->verb != AST_SELECT);
}

static void put_data_text(struct explain_text *t, const char *name, struct slice text)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    put(t, head, msgpack_put_text_head(head, (uint32_t)strlen(name)));
    put_chars(t, name);
    put(t, head, msgpack_put_text_head(head, (uint32_t)text.size));
    put(t, text.data, text.size);
}

static void put_data_number(struct explain_text *t, const char *name, uint64_t n)
{
    uint8_t head[MSGPACK_HEAD_MAX];

    put(t, head, msgpack_put_text_head(head, (uint32_t)strlen(name)));
    put_chars(t, name);
    put(t, head, msgpack_put_uint(head, n));
}

static void data_of(struct explain_text *t, const struct query_run *r, const struct step *s)
{
    const struct step_state *st = &r->states[s->number];
    struct explain_text words = {.arena = t->arena};
    uint8_t head[MSGPACK_HEAD_MAX];
    unsigned inputs = (s->input != NULL) + (s->inner != NULL);
    bool has_index = s->kind == STEP_SCAN && s->scan->index;

    say_step(&words, r, s);
    put(t, head,
        msgpack_put_map_head(head, 3u + (s->kind == STEP_SCAN) + has_index + st->has_estimate +
                                       2u * r->measures));
    put_data_text(t, "step", slice_text(step_names[s->kind]));
    put_data_text(t, "text", slice_make(words.data, words.size));
    if (s->kind == STEP_SCAN)
        put_data_text(t, "store", schema_name(s->scan->store));
    if (has_index)
        put_data_text(t, "index", s->scan->index->index);
    if (st->has_estimate)
        put_data_number(t, "records", st->estimate);
    if (r->measures) {
        put_data_number(t, "rows", st->rows);
        put_data_number(t, "us", st->spent_ns / 1000);
    }
    put(t, head, msgpack_put_text_head(head, 6));
    put_chars(t, "inputs");
    put(t, head, msgpack_put_array_head(head, inputs));
    if (s->input)
        data_of(t, r, s->input);
    if (s->inner)
        data_of(t, r, s->inner);
}

void explain_as_data(const struct query_run *r, struct explain_text *out)
{
    static const uint8_t nil[] = {0xc0};

    if (r->plan->root)
        data_of(out, r, r->plan->root);
    else
        put(out, nil, sizeof nil);
}

/* ---- estimates ---- */

static bool depends_on_rows(const struct step_scan *s)
{
    uint64_t reads = 0;

    for (unsigned i = 0; i < s->equal_count; i++)
        reads |= s->equal[i]->reads;
    if (s->low.value)
        reads |= s->low.value->reads;
    if (s->high.value)
        reads |= s->high.value->reads;
    return reads != 0;
}

static enum err estimate(struct query_run *r, const struct step *s)
{
    struct step_state *st = &r->states[s->number];
    enum err e = ERR_OK;

    if (s->kind == STEP_SCAN && !st->has_estimate && !depends_on_rows(s->scan))
        e = scan_count(r, s, &st->estimate, &st->has_estimate);
    if (!e && s->input)
        e = estimate(r, s->input);
    if (!e && s->inner)
        e = estimate(r, s->inner);
    return e;
}

enum err explain_estimate(struct query_run *r)
{
    return r->plan->root ? estimate(r, r->plan->root) : ERR_OK;
}
