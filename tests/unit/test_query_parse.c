/* test_query_parse.c - texts of queries become trees, or an error with its place. */
#include "server/query/parse.h"
#include "tests/sim/sim_os.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct arena arena;
static struct sim *sim;
static struct failure failure;

static void setup(void)
{
    sim = sim_new(1);
    arena_init(&arena, sim_table(sim));
    failure_init(&failure);
}

static void teardown(void)
{
    failure_clear(&failure);
    arena_free(&arena);
    sim_free(sim);
}

static struct ast_statement *parse(const char *text)
{
    struct ast_statement *s;
    enum err e = query_parse(slice_text(text), &arena, &s, &failure);

    if (e)
        ck_abort_msg("%s: %s", text, failure.text);
    return s;
}

/* A small picture of an expression, with parentheses around every node. */
static void draw(const struct ast *a, char *to, size_t room)
{
    static const char *const signs[] = {
        [AST_NEGATE] = "-",      [AST_NOT] = "not ",          [AST_AND] = " and ",
        [AST_OR] = " or ",       [AST_EQUAL] = " = ",         [AST_NOT_EQUAL] = " <> ",
        [AST_LESS] = " < ",      [AST_ADD] = " + ",           [AST_SUBTRACT] = " - ",
        [AST_MULTIPLY] = " * ",  [AST_CONCAT] = " || ",       [AST_LIKE] = " like ",
        [AST_IN_VALUE] = " in ", [AST_BETWEEN] = " between ",
    };
    char left[200] = "", right[200] = "", third[200] = "";

    if (!a)
        return;
    draw(a->a, left, sizeof left);
    draw(a->b, right, sizeof right);
    draw(a->c, third, sizeof third);
    switch (a->kind) {
    case AST_NAME:
    case AST_INTEGER:
    case AST_DECIMAL: snprintf(to, room, "%.*s", (int)a->text.size, a->text.data); return;
    case AST_TEXT: snprintf(to, room, "'%.*s'", (int)a->text.size, a->text.data); return;
    case AST_FIELD:
        snprintf(to, room, "%s.%.*s", left, (int)a->text.size, a->text.data);
        return;
    case AST_ELEMENT: snprintf(to, room, "%s[%s]", left, right); return;
    case AST_BETWEEN: snprintf(to, room, "(%s between %s, %s)", left, right, third); return;
    case AST_IS:
        snprintf(to, room, "(%s is%s %u)", left, a->is_negated ? " not" : "", a->number);
        return;
    case AST_AND:
    case AST_OR: {
        size_t used = (size_t)snprintf(to, room, "(");

        for (const struct ast *i = a->list.first; i; i = i->next) {
            draw(i, left, sizeof left);
            used += (size_t)snprintf(to + used, room - used, "%s%s", left,
                                     i->next ? signs[a->kind] : ")");
        }
        return;
    }
    default:
        snprintf(to, room, "(%s%s%s%s)", right[0] ? left : "", a->is_negated ? " not" : "",
                 signs[a->kind], right[0] ? right : left);
    }
}

START_TEST(operators_bind_as_in_sql)
{
    static const struct {
        const char *text, *picture;
    } cases[] = {
        {"1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"},
        {"not a = b and c or d", "(((not (a = b)) and c) or d)"},
        {"a and b and c", "(a and b and c)"},
        {"a and (b and c)", "(a and (b and c))"},
        {"-a * b", "((-a) * b)"},
        {"a || b = c", "((a || b) = c)"},
        {"a between 1 and 2 and c", "((a between 1, 2) and c)"},
        {"a not like 'x%' or b", "((a not like 'x%') or b)"},
        {"a.b[0].c = 1", "(a.b[0].c = 1)"},
        {"'libuv1' in p.depends", "('libuv1' in p.depends)"},
        {"a is not null and b", "((a is not 0) and b)"},
        {"(a or b) and c", "((a or b) and c)"},
        {"a.order.\"from\"", "a.order.from"},
        {"a < b + 1", "(a < (b + 1))"},
        {"- 1 - - 2", "((-1) - (-2))"},
        {"key.value", "key.value"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200], picture[400];

        snprintf(text, sizeof text, "select %s", cases[i].text);
        draw(parse(text)->select->items.first->a, picture, sizeof picture);
        ck_assert_str_eq(picture, cases[i].picture);
    }
}
END_TEST

