/* What is typed, in its colours and on the screen. tests/integration/test_screen.py has a
 * terminal. */
#include "client/cli/drawing.h"
#include "client/cli/highlight.h"
#include "client/cli/text.h"
#include "client/cli/verbs.h"

#include <check.h>
#include <stdlib.h>

/* One letter for each byte: k keyword, w word, n name, f function, t text, d number, o option,
 * c comment, a dot for none. */
static void check_shades(const char *text, const char *expected)
{
    uint8_t *shades = malloc(strlen(text) + 1);
    char letters[200];

    ck_assert_ptr_nonnull(shades);
    ck_assert(highlight(verbs, text, shades));
    for (size_t i = 0; i < strlen(text); i++)
        letters[i] = ".kwnftdoc"[shades[i]];
    letters[strlen(text)] = '\0';
    ck_assert_str_eq(letters, expected);
    free(shades);
}

START_TEST(each_byte_has_its_shade)
{
    check_shades("select a", "kkkkkk.n");
    check_shades("SELECT Upper (a.from),1e3", "kkkkkk.fffff..n.nnnn..ddd");
    check_shades("select 'it''s', \"q\"\"\", x'0f'", "kkkkkk.ttttttt..nnnnn..ttttt");
    check_shades("select {id: 1, key: null}", "kkkkkk..nn..d..nnn..kkkk.");
    check_shades("select .5, 1.e, count from x", "kkkkkk.dd..d.n..nnnnn.kkkk.n");
    check_shades("select 1 -- a\n, 2 /* b", "kkkkkk.d.cccc...d.cccc");
    check_shades("select 1; select 2;get s 3", "kkkkkk.d..kkkkkk.d.kkk.n.d");
    check_shades("# x\n  ;select $a", "ccc....kkkkkk.oo");
    check_shades("select 1 \\watch 5", "kkkkkk.d.kkkkkk.d");
    check_shades("put s {\"a\": \"b\", \"c\": [1, true]} -7 --yes --no",
                 "kkk.n..nnn..ttt..nnn...d..wwww...dd.ooooo.....");
    check_shades("put s 'a b' # c", "kkk.n.ttttt.ccc");
    check_shades("update s 1 add n=1 name=\"x\"", "kkkkkk.n.d.......d......ttt");
    check_shades("nonsense 1", ".........d");
    check_shades("\\d s", "kk..");
    check_shades("\\query select 1", "kkkkkkkkkkkkk.d");
    check_shades("query select 1", "kkkkkkkkkkkk.d");
    check_shades("", "");
}
END_TEST

/* Whatever is typed, and however far: nothing is looked at beyond it. */
START_TEST(any_bytes_have_shades)
{
    static const char *const pieces[] = {
        "select ", "'", "\"", "--", "/*", "*/", "{", "}", "[", "]", ":", "1", "e", ".", "$",
        "x'", "\n", "\\", ";", "#", "put ", "=", "日", "\t", " ", "-", "get s ", "query ",
        "\"a\":"};
    char text[300];

    srand((unsigned)_i);
    for (int round = 0; round < 300; round++) {
        uint8_t *shades;

        text[0] = '\0';
        for (int n = rand() % 20; n > 0; n--)
            strcat(text, pieces[(size_t)rand() % (sizeof pieces / sizeof *pieces)]);
        shades = malloc(strlen(text) + 1);
        memset(shades, 0xff, strlen(text) + 1);
        ck_assert(highlight(verbs, text, shades));
        for (size_t i = 0; i < strlen(text); i++)
            ck_assert_msg(shades[i] < SHADES, "byte %zu of %s", i, text);
        ck_assert_uint_eq(shades[strlen(text)], 0xff);
        free(shades);
    }
}
END_TEST

static const char *drawn_as(const struct drawing *d, struct drawn *drawn)
{
    static struct hf_pack out;

    hf_pack_fini(&out);
    out = (struct hf_pack){0};
    drawing_draw(d, drawn, &out);
    hf_pack_raw(&out, (struct hf_bytes){"", 1});
    ck_assert(!out.failed);
    return (const char *)out.data;
}

START_TEST(a_line_is_drawn_over_itself)
{
    struct drawn drawn = {.has_prompt = false};
    uint8_t shades[] = {SHADE_NUMBER, SHADE_NONE, SHADE_NONE, SHADE_NONE};
    struct drawing d = {
        .prompt = "p> ", .text = "1abc", .size = 4, .cursor = 4, .columns = 6, .rows = 4};

    d.shades = shades;
    ck_assert_str_eq(drawn_as(&d, &drawn),
                     "\x1b[?25l\rp> \x1b[36m1\x1b[0mabc\x1b[J\x1b[2G\x1b[?25h");
    ck_assert_uint_eq(drawn.above, 1);
    d.cursor = 0;
    ck_assert_str_eq(drawn_as(&d, &drawn),
                     "\x1b[?25l\r\x1b[1A\x1b[4G\x1b[36m1\x1b[0mabc\x1b[J\x1b[1A\x1b[4G\x1b[?25h");
    ck_assert_uint_eq(drawn.above, 0);
    ck_assert_uint_eq(drawn.below, 1);
    d.cursor = d.size = 3; /* the row is full: the cursor is in the next one */
    d.shades = NULL;
    ck_assert_str_eq(drawn_as(&d, &drawn), "\x1b[?25l\r\x1b[4G1ab \r\x1b[J\x1b[1G\x1b[?25h");
    ck_assert_uint_eq(drawn.above, 1);
}
END_TEST

/* Rows that a terminal of three has no place for: those around the cursor are drawn. */
START_TEST(a_line_taller_than_the_terminal_is_drawn_in_part)
{
    struct drawn drawn = {.has_prompt = false};
    struct drawing d = {.prompt = "> ",
                        .text = "aabbbbccccddddeeee",
                        .size = 18,
                        .cursor = 17,
                        .columns = 4,
                        .rows = 3};

    ck_assert_str_eq(drawn_as(&d, &drawn),
                     "\x1b[?25l\rccccddddeeee\x1b[4G\x1b[?25h");
    ck_assert_uint_eq(drawn.above, 2);
    ck_assert(!drawn.has_prompt);
    d.cursor = 0;
    ck_assert_str_eq(drawn_as(&d, &drawn),
                     "\x1b[?25l\r\x1b[2A> aabbbbcccc\x1b[2A\x1b[3G\x1b[?25h");
    ck_assert(drawn.has_prompt);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("typing");
    Suite *suite = suite_create("typing");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tc, each_byte_has_its_shade);
    tcase_add_loop_test(tc, any_bytes_have_shades, 0, 20);
    tcase_add_test(tc, a_line_is_drawn_over_itself);
    tcase_add_test(tc, a_line_taller_than_the_terminal_is_drawn_in_part);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
