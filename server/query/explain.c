/* explain.c - see explain.h. Conditions are shown as they stand in the query's text. */
#include "server/query/explain.h"

#include "server/query/explain_rows.h"
#include "server/query/field_names.h"

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
    [STEP_ONE] = "one row",    [STEP_SCAN] = "scan",         [STEP_DERIVED] = "subquery rows",
    [STEP_UNNEST] = "unnest",  [STEP_JOIN] = "join",         [STEP_FILTER] = "filter",
    [STEP_APPLY] = "subquery", [STEP_GROUP] = "group",       [STEP_PROJECT] = "columns",
    [STEP_HASH] = "hash join", [STEP_DISTINCT] = "distinct", [STEP_SORT] = "sort",
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

static void say_equal(struct explain_text *t, const struct query_run *r,
                      const struct scan_equal *equal, bool is_first)
{
    put_chars(t, is_first ? " " : ", ");
    if (equal->value) {
        say_bound(t, r, "= ", equal->value);
        return;
    }
    say_expression(t, r, equal->any); /* a in (...) as it is written */
}

/* " = 3, >= 4 < 5": of the parts in their order. */
static void say_bounds(struct explain_text *t, const struct query_run *r,
                       const struct scan_path *p)
{
    for (unsigned i = 0; i < p->equal_count; i++)
        say_equal(t, r, &p->equal[i], i == 0);
    if (p->low.value)
        say_bound(t, r, p->low.is_open ? " > " : " >= ", p->low.value);
    if (p->high.value)
        say_bound(t, r, p->high.is_open ? " < " : " <= ", p->high.value);
    if (p->like)
        say_bound(t, r, ", ", p->like);
}

/* The way of a scan that was decided on; before it is, the one that it has by its key. */
static const struct scan_path *path_of(const struct query_run *r, const struct step *s)
{
    const struct scan_path *path = r->states[s->number].path;

    return path ? path : &s->scan->paths[0];
}

/* "alone": no record is looked up. */
static void say_scan(struct explain_text *t, const struct query_run *r, const struct step *s)
{
    const struct scan_path *path = path_of(r, s);
    struct slice name = schema_name(s->scan->store);

    put_chars(t, " ");
    put(t, name.data, name.size);
    if (path->index) {
        put_chars(t, " by index ");
        put(t, path->index->index.data, path->index->index.size);
        put_chars(t, path->has_all ? " alone" : "");
    } else if (path->equal_count || path->low.value || path->high.value || path->like) {
        put_chars(t, " by key");
    } else {
        put_chars(t, " (all)");
    }
    say_bounds(t, r, path);
    put_chars(t, (path->is_ordered && path->is_turned) || (path->finds_end && path->end_turned)
                     ? ", backwards"
                     : "");
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
        put_chars(t, ", top rows only");
}

static void say_apply(struct explain_text *t, const struct step *s)
{
    static const char *const kinds[] = {
        [APPLY_EXISTS] = ": exists", [APPLY_IN] = ": in", [APPLY_VALUE] = ": its value"};

    put_chars(t, kinds[s->apply]);
    put_chars(t, s->is_fixed ? ", once" : ", for each row");
}

static bool counts_tree(const struct query_run *r, const struct step *s)
{
    return s->counts && (s->input == s->counts || path_of(r, s->counts)->is_covered);
}

static bool is_in_order(const struct query_run *r, const struct step *s)
{
    return s->ordered && path_of(r, s->ordered)->is_ordered;
}

static void say_group(struct explain_text *t, const struct query_run *r, const struct step *s)
{
    if (counts_tree(r, s))
        put_chars(t, " all rows, by the record counts of the tree");
    else if (s->ends && path_of(r, s->ends)->finds_end)
        put_chars(t, " all rows, by the first or last key");
    else if (!s->output_count)
        put_chars(t, " all rows");
    else
        put_chars(t, " by");
    say_list(t, r, s->outputs, s->output_count);
}

/* A sort of rows that come in order does not sort. */
static const char *name_of(const struct query_run *r, const struct step *s)
{
    return step_names[is_in_order(r, s) ? STEP_PROJECT : s->kind];
}

static void say_step(struct explain_text *t, const struct query_run *r, const struct step *s)
{
    put_chars(t, s->is_left ? "left " : "");
    put_chars(t, name_of(r, s));
    if (is_in_order(r, s)) {
        say_list(t, r, s->outputs, s->output_count);
        return;
    }
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
        snprintf(text, sizeof text, "  (%" PRIu64 " record%s)", st->estimate,
                 st->estimate == 1 ? "" : "s");
        put_chars(t, text);
    } else if (s->kind != STEP_ONE) {
        snprintf(text, sizeof text, "  (about %" PRIu64 " row%s%s)", st->guess,
                 st->guess == 1 ? "" : "s", s->kind == STEP_SCAN ? " each time" : "");
        put_chars(t, text);
    }
    if (!r->measures)
        return;
    snprintf(text, sizeof text, "  [%" PRIu64 " row%s, %.3f ms", st->rows,
             st->rows == 1 ? "" : "s", (double)st->spent_ns / 1e6);
    put_chars(t, text);
    snprintf(text, sizeof text, ", %" PRIu64 " pages, %" PRIu64 " loaded", st->pages_asked,
             st->pages_loaded);
    put_chars(t, st->pages_asked ? text : "");
    put_chars(t, "]");
}