START_TEST(statements_of_every_kind_are_read)
{
    static const char *const texts[] = {
        "select * from a",
        "SELECT DISTINCT a.x AS y, b.* FROM a, b WHERE a.k = b.k ORDER BY y DESC NULLS LAST, 2 "
        "LIMIT 3 OFFSET 4;",
        "select value p.name from packages p join unnest(p.depends) d at n on true",
        "select count(*), count(distinct x), sum(x) from s group by a, b having count(*) > 1",
        "select x from (select y as x from s) t left join u on t.x = u.x left outer join v on "
        "v.k "
        "= 1",
        "select case when a then 1 else 2 end, case a when 1 then 'x' end, cast(a as integer)",
        "select a in (1, 2), a not in (select x from s), exists (select 1), (select 1), a in "
        "()",
        "select timestamp '2026-01-01T00:00:00Z', x'00ff', [1, [2]], {a: 1, 'b c': {}}, $1, "
        "$name",
        "insert into s value {a: 1} returning *",
        "insert into s values {a: 1}, {a: 2}",
        "insert into s key 7 value {a: 1}",
        "insert into s (a, b) values (1, 2), (3, 4)",
        "insert into s select * from t returning key(s)",
        "upsert into s value $1",
        "update s set a.b = 1, c[0] = a + 1 unset d, e.f where x returning a",
        "update s t unset d where x",
        "delete from s where a is missing returning *",
        "create store s key (a, b.c desc)",
        "create store if not exists s generate",
        "create unique multi index i on s (a) where a > 1",
        "drop store if exists s",
        "drop index i on s",
        "explain select 1",
        "explain analyze select 1;",
        "select left(a, 2), key(s), value, \"select\" /* a comment */ from s -- and another",
        "select 'it''s', \"a \"\"name\"\"\"",
    };

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        parse(texts[i]);
}
END_TEST

START_TEST(quotes_are_taken_off)
{
    const struct ast *a = parse("select 'it''s', \"a \"\"b\"\"\", x'00fF'")->select->items.first;

    ck_assert(slice_equal(a->a->text, slice_text("it's")));
    ck_assert(slice_equal(a->next->a->text, slice_text("a \"b\"")));
    ck_assert(slice_equal(a->next->next->a->text, slice_make("\x00\xff", 2)));
}
END_TEST

START_TEST(errors_point_at_their_place)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *says;
    } cases[] = {
        {"", 1, 1, "unexpected end of the query"},
        {"selekt 1", 1, 1, "unexpected selekt; expected "},
        {"select a from", 1, 14, "unexpected end of the query; expected "},
        {"select a,\n  from b", 2, 3, "unexpected from; expected an expression"},
        {"select 'a", 1, 8, "missing closing '"},
        {"select a /* b", 1, 10, "unterminated comment"},
        {"select \xc3\xa4 \xc3\xb6 \xc3\xbc", 1, 12, "unexpected "},
        {"select 12ab", 1, 8, "cannot begin with a digit"},
        {"select a ? b", 1, 10, "unexpected character"},
        {"select $", 1, 8, "after $"},
        {"select $0", 1, 8, "numbered from $1"},
        {"select x'0'", 1, 8, "two hexadecimal digits"},
        {"select 1 2", 1, 10, "unexpected 2; expected an operator"},
        {"update s set a = 1 where", 1, 25, "expected an expression"},
        {"select (a).*", 1, 12, "unexpected *"},
        {"select a.b.*", 1, 12, "name of a source"},
        {"drop index i", 1, 13, "expected on"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ast_statement *s;
        enum err e = query_parse(slice_text(cases[i].text), &arena, &s, &failure);

        ck_assert_msg(e == ERR_BAD_QUERY, "%s", cases[i].text);
        ck_assert_msg(failure.line == cases[i].line && failure.column == cases[i].column,
                      "%s: %s", cases[i].text, failure.text);
        ck_assert_msg(strstr(failure.text, cases[i].says), "%s: %s", cases[i].text,
                      failure.text);
        failure_clear(&failure);
    }
}
END_TEST

