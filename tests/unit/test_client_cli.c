/* The command line against a small server of our own: words, options, tables, the shell. */
#include "client/cli/app.h"
#include "client/cli/args.h"
#include "client/cli/keypath.h"
#include "client/cli/output.h"
#include "client/cli/progress.h"
#include "client/cli/command.h"
#include "client/cli/top.h"
#include "client/cli/statement.h"
#include "client/cli/prompt.h"
#include "client/cli/suggest.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "client/cli/verbs.h"
#include "client/cli/words.h"
#include "tests/integration/fake_server.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- Running the program with its streams in memory ---- */

struct run {
    struct fake_server *server;
    char *out, *err; /* owned; of the last run */
    int exit_code;
};

static void run_start(struct run *run, const struct fake_options *fake)
{
    memset(run, 0, sizeof *run);
    run->server = fake_server_start(fake);
    setenv("HOLDFAST_CONNECT", fake_server_address(run->server), 1);
}

static void run_end(struct run *run)
{
    fake_server_free(run->server);
    free(run->out);
    free(run->err);
}

static void run_words(struct run *run, const char *input, int count, char **words)
{
    size_t out_size, err_size;
    char *argv[40] = {(char *)"holdfast"};
    FILE *in = fmemopen((char *)(input[0] ? input : "\n"), input[0] ? strlen(input) : 1, "r");
    FILE *out, *err;

    free(run->out);
    free(run->err);
    out = open_memstream(&run->out, &out_size);
    err = open_memstream(&run->err, &err_size);
    memcpy(argv + 1, words, (size_t)count * sizeof *words);
    run->exit_code = app_run(count + 1, argv, in, out, err);
    fclose(in);
    fclose(out);
    fclose(err);
}

/* line is split as the shell splits it; input goes to standard input. */
static void run(struct run *run, const char *line, const char *input)
{
    struct words words;

    ck_assert_msg(words_split(&words, line), "%s: %s", line, words.why);
    run_words(run, input, words.count, words.words);
    words_free(&words);
}

/* Run it and compare: all of its output, and a part of its messages ("": there are none). */
static void check_run(struct run *r, const char *line, const char *input, int exit_code,
                      const char *out, const char *err)
{
    run(r, line, input);
    ck_assert_msg(r->exit_code == exit_code, "%s: exit %d\n%s", line, r->exit_code, r->err);
    ck_assert_msg(strcmp(r->out, out) == 0, "%s: printed %s, not %s", line, r->out, out);
    ck_assert_msg(err[0] ? strstr(r->err, err) != NULL : r->err[0] == '\0', "%s: said %s", line,
                  r->err);
}

/* ---- Words ---- */

START_TEST(a_line_is_split_into_words)
{
    static const struct {
        const char *line;
        int count;
        const char *words[6];
    } cases[] = {
        {"", 0, {0}},
        {"   # nothing", 0, {0}},
        {"get users alice", 3, {"get", "users", "alice"}},
        {" put  s {\"a\": [1, 2]}  [\"k\" , 1] ",
         4,
         {"put", "s", "{\"a\": [1, 2]}", "[\"k\" , 1]"}},
        {"put s \"a \\\" b\" 'it''s' # why", 4, {"put", "s", "\"a \\\" b\"", "its"}},
        {"scan s --gte=[1, 2] --lt=x", 4, {"scan", "s", "--gte=[1, 2]", "--lt=x"}},
        {"get 'a store' a#b", 3, {"get", "a store", "a#b"}},
        {"get s '' ", 3, {"get", "s", ""}},
        {"update s k a={\"x\": 1} [\"b\", 0]=\"two words\"",
         5,
         {"update", "s", "k", "a={\"x\": 1}", "[\"b\", 0]=\"two words\""}},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct words words;

        ck_assert_msg(words_split(&words, cases[i].line), "%s: %s", cases[i].line, words.why);
        ck_assert_msg(words.count == cases[i].count, "%s: %d", cases[i].line, words.count);
        for (int k = 0; k < words.count; k++)
            ck_assert_str_eq(words.words[k], cases[i].words[k]);
        words_free(&words);
    }
}
END_TEST

