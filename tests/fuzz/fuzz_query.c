/* fuzz_query.c - the parser of queries, fed with anything: a tree within its limits, or an error
 * that points into the text. */
#include "server/query/parse.h"
#include "tests/sim/sim_os.h"
#include "tests/fuzz/fuzz.h"

static const char *const texts[] = {
    "select a.b[0], count(distinct x) from s as t where x is not missing and y in (1, 2.5e3) "
    "group by a having count(*) > 1 order by 1 desc nulls last limit 3 offset $1",
    "select value {a: 'it''s', \"b\": [x'00ff', null]} from (select * from s) t left join u on "
    "t.k = u.k cross join unnest(u.list) l at n",
    "select case a when 1 then -b else cast(c as integer) end, exists (select 1) from s -- end",
    "insert into s (a, b) values (1, true), ($name, timestamp '2026-01-01T00:00:00Z') "
    "returning *",
    "update s set a.b = 1, c = c + 1 unset d where key(s) between 1 and 2 /* c */ returning a",
    "create unique index if not exists i on s (a, b.c desc) where a like 'x!%' escape '!'",
    "explain analyze delete from s where not a in b.c or d not in (select e from f);",
};

void fuzz_seed(struct dice *d, struct buffer *out)
{
    const char *text = texts[dice_below(d, sizeof texts / sizeof *texts)];

    buffer_put(out, text, strlen(text));
}

static void check_node(const struct ast *a, size_t size, unsigned depth);

static void check_list(const struct ast_list *list, size_t size, unsigned depth)
{
    uint32_t count = 0;

    for (const struct ast *i = list->first; i; i = i->next, count++)
        check_node(i, size, depth);
    FUZZ_CHECK(count == list->count);
}

static void check_node(const struct ast *a, size_t size, unsigned depth)
{
    if (!a)
        return;
    FUZZ_CHECK(depth > 0 && a->depth <= depth);
    FUZZ_CHECK(a->place <= a->end && a->end <= size);
    check_node(a->a, size, a->depth - 1u);
    check_node(a->b, size, a->depth - 1u);
    check_node(a->c, size, a->depth - 1u);
    check_list(&a->list, size, a->depth - 1u);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sim *sim = sim_new(1);
    struct ast_statement *s;
    struct failure failure;
    struct arena arena;
    enum err e;

    if (size > QUERY_TEXT_BYTES_MAX)
        size = QUERY_TEXT_BYTES_MAX;
    failure_init(&failure);
    arena_init(&arena, sim_table(sim));
    e = query_parse(slice_make(data, size), &arena, &s, &failure);
    FUZZ_CHECK(e == ERR_OK || e == ERR_BAD_QUERY);
    FUZZ_CHECK((e == ERR_OK) == (s != NULL));
    if (s && s->select)
        check_list(&s->select->items, size, QUERY_DEPTH_MAX);
    if (s)
        check_node(s->where, size, QUERY_DEPTH_MAX);
    failure_clear(&failure);
    arena_free(&arena);
    sim_free(sim);
    return 0;
}