/* Lines end with a line feed; columns are characters, not bytes. */
START_TEST(a_place_is_a_line_and_a_column)
{
    struct slice text = slice_text("a\n\xc3\xa4\xc3\xb6 b");

    query_refuse(&failure, text, 7, "what is wrong with \"%s\"", "b");
    ck_assert_str_eq(failure.text, "line 2, column 4: what is wrong with \"b\"");
    failure_clear(&failure);
    query_refuse_as(&failure, ERR_BAD_VALUE, text, 0, "100% wrong");
    ck_assert_str_eq(failure.text, "line 1, column 1: 100% wrong");
    ck_assert_int_eq(failure.error, ERR_BAD_VALUE);
}
END_TEST

static void expect_too_deep(const char *open, const char *inner, const char *close)
{
    static char text[1 << 20];
    struct ast_statement *s;
    size_t used = (size_t)snprintf(text, sizeof text, "select ");

    for (int i = 0; i < 20000; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", open);
    used += (size_t)snprintf(text + used, sizeof text - used, "%s", inner);
    for (int i = 0; i < 20000; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s", close);
    ck_assert_int_eq(query_parse(slice_make(text, used), &arena, &s, &failure), ERR_BAD_QUERY);
    ck_assert_msg(strstr(failure.text, "query-depth"), "%s: %s", open, failure.text);
    failure_clear(&failure);
}

START_TEST(what_is_nested_too_deep_is_refused)
{
    expect_too_deep("(", "1", ")");
    expect_too_deep("[", "1", "]");
    expect_too_deep("1 + ", "1", "");
    expect_too_deep("not ", "1", "");
    expect_too_deep("- ", "1", "");
    expect_too_deep("", "a", ".b");
    expect_too_deep("(select ", "1", ")");
    expect_too_deep("case when ", "1", " then 1 end");
}
END_TEST

START_TEST(long_chains_are_not_deep)
{
    static char text[1 << 18];
    size_t used = (size_t)snprintf(text, sizeof text, "select 1 where a = 0");

    for (int i = 0; i < 5000; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " or a = %d", i);
    ck_assert_uint_eq(parse(text)->select->where->list.count, 5001);
}
END_TEST

/* Whichever allocation fails, the parser says so. */
START_TEST(memory_that_is_short_is_said)
{
    static const char text[] = "select a, 'it''s' from b where c in (1, 2) order by d";
    enum err e = ERR_NOMEM;

    for (uint64_t n = 1; e == ERR_NOMEM; n++) {
        struct ast_statement *s;

        arena_free(&arena);
        sim_fail_alloc_at(sim, n);
        e = query_parse(slice_text(text), &arena, &s, &failure);
        sim_fail_alloc_at(sim, 0);
        ck_assert(e == ERR_OK || e == ERR_NOMEM);
        failure_clear(&failure);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query_parse");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, operators_bind_as_in_sql);
    tcase_add_test(all, statements_of_every_kind_are_read);
    tcase_add_test(all, quotes_are_taken_off);
    tcase_add_test(all, errors_point_at_their_place);
    tcase_add_test(all, a_place_is_a_line_and_a_column);
    tcase_add_test(all, what_is_nested_too_deep_is_refused);
    tcase_add_test(all, long_chains_are_not_deep);
    tcase_add_test(all, memory_that_is_short_is_said);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