START_TEST(a_line_that_cannot_be_split_says_where)
{
    static const char *const cases[][2] = {
        {"get s {\"a\":", "column 12"},
        {"get s [1]x", "column 10: expected a space"},
        {"x a=[1 a", "column 8"},
        {"get s 'abc", "column 7: unterminated quote"},
        {"get s \"abc", "column 11: unterminated string"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct words words;

        ck_assert(!words_split(&words, cases[i][0]));
        ck_assert_msg(strstr(words.why, cases[i][1]), "%s: %s", cases[i][0], words.why);
        words_free(&words);
    }
}
END_TEST

/* ---- The table of verbs ---- */

START_TEST(each_verb_is_explained_and_its_example_parses)
{
    struct cli cli = {
        .verbs = verbs, .in_shell = true, .where = "test", .out = stdout, .err = stderr};

    for (const struct verb *v = verbs; v->name; v++) {
        struct words words;
        struct globals globals;
        struct args args;
        int options = 0;

        ck_assert_msg(v->help && v->example && v->run, "%s", v->name);
        ck_assert_msg(words_split(&words, v->example), "%s: %s", v->example, words.why);
        ck_assert_msg(args_parse(&cli, words.count, words.words, &args, &globals), "%s",
                      v->example);
        ck_assert_ptr_eq(args.verb, v);
        for (const struct verb_option *o = v->options; o && o->name; o++) {
            ck_assert(o->help != NULL);
            options++;
            for (const struct verb_option *g = global_options; g->name; g++)
                ck_assert_str_ne(o->name, g->name);
        }
        ck_assert_int_le(options, VERB_OPTIONS_MAX);
        words_free(&words);
    }
}
END_TEST

START_TEST(help_names_verbs_options_and_examples)
{
    struct run r;

    run_start(&r, NULL);
    run(&r, "help", "");
    ck_assert_int_eq(r.exit_code, 0);
    for (const struct verb *v = verbs; v->name; v++)
        ck_assert_msg((strstr(r.out, v->help) != NULL) == !(v->kind & VERB_SHELL), "%s",
                      v->name);
    ck_assert_ptr_nonnull(strstr(r.out, "--timeout-ms N"));
    run(&r, "scan --help", "");
    ck_assert_int_eq(r.exit_code, 0);
    ck_assert_ptr_nonnull(strstr(r.out, "holdfast scan STORE"));
    ck_assert_ptr_nonnull(strstr(r.out, "--gte KEY"));
    ck_assert_ptr_nonnull(strstr(r.out, "Example:"));
    check_run(&r, "--version", "", 0, "holdfast " HF_VERSION_TEXT "\n", "");
    run_end(&r);
}
END_TEST

START_TEST(wrong_usage_is_told_and_exits_with_1)
{
    static const char *const cases[][2] = {
        {"gett s k", "unknown verb \"gett\"; did you mean get?"},
        {"begin", "begin works only inside the shell"},
        {"commit", "commit works only inside the shell"},
        {"-e x", "unknown option -e"},
        {"zzzzzz", "unknown verb \"zzzzzz\"; see"},
        {"get s", "too few arguments: get STORE KEY"},
        {"get s k k", "too many arguments"},
        {"ping x", "takes none"},
        {"scan s --limt 5", "unknown option --limt of scan; did you mean --limit?"},
        {"scan s --limit", "--limit needs a value"},
        {"scan s --limit x", "takes an integer"},
        {"scan s --limit -1", "takes an integer"},
        {"scan s --reverse=yes", "does not take a value"},
        {"scan s --keys --values", "cannot be combined"},
        {"scan s --gte '[1,'", "--gte, column 4"},
        {"get s '{\"a\":}'", "KEY, column 6"},
        {"get '' k", "invalid store name"},
        {"get . k", "use STORE"},
        {"put s '{\"$binary\":1}' k", "$binary takes base64"},
        {"import s --batch 0", "--batch takes 1 to"},
        {"import s --on-exists burn", "--on-exists takes"},
        {"import s /nowhere/file", "cannot open /nowhere/file: No such file"},
        {"create-store s --key a,,b", "--key takes field names"},
        {"create-store s --key a,at:descending", "unknown order in \"at:descending\""},
        {"create-store s --key a:b:desc", "unknown order in \"a:b:desc\""},
        {"create-store s --key a..b", "\"a..b\" is not a path"},
        {"create-store s --key a.b,c[x]", "\"c[x]\" is not a path"},
        {"create-store s --conflict first", "--conflict takes \"none\""},
        {"run '[1'", "OPS, line 1, column 3"},
        {"kill x", "TXID must be a transaction id"},
        {"--timeout-ms 1e3 ping", "takes an integer"},
        {"help gett", "did you mean get?"},
    };
    struct run r;

    run_start(&r, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_run(&r, cases[i][0], "", 1, "", cases[i][1]);
    fake_server_stop(r.server);
    ck_assert_uint_eq(fake_server_calls(r.server, "scan"), 0);
    check_run(&r, "ping", "", 2, "", "is holdfastd running?");
    check_run(&r, "--connect 127.0.0.1: ping", "", 1, "", "is not an address");
    run_end(&r);
}
END_TEST

START_TEST(near_words_are_suggested)
{
    ck_assert_uint_eq(suggest_distance("scan", "scan"), 0);
    ck_assert_uint_eq(suggest_distance("scna", "scan"), 1);
    ck_assert_uint_eq(suggest_distance("sca", "scan"), 1);
    ck_assert_uint_eq(suggest_distance("kitten", "sitting"), 3);
    ck_assert_uint_eq(suggest_distance("", "abc"), 3);
    ck_assert_str_eq(suggest_verb(verbs, "amalg", false), "amalgamate");
    ck_assert_str_eq(suggest_verb(verbs, "delete_range", false), "delete-range");
    ck_assert_str_eq(suggest_verb(verbs, "comit", true), "commit");
    ck_assert_str_ne(suggest_verb(verbs, "comit", false), "commit");
}
END_TEST

/* ---- Verbs ---- */

START_TEST(records_go_in_and_come_out_as_json)
{
    struct run r;

    run_start(&r, NULL);
    check_run(&r, "create-store users", "", 0, "", "");
    check_run(&r, "create-store users", "", 3, "", "EXISTS");
    check_run(&r, "put users '{\"name\": \"Al\\u001b\", \"age\": 5}' alice", "", 0,
              "\"alice\"\n", "");
    check_run(&r, "insert users 1 alice", "", 3, "", "EXISTS");
    check_run(&r, "get users alice", "", 0, "{\"name\":\"Al\\u001b\",\"age\":5}\n", "");
    check_run(&r, "get users '\"alice\"'", "", 0, "{\"name\":\"Al\\u001b\",\"age\":5}\n", "");
    check_run(&r, "get users bob", "", 0, "null\n", "");
    check_run(&r, "has users alice", "", 0, "true\n", "");
    check_run(&r, "put users x 42", "", 0, "42\n", "");
    check_run(&r, "put users y -- -1", "", 0, "-1\n", "");
    check_run(&r, "get users -1", "", 0, "\"y\"\n", "");
    check_run(&r, "delete users -1", "", 0, "true\n", "");
    check_run(&r, "scan users", "", 0,
              "{\"key\":42,\"value\":\"x\"}\n"
              "{\"key\":\"alice\",\"value\":{\"name\":\"Al\\u001b\",\"age\":5}}\n",
              "");
    check_run(&r, "scan users --keys --reverse", "", 0, "\"alice\"\n42\n", "");
    check_run(&r, "scan users --values --limit 1", "", 0, "\"x\"\n", "");
    check_run(&r, "count users", "", 0, "2\n", "");
    check_run(&r, "get nowhere k", "", 3, "", "NO_STORE");
    check_run(&r, "run '[[\"get\", [\"users\", 42]]]'", "", 0,
              "{\"results\":[\"x\"],\"commit\":1}\n", "");
    check_run(&r, "run", "[[\"put\",\n[\"users\",1,\"z\"]],[\"insert\",[\"users\",1,42]]]", 3,
              "", "EXISTS: as ordered; index 1");
    run_end(&r);
}
END_TEST

START_TEST(a_conflict_exits_with_4)
{
    struct fake_options fake = {
        .faults = {{"commit", 0, 1, HF_CONFLICT, "CONFLICT", "conflict", true, 0, -1, 0}}};
    struct run r;

    run_start(&r, &fake);
    check_run(&r, "", "create-store s\nbegin\nput s 1 a\ncommit\nput s 2 b\n", 4, "\"a\"\n",
              "line 4: CONFLICT");
    run_end(&r);
}
END_TEST

/* Whatever met it first: a transaction that has failed by a conflict is a conflict, and an
 * answer that came too late is no refusal. */
START_TEST(conflicts_and_late_answers_have_their_exit_codes_everywhere)
{
    struct fake_options fake = {
        .faults = {{"get", 0, 1, HF_TXN_FAILED, "TXN_FAILED", "conflict", true, 0, -1, 0},
                   {"count", 0, 1, HF_DEADLINE, "DEADLINE", "unavailable", true, 0, -1, 0},
                   {"has", 0, 1, HF_TXN_FAILED, "TXN_FAILED", "request", false, 0, -1, 0}}};
    struct run r;

    run_start(&r, &fake);
    check_run(&r, "", "create-store s\nbegin\nget s a\n", 4, "", "line 3: TXN_FAILED");
    check_run(&r, "count s", "", 2, "", "DEADLINE");
    check_run(&r, "", "begin\nhas s a\n", 3, "", "line 2: TXN_FAILED");
    run_end(&r);
}
END_TEST

START_TEST(tables_are_for_people)
{
    struct run r;

    setenv("COLUMNS", "60", 1);
    run_start(&r, NULL);
    run(&r, "create-store users", "");
    run(&r, "put users '{\"name\":\"Al\\u001b[2J\",\"age\":5}' a", "");
    run(&r, "put users '{\"name\":\"\xe6\x97\xa5\xe6\x9c\xac\",\"tags\":[1]}' b", "");
    check_run(&r, "scan users --table", "", 0,
              "key  name         age  tags\n"
              "---  -----------  ---  ----\n"
              "a    Al\\u001b[2J    5\n"
              "b    \xe6\x97\xa5\xe6\x9c\xac              [1]\n"
              "(2 rows)\n",
              "");
    check_run(&r, "get users b --table", "", 0, "name  \xe6\x97\xa5\xe6\x9c\xac\ntags  [1]\n",
              "");
    check_run(&r, "get users c --table", "", 0, "(none)\n", "");
    run_end(&r);
    unsetenv("COLUMNS");
}
END_TEST

START_TEST(rows_are_printed_as_other_programs_read_them)
{
    struct run r;

    run_start(&r, NULL);
    run(&r, "create-store users", "");
    run(&r, "put users '{\"name\":\"Ann, \\\"A\\\"\",\"note\":\"\"}' a", "");
    run(&r, "put users '{\"name\":\"x|y\\tz\\n\",\"tags\":[1,2]}' b", "");
    check_run(
        &r, "scan users --format csv", "", 0,
        "key,name,note,tags\r\na,\"Ann, \"\"A\"\"\",\"\",\r\nb,\"x|y\tz\n\",,\"[1,2]\"\r\n",
        "");
    check_run(&r, "scan users --format tsv", "", 0,
              "key\tname\tnote\ttags\na\tAnn, \"A\"\t\t\nb\tx|y\\tz\\n\t\t[1,2]\n", "");
    check_run(&r, "scan users --format markdown", "", 0,
              "| key | name | note | tags |\n|---|---|---|---|\n| a | Ann, \"A\" |  |  |\n"
              "| b | x\\|y\\tz\\n |  | [1,2] |\n",
              "");
    check_run(&r, "scan users --format vertical", "", 0,
              "key   a\nname  Ann, \"A\"\nnote  \n\nkey   b\nname  x|y\\tz\\n\ntags  [1,2]\n(2 "
              "rows)\n",
              "");
    check_run(&r, "get users a --format csv", "", 0, "name,note\r\n\"Ann, \"\"A\"\"\",\"\"\r\n",
              "");
    check_run(&r, "get users c --format csv", "", 0, "", "");
    check_run(&r, "count users --format csv", "", 0, "2\n", "");
    check_run(&r, "count users --format xml", "", 1, "", "unknown format \"xml\"");
    check_run(&r, "", "format csv\ncount users\nget users a\nformat json\nget users c\n", 0,
              "2\nname,note\r\n\"Ann, \"\"A\"\"\",\"\"\r\nnull\n", "");
    run_end(&r);
}
END_TEST

/* Whatever the cells are, lines are no wider than the terminal and columns stand under one
 * another. */
START_TEST(tables_fit_the_terminal)
{
    srand(7);
    for (int round = 0; round < 200; round++) {
        size_t width = 20 + (size_t)rand() % 120, size;
        unsigned columns = 1 + (unsigned)rand() % 12, rows = (unsigned)rand() % 6;
        struct table table;
        char *text, *line, *rest;
        FILE *out = open_memstream(&text, &size);

        table_init(&table, out, TABLE_ALIGNED, width);
        for (unsigned c = 0; c < columns; c++) {
            char name[2] = {(char)('a' + c), 0};

            table_column(&table, slice_text(name));
        }
        for (unsigned row = 0; row < rows; row++) {
            table_row(&table);
            for (unsigned c = 0; c < columns; c++) {
                char cell[60] = "";

                for (int k = rand() % 12; k > 0; k--)
                    strcat(cell, rand() % 2 ? "\xe6\x97\xa5" : "\x1bx");
                table_put(&table, c, slice_text(cell), rand() % 2);
            }
        }
        table_flush(&table);
        fclose(out);
        for (rest = text; (line = strsep(&rest, "\n"));) {
            ck_assert_ptr_null(strchr(line, '\x1b'));
            ck_assert_msg(text_width(slice_text(line)) <= width, "%zu: %s", width, line);
        }
        table_fini(&table);
        free(text);
    }
}
END_TEST

START_TEST(keys_are_compared_by_what_they_mean)
{
    static const struct {
        const char *given, *shown;
        bool equal;
    } cases[] = {
        {"a", "\"a\"", true},
        {"a", "[\"a\"]", true},
        {"a", "[[\"a\"]]", true},
        {"a,b", "[\"a\",\"b\"]", true},
        {"a,b", "[[\"a\"],[\"b\"]]", true},
        {"a:asc,b", "[{\"path\":[\"a\"],\"order\":\"asc\"},\"b\"]", true},
        {"a:desc", "[{\"order\":\"desc\",\"path\":\"a\"}]", true},
        {"a:desc", "\"a\"", false},
        {"a,b", "[[\"a\",\"b\"]]", false},
        {"a,b", "[\"b\",\"a\"]", false},
        {"a", "[\"a\",\"b\"]", false},
        {"[[\"a\",\"b\"]]", "[[\"a\",\"b\"]]", true},
        {"\"a.b\"", "\"a.b\"", true},
        {"a.b", "[[\"a\",\"b\"]]", true},
        {"a.b,c[2]:desc", "[[\"a\",\"b\"],{\"path\":[\"c\",2],\"order\":\"desc\"}]", true},
        {"a.b", "[\"a\",\"b\"]", false},
        {"[\"a:b\"]", "\"a:b\"", true},
    };
    struct cli cli = {.where = "test", .out = stdout, .err = stderr};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hf_pack given = {0}, shown = {0};

        ck_assert(keypath_parse(&cli, cases[i].given, &given));
        ck_assert(cli_parse(&cli, "x", cases[i].shown, &shown));
        ck_assert_msg(keypath_equal(slice_of_pack(&given), slice_of_pack(&shown)) ==
                          cases[i].equal,
                      "%s and %s", cases[i].given, cases[i].shown);
        hf_pack_fini(&given);
        hf_pack_fini(&shown);
    }
}
END_TEST

/* ---- The shell ---- */

/* Text, line by line, into statements: "kind:line:text|" for each, "open" at the end if one is. */
static void check_statements(const char *text, const char *expected)
{
    struct statements statements;
    struct typed_statement one;
    enum statement_state state = STATEMENT_NONE;
    char found[1000] = "", line[200];
    size_t at = 0;

    statements_init(&statements);
    while (*text) {
        size_t size = strcspn(text, "\n") + 1;

        snprintf(line, sizeof line, "%.*s", (int)size, text);
        text += size;
        statements_add(&statements, line);
        while ((state = statements_take(&statements, false, &one)) == STATEMENT_ONE) {
            at += (size_t)snprintf(found + at, sizeof found - at, "%c:%lu:%s|", "vqk"[one.kind],
                                   one.line, one.text);
            free(one.text);
        }
    }
    snprintf(found + at, sizeof found - at, "%s", state == STATEMENT_OPEN ? "open" : "");
    statements_fini(&statements);
    ck_assert_msg(strcmp(found, expected) == 0, "%s\nis not\n%s", found, expected);
}

START_TEST(text_is_taken_apart_into_statements)
{
    static const char *const cases[][2] = {
        {"stores\n", "v:1:stores|"},
        {"\n# c\n-- c\nstores;\n", "v:4:stores|"},
        {"select 1; select\n 2;\n", "q:1:select 1|q:1:select\n 2|"},
        {"select ';' -- ;\n/* ; */ from \"a;b\"\n", "open"},
        {"select ';' -- ;\n/* ; */ from \"a;b\";\n",
         "q:1:select ';' -- ;\n/* ; */ from \"a;b\"|"},
        {"select 'it''s;';\n", "q:1:select 'it''s;'|"},
        {"select 1 \\watch 5\nping\n", "k:1:select 1|v:1:\\watch 5|v:2:ping|"},
        {"put s {\"a\": [\n1, \"]\\\"}\"]\n} k\nping\n",
         "v:1:put s {\"a\": [\n1, \"]\\\"}\"]\n} k|v:4:ping|"},
        {"put s {\"a\":\n", "open"},
        {"put s {\"a\": \"b\n", "v:1:put s {\"a\": \"b|"}, /* a string ends on its line */
        {"put s [}\nping\n", "v:1:put s [}|v:2:ping|"},
        {"put s it's {\nping\n", "v:1:put s it's {|v:2:ping|"},
        {"put s k={\n}\n", "v:1:put s k={\n}|"},
        {"put s ab{\n", "v:1:put s ab{|"},
        {"put s x # {\n", "v:1:put s x # {|"},
        {"insert s {}\n", "v:1:insert s {}|"},
        {"insert into s value {};\n", "q:1:insert into s value {}|"},
        {"INSERT\n", "open"},
        {"insert\ninto s value {a: 1}\n;\n", "q:1:insert\ninto s value {a: 1}|"},
        {"update s k set a=1\n", "v:1:update s k set a=1|"},
        {"update s set a = 1\nwhere b;\n", "q:1:update s set a = 1\nwhere b|"},
        {"delete s k\n", "v:1:delete s k|"},
        {"delete from s;\n", "q:1:delete from s|"},
        {"create-store s\ncreate store s;\n", "v:1:create-store s|q:2:create store s|"},
        {"query select [1, {a: 2\nping\n", "v:1:query select [1, {a: 2|v:2:ping|"},
        {"query 'select 1' [\n1]\n", "v:1:query 'select 1' [\n1]|"},
        {"explain select 1;\n", "q:1:explain select 1|"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_statements(cases[i][0], cases[i][1]);
}
END_TEST

START_TEST(a_script_ends_at_its_first_error)
{
    struct run r;

    run_start(&r, NULL);
    check_run(&r, "", "create-store s\n\n# a comment\nput s 1 a\nget s [}\nput s 2 b\n", 1,
              "\"a\"\n", "holdfast: line 5: column 8");
    check_run(&r, "--keep-going", "insert s 1 a\nput s 2 b\nget nowhere x\n", 3, "\"b\"\n",
              "holdfast: line 1: EXISTS");
    ck_assert_ptr_nonnull(strstr(r.err, "line 3: NO_STORE"));
    check_run(&r, "", "use s\ncount .\nexit\ncount nowhere\n", 0, "2\n", "");
    check_run(&r, "", "put s {\"a\":\n  [1,\n   2]\n} 4 # one\ndelete s 4;\nget s 4 5\n", 1,
              "4\ntrue\n", "line 6: too many");
    check_run(&r, "", "put s [1,\n  2,\n oops]\n", 1, "", "line 3 of the value, column 2");
    check_run(&r, "", "commit\n", 1, "", "no transaction is open");
    check_run(&r, "", "begin\nbegin\n", 1, "", "a transaction is already open");
    check_run(&r, "", "begin\nput s 3 c\n", 1, "\"c\"\n", "left a transaction open");
    check_run(&r, "", "import s \"no such\\u0020file\"\n", 1, "", "cannot open no such file");
    check_run(&r, "count s", "", 0, "2\n", "");
    check_run(&r, "", "count s --table\nstores\n", 0,
              "2\n[{\"name\":\"s\",\"key\":null,\"records\":2}]\n", "");
    run_end(&r);
}
END_TEST

static void check_prompt(struct cli *cli, const char *line, const char *prompt)
{
    char text[200], *server;

    command_run(cli, line);
    prompt_format(cli, false, false, text, sizeof text);
    server = strstr(text, "/main");
    ck_assert(server && strncmp(text, cli->address, (size_t)(server - text)) == 0);
    memmove(text, server + 1, strlen(server));
    ck_assert_msg(strcmp(text, prompt) == 0, "after %s: %s", line, text);
}

/* What destroys is not suggested for a word that may have meant something else, and --read-only
 * refuses what writes before it is sent. */
START_TEST(nothing_is_destroyed_by_mistake)
{
    struct run r;

    run_start(&r, NULL);
    run(&r, "clear-all s", "");
    ck_assert_ptr_null(strstr(r.err, "clear-store"));
    run(&r, "delet s 1 2 3", "");
    ck_assert_ptr_nonnull(strstr(r.err, "did you mean delete?"));
    run(&r, "dele s", "");
    ck_assert_ptr_null(strstr(r.err, "did you mean delete?"));
    check_run(&r, "create-store s", "", 0, "", "");
    check_run(&r, "--read-only put s 1 a", "", 1, "", "this session is read-only");
    check_run(&r, "--read-only", "get s a\nclear-store s\n", 1, "null\n",
              "line 2: clear-store is refused");
    check_run(&r, "--read-only call put 0 s 1 a", "", 1, "", "call put is refused");
    check_run(&r, "count s", "", 0, "0\n", "");
    check_run(&r, "-c 'ping' ping", "", 1, "", "cannot be combined with a verb");
    check_run(&r, "--keep-going ping", "", 1, "", "cannot be combined with a verb");
    check_run(&r, "", "ping --connect x\n", 1, "", "applies to the whole session");
    run_end(&r);
}
END_TEST

/* Plots are as high as their greatest value, and what is not 0 is seen. */
START_TEST(a_plot_shows_the_greatest_and_the_least)
{
    static const uint64_t values[] = {0, 1, 1000000, 500000};
    struct hf_pack text = {0};

    top_plot(values, 4, &text);
    hf_pack_raw(&text, (struct hf_bytes){"", 1});
    ck_assert_str_eq((const char *)text.data, " \u2581\u2588\u2584");
    hf_pack_fini(&text);
}
END_TEST

START_TEST(the_prompt_shows_an_open_transaction)
{
    struct fake_server *server = fake_server_start(NULL);
    char *ignored = NULL;
    size_t size;
    FILE *sink = open_memstream(&ignored, &size);
    struct cli cli = {.verbs = verbs,
                      .address = fake_server_address(server),
                      .in_shell = true,
                      .where = "test",
                      .out = sink,
                      .err = sink};

    check_prompt(&cli, "", "main> ");
    check_prompt(&cli, "create-store s", "main> ");
    check_prompt(&cli, "begin", "main[txn 1]> ");
    check_prompt(&cli, "insert s 1 a", "main[txn 1]> ");
    check_prompt(&cli, "nonsense", "main[txn 1]> ");
    check_prompt(&cli, "status", "main[txn 1]> "); /* refused, but not its business */
    check_prompt(&cli, "insert s 1 a", "main[txn 1!]> ");
    check_prompt(&cli, "put s 2 b", "main[txn 1!]> ");
    check_prompt(&cli, "commit", "main> ");
    check_prompt(&cli, "begin continue", "main[txn 2]> ");
    check_prompt(&cli, "get nowhere x", "main[txn 2]> ");
    check_prompt(&cli, "rollback", "main> ");
    check_prompt(&cli, "begin", "main[txn 3]> ");
    fake_server_stop(server);
    check_prompt(&cli, "count s", "main> ");
    hf_close(cli.conn);
    free(cli.store);
    free(cli.kept);
    fclose(sink);
    free(ignored);
    fake_server_free(server);
}
END_TEST

START_TEST(progress_says_how_far_and_how_long)
{
    struct progress p = {
        .unit = "bytes", .counts = "records", .total = 200000000, .started_ms = 1000};
    char line[160];

    progress_format(&p, 11000, 50000000, 20000, line, sizeof line);
    ck_assert_str_eq(line, "[######                  ]  25%  50.0 MB  20000 records  2000/s  "
                           "0:30 left");
    p.total = 0;
    progress_format(&p, 11000, 50000000, 20000, line, sizeof line);
    ck_assert_str_eq(line, "50.0 MB  20000 records  2000/s");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_cli");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_line_is_split_into_words);
    tcase_add_test(tc, a_line_that_cannot_be_split_says_where);
    tcase_add_test(tc, each_verb_is_explained_and_its_example_parses);
    tcase_add_test(tc, help_names_verbs_options_and_examples);
    tcase_add_test(tc, wrong_usage_is_told_and_exits_with_1);
    tcase_add_test(tc, near_words_are_suggested);
    tcase_add_test(tc, records_go_in_and_come_out_as_json);
    tcase_add_test(tc, a_conflict_exits_with_4);
    tcase_add_test(tc, conflicts_and_late_answers_have_their_exit_codes_everywhere);
    tcase_add_test(tc, tables_are_for_people);
    tcase_add_test(tc, rows_are_printed_as_other_programs_read_them);
    tcase_add_test(tc, tables_fit_the_terminal);
    tcase_add_test(tc, keys_are_compared_by_what_they_mean);
    tcase_add_test(tc, text_is_taken_apart_into_statements);
    tcase_add_test(tc, a_script_ends_at_its_first_error);
    tcase_add_test(tc, nothing_is_destroyed_by_mistake);
    tcase_add_test(tc, a_plot_shows_the_greatest_and_the_least);
    tcase_add_test(tc, the_prompt_shows_an_open_transaction);
    tcase_add_test(tc, progress_says_how_far_and_how_long);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