/* The next field, from i on, that is wanted and that no record of the sample has; false: there is
 * none. Where there are none, or too many to know, nothing is said. */
static bool next_unknown(const struct query_run *r, const struct step *s, unsigned *i)
{
    const struct field_names *sample =
        s->kind == STEP_SCAN ? r->states[s->number].sample : NULL;

    if (!sample || !sample->records || sample->is_full)
        return false;
    while (*i < s->scan->fields->count && field_names_have(sample, s->scan->fields->names[*i]))
        ++*i;
    return *i < s->scan->fields->count;
}

static void say_unknown(struct explain_text *t, const struct query_run *r, const struct step *s,
                        unsigned depth)
{
    const struct field_names *sample = r->states[s->number].sample;
    char text[80];

    for (unsigned i = 0; next_unknown(r, s, &i); i++) {
        struct slice name = s->scan->fields->names[i], near;
        unsigned distance;

        for (unsigned n = 0; n <= depth; n++)
            put_chars(t, "  ");
        put_chars(t, "note: no field \"");
        put(t, name.data, name.size);
        snprintf(text, sizeof text, "\" in the first %u record%s", sample->records,
                 sample->records == 1 ? "" : "s");
        put_chars(t, text);
        near = field_names_near(sample, name, &distance);
        if (!slice_is_none(near)) {
            put_chars(t, "; did you mean \"");
            put(t, near.data, near.size);
            put_chars(t, "\"?");
        }
        put_chars(t, "\n");
    }
}

static void text_of(struct explain_text *t, const struct query_run *r, const struct step *s,
                    unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        put_chars(t, "  ");
    say_step(t, r, s);
    say_numbers(t, r, s);
    put_chars(t, "\n");
    say_unknown(t, r, s, depth);
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

static bool gathers(const struct query_run *r)
{
    const struct plan *p = r->plan;

    return !p->is_direct || (p->target_scan && path_of(r, p->target_scan)->index);
}

void explain_as_text(const struct query_run *r, struct explain_text *out)
{
    const struct plan *p = r->plan;

    if (p->statement->verb != AST_SELECT) {
        put_chars(out, verb_names[p->statement->verb]);
        put_chars(out, r->measures ? " (nothing is written)" : "");
        put_chars(out,
                  !p->root || !gathers(r) ? "\n" : ", all rows before the first is written\n");
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

/* {name, near} of each. */
static void put_unknown(struct explain_text *t, const struct query_run *r, const struct step *s)
{
    uint8_t head[MSGPACK_HEAD_MAX];
    unsigned count = 0;

    for (unsigned i = 0; next_unknown(r, s, &i); i++)
        count++;
    put(t, head, msgpack_put_text_head(head, 7));
    put_chars(t, "unknown");
    put(t, head, msgpack_put_array_head(head, count));
    for (unsigned i = 0; next_unknown(r, s, &i); i++) {
        unsigned distance;
        struct slice name = s->scan->fields->names[i];
        struct slice near = field_names_near(r->states[s->number].sample, name, &distance);

        put(t, head, msgpack_put_map_head(head, 1u + !slice_is_none(near)));
        put_data_text(t, "name", name);
        if (!slice_is_none(near))
            put_data_text(t, "near", near);
    }
}

static void data_of(struct explain_text *t, const struct query_run *r, const struct step *s)
{
    const struct step_state *st = &r->states[s->number];
    struct explain_text words = {.arena = t->arena};
    uint8_t head[MSGPACK_HEAD_MAX];
    unsigned inputs = (s->input != NULL) + (s->inner != NULL);
    unsigned first = 0;
    bool has_unknown = next_unknown(r, s, &first);
    bool has_index = s->kind == STEP_SCAN && path_of(r, s)->index;

    say_step(&words, r, s);
    put(t, head,
        msgpack_put_map_head(head, 4u + (s->kind == STEP_SCAN) + has_index + has_unknown +
                                       st->has_estimate + 4u * r->measures));
    put_data_text(t, "step", slice_text(name_of(r, s)));
    put_data_text(t, "text", slice_make(words.data, words.size));
    if (s->kind == STEP_SCAN)
        put_data_text(t, "store", schema_name(s->scan->store));
    if (has_index)
        put_data_text(t, "index", path_of(r, s)->index->index);
    if (has_unknown)
        put_unknown(t, r, s);
    put_data_number(t, "estimate", st->guess);
    if (st->has_estimate)
        put_data_number(t, "records", st->estimate);
    if (r->measures) {
        put_data_number(t, "rows", st->rows);
        put_data_number(t, "us", st->spent_ns / 1000);
        put_data_number(t, "pages", st->pages_asked);
        put_data_number(t, "loaded", st->pages_loaded);
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

enum err explain_estimate(struct query_run *r)
{
    const struct step *root = r->plan->root;
    enum err e = root ? explain_count(r, root) : ERR_OK;

    if (!e && root)
        e = explain_sample(r, root);
    if (!e && root)
        explain_guess(r, root);
    return e;
}
