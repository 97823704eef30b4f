/* import and export against a small server of our own: what is in, what is not, what is
 * not known, and the line that is to blame. */
#include "client/cli/app.h"
#include "client/cli/reader.h"
#include "client/lib/holdfast.h"
#include "tests/integration/fake_server.h"

#include <check.h>
#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

struct rig {
    struct fake_server *server;
    char path[64];   /* of a file to import */
    char *out, *err; /* owned; of the last run */
};

static void rig_open(struct rig *rig, const struct fake_options *fake)
{
    int fd;

    memset(rig, 0, sizeof *rig);
    rig->server = fake_server_start(fake);
    setenv("HOLDFAST_CONNECT", fake_server_address(rig->server), 1);
    strcpy(rig->path, "/tmp/holdfast-test-XXXXXX");
    fd = mkstemp(rig->path);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void rig_close(struct rig *rig)
{
    unlink(rig->path);
    fake_server_free(rig->server);
    free(rig->out);
    free(rig->err);
}

static void rig_write(struct rig *rig, const char *text)
{
    FILE *file = fopen(rig->path, "w");

    fputs(text, file);
    fclose(file);
}

/* count records {"id": i, "name": ...} from first on, a line each. */
static void rig_write_records(struct rig *rig, unsigned first, unsigned count)
{
    FILE *file = fopen(rig->path, "w");

    for (unsigned i = 0; i < count; i++)
        fprintf(file, "{\"id\":%u,\"name\":\"record %u\"}\n", first + i, first + i);
    fclose(file);
}

/* Words end with NULL; "FILE" stands for the rig's file. */
static int rig_run(struct rig *rig, const char *const words[])
{
    size_t out_size, err_size;
    char *argv[24] = {(char *)"holdfast"};
    int argc = 1, exit_code;
    FILE *in = fopen(rig->path, "r"), *out, *err;

    for (; words[argc - 1]; argc++)
        argv[argc] =
            (char *)(strcmp(words[argc - 1], "FILE") == 0 ? rig->path : words[argc - 1]);
    free(rig->out);
    free(rig->err);
    out = open_memstream(&rig->out, &out_size);
    err = open_memstream(&rig->err, &err_size);
    exit_code = app_run(argc, argv, in, out, err);
    fclose(in);
    fclose(out);
    fclose(err);
    return exit_code;
}

#define RUN(rig, ...) rig_run(rig, (const char *const[]){__VA_ARGS__, NULL})

static void check_said(const struct rig *rig, const char *text)
{
    ck_assert_msg(strstr(rig->err, text) != NULL, "said %s, not %s", rig->err, text);
}

static void check_records(struct rig *rig, size_t count)
{
    fake_server_stop(rig->server);
    ck_assert_uint_eq(fake_server_records(rig->server, "s"), count);
}

/* ---- Reading ---- */

/* However long the values are, however many lines they take and wherever reads end, each comes
 * out as it went in: on lines of their own, one behind the other, pretty, and in an array. */
START_TEST(values_come_out_as_they_went_in)
{
    static const char *const between[] = {"\n", " ", "\n\n  ", ",\n"};
    static const char *const within[] = {"", "", "\n   ", "\n"};
    struct cli cli = {.where = "test", .err = stderr};
    struct file_format format = {_i == 3 ? FILE_JSON : FILE_NDJSON, false};
    struct hf_pack packed = {0};
    struct reader reader;
    char path[] = "/tmp/holdfast-test-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    unsigned sizes[200];

    srand((unsigned)_i + 1);
    fputs(_i == 3 ? "\n [" : "", file);
    for (int i = 0; i < 200; i++) {
        sizes[i] = rand() % 10 == 0 ? (unsigned)rand() % 300000 : (unsigned)rand() % 50;
        fprintf(file, "%s{%s\"a]\\\"\":%s[%d, \"", i ? between[_i] : "", within[_i], within[_i],
                i);
        for (unsigned k = 0; k < sizes[i]; k++)
            fputc('a' + (int)((unsigned)i + k) % 26, file);
        fprintf(file, "\"%s]%s}", within[_i], within[_i]);
    }
    fputs(_i == 3 ? "\n]\n" : "", file);
    fclose(file);
    ck_assert(reader_open(&reader, &cli, path, &format, NULL));
    for (int i = 0; i < 200; i++) {
        struct hf_bytes pair = HF_NONE, text;
        int number;

        ck_assert_msg(reader_next(&reader, &packed) == READER_ONE, "%d: %s", i, reader.why);
        ck_assert_int_eq(hf_unpackf(hf_pack_bytes(&packed), "{'a]\"': v}", &pair), HF_OK);
        ck_assert_int_eq(hf_unpackf(pair, "[i, t]", &number, &text), HF_OK);
        ck_assert_int_eq(number, i);
        ck_assert_uint_eq(text.size, sizes[i]);
        for (unsigned k = 0; k < sizes[i]; k++)
            if (((const char *)text.data)[k] != 'a' + (int)((unsigned)i + k) % 26)
                ck_abort();
        if (_i == 0)
            ck_assert_uint_eq(reader.first_line, (unsigned)i + 1);
        ck_assert_uint_eq(reader.last_line, reader.first_line + (_i == 2   ? 4
                                                                 : _i == 3 ? 4
                                                                           : 0));
    }
    ck_assert_int_eq(reader_next(&reader, &packed), READER_END);
    ck_assert_int_eq(reader_next(&reader, &packed), READER_END);
    ck_assert_uint_eq(reader_done_bytes(&reader), reader.bytes_total);
    reader_close(&reader);
    hf_pack_fini(&packed);
    unlink(path);
}
END_TEST

/* ---- Import ---- */

static void check_same_files(const char *a, const char *b)
{
    FILE *in_a = fopen(a, "r"), *in_b = fopen(b, "r");
    bool same = in_a && in_b;
    int c = 0;

    while (same && c != EOF) {
        c = fgetc(in_a);
        same = c == fgetc(in_b);
    }
    ck_assert_msg(same, "%s and %s differ", a, b);
    fclose(in_a);
    fclose(in_b);
}

static void check_file(const char *path, const char *text)
{
    char found[200] = "";
    FILE *file = fopen(path, "r");

    fread(found, 1, sizeof found - 1, file);
    fclose(file);
    ck_assert_str_eq(found, text);
}

START_TEST(a_file_goes_in_whole_and_comes_out_the_same)
{
    static const char *const modes[][4] = {{"--key", "id", NULL},
                                           {"--key", "id", "--transaction", NULL},
                                           {"--rows", "--create", NULL}};
    struct rig rig;
    char out_path[80];

    rig_open(&rig, NULL);
    if (_i < 2)
        rig_write_records(&rig, 1000, 3000);
    else
        rig_write(&rig, "{\"key\":1,\"value\":{\"id\":1}}\n{\"key\":[2],\"value\":\"x\"}\n");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", modes[_i][0], modes[_i][1], modes[_i][2]),
                     0);
    ck_assert_str_eq(rig.out, _i < 2 ? "{\"records\":3000,\"skipped\":0}\n"
                                     : "{\"records\":2,\"skipped\":0}\n");
    ck_assert_str_eq(rig.err, "");
    snprintf(out_path, sizeof out_path, "%s.ndjson", rig.path);
    ck_assert_int_eq(RUN(&rig, "export", "s", out_path), 0);
    check_same_files(rig.path, out_path);
    unlink(out_path);
    rig_close(&rig);
}
END_TEST

START_TEST(standard_input_blank_lines_and_marks_are_taken)
{
    struct rig rig;

    rig_open(&rig, NULL);
    rig_write(&rig, "\xef\xbb\xbf{\"id\":1}\r\n\r\n  \n {\"id\":2} \n{\"id\":3}");
    ck_assert_int_eq(RUN(&rig, "import", "s", "--key", "id"), 0);
    ck_assert_str_eq(rig.out, "{\"records\":3,\"skipped\":0}\n");
    ck_assert_int_eq(RUN(&rig, "export", "s"), 0);
    ck_assert_str_eq(rig.out, "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n");
    ck_assert_int_eq(RUN(&rig, "export", "s", "--rows", "--limit", "1", "--reverse"), 0);
    ck_assert_str_eq(rig.out, "{\"key\":3,\"value\":{\"id\":3}}\n");
    rig_close(&rig);
}
END_TEST

START_TEST(a_store_is_made_only_when_asked_and_only_once)
{
    struct rig rig;

    rig_open(&rig, NULL);
    rig_write(&rig, "{\"id\":1,\"b\":2}\n");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE"), 3);
    check_said(&rig, "no store \"s\"; use --key");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id,b"), 0);
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id,b"), 0);
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE"), 0);
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id"), 3);
    check_said(&rig, "store \"s\" already exists with the key [\"id\",\"b\"], not \"id\"");
    ck_assert_int_eq(RUN(&rig, "import", "t", "FILE", "--generate"), 0);
    ck_assert_int_eq(RUN(&rig, "export", "t"), 0);
    ck_assert_str_eq(rig.out, "{\"key\":1,\"value\":{\"id\":1,\"b\":2}}\n");
    rig_close(&rig);
}
END_TEST

START_TEST(an_error_in_the_file_names_its_line)
{
    struct rig rig;
    char expected[200];

    rig_open(&rig, NULL);
    rig_write(&rig, "{\"id\":1}\n\n{\"id\":2}\n{\"id\":3\n{\"id\":4}\n");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id", "--batch", "1"), 1);
    snprintf(
        expected, sizeof expected,
        "holdfast: %s:5: column 1: expected \",\" or \"}\", in the value that begins on line 4",
        rig.path);
    check_said(&rig, expected);
    check_said(&rig, "2 records committed (lines 1-3)");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--rows"), 1);
    check_said(&rig, ":1: expected {\"key\"");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--transaction"), 1);
    check_said(&rig, "nothing was imported");
    check_records(&rig, 2);
    rig_close(&rig);
}
END_TEST

START_TEST(a_record_that_cannot_go_in_stays_here_and_no_empty_store_there)
{
    char text[400] = "{\"id\":1,\"a\":";
    struct rig rig;

    rig_open(&rig, NULL);
    for (int depth = 1; depth <= 63; depth++)
        strcat(text, depth < 63 ? "[" : "0");
    for (int depth = 1; depth < 63; depth++)
        strcat(text, "]");
    strcat(text, "}\n");
    rig_write(&rig, text); /* 63 levels: the record and 62 lists */
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id"), 1);
    check_said(&rig, ":1: nested deeper than 62 levels");
    check_said(&rig, "created for this import, was dropped again");
    rig_write(&rig, "[{\"id\":1}]\n");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id"), 1);
    check_said(&rig, ":1: expected an object, found an array");
    ck_assert_int_eq(RUN(&rig, "count", "s"), 3); /* no empty store is left */
    rig_write(&rig, "{\"id\":1}\n");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id,x"), 0);
    check_records(&rig, 1);
    rig_close(&rig);
}
END_TEST

START_TEST(a_record_that_exists_is_replaced_refused_or_skipped)
{
    const char *transaction = _i ? "--transaction" : "--json";
    struct rig rig;

    rig_open(&rig, NULL);
    rig_write_records(&rig, 500, 1);
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id"), 0);
    rig_write_records(&rig, 250, 1000);
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--on-exists", "fail", "--batch", "100",
                         "--in-flight", "1", transaction),
                     3);
    check_said(&rig, ":251: EXISTS");
    check_said(&rig, _i ? "nothing was imported" : "200 records committed (lines 1-200)");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--on-exists", "skip", transaction), 0);
    ck_assert_str_eq(rig.out, _i ? "{\"records\":999,\"skipped\":1}\n"
                                 : "{\"records\":799,\"skipped\":201}\n");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--on-exists", "skip", transaction), 0);
    ck_assert_str_eq(rig.out, "{\"records\":0,\"skipped\":1000}\n");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--on-exists", "replace", transaction),
                     0);
    ck_assert_str_eq(rig.out, "{\"records\":1000,\"skipped\":0}\n");
    check_records(&rig, 1000);
    rig_close(&rig);
}
END_TEST

START_TEST(conflicts_and_overload_are_tried_again)
{
    struct fake_options fake = {
        .faults = {{"run", 2, 3, HF_CONFLICT, "CONFLICT", "conflict", true, 0, -1, 0},
                   {"run", 7, 2, HF_OVERLOADED, "OVERLOADED", "unavailable", true, 3, -1, 0},
                   {"begin", 1, 2, HF_OVERLOADED, "OVERLOADED", "unavailable", true, 2, -1, 0},
                   {"commit", 2, 2, HF_CONFLICT, "CONFLICT", "conflict", true, 0, -1, 0}}};
    struct rig rig;

    rig_open(&rig, &fake);
    rig_write_records(&rig, 1000, 1000);
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id", "--batch", "100"), 0);
    ck_assert_str_eq(rig.out, "{\"records\":1000,\"skipped\":0}\n");
    rig_write_records(&rig, 1500, 1000);
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--batch", "100", "--on-exists", "skip"),
                     0);
    ck_assert_str_eq(rig.out, "{\"records\":500,\"skipped\":500}\n");
    check_records(&rig, 1500);
    rig_close(&rig);
}
END_TEST

START_TEST(a_batch_that_has_lost_four_times_locks_the_store)
{
    struct fake_options fake = {
        .faults = {{"run", 2, 5, HF_CONFLICT, "CONFLICT", "conflict", true, 0, -1, 0},
                   {"commit", 1, 4, HF_CONFLICT, "CONFLICT", "conflict", true, 0, -1, 0}}};
    struct rig rig;

    rig_open(&rig, &fake);
    rig_write_records(&rig, 500, 500);
    ck_assert_int_eq(
        RUN(&rig, "import", "s", "FILE", "--key", "id", "--batch", "100", "--in-flight", "1"),
        0);
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--batch", "100", "--on-exists", "skip",
                         "--in-flight", "1", "--label", "mine"),
                     0);
    ck_assert_str_eq(rig.out, "{\"records\":0,\"skipped\":500}\n");
    fake_server_stop(rig.server);
    ck_assert_uint_eq(fake_server_locks(rig.server), 2 + 1);
    rig_close(&rig);
}
END_TEST

START_TEST(a_conflict_that_stays_exits_with_4)
{
    struct fake_options fake = {
        .faults = {{"run", 3, 99, HF_CONFLICT, "CONFLICT", "conflict", true, 0, -1, 0}}};
    struct rig rig;

    rig_open(&rig, &fake);
    rig_write_records(&rig, 1000, 1000);
    ck_assert_int_eq(
        RUN(&rig, "import", "s", "FILE", "--key", "id", "--batch", "100", "--in-flight", "1"),
        4);
    check_said(&rig, "CONFLICT");
    check_said(&rig, ":301 to 400: CONFLICT");
    check_said(&rig, "300 records committed (lines 1-300)");
    check_records(&rig, 300);
    rig_close(&rig);
}
END_TEST

/* The server does the n-th request and dies before it answers: what is said to be in is in,
 * and what is not known is said not to be. */
START_TEST(a_lost_connection_says_from_which_line_on_it_is_unknown)
{
    struct fake_options fake = {.hang_up_after = 4 + (unsigned)_i, .hang_up_applies = true};
    unsigned long long sure = 0, up_to = 0, unknown_from = 0;
    struct rig rig;
    char *text;
    size_t records;

    rig_open(&rig, &fake);
    rig_write_records(&rig, 1000, 1000);
    ck_assert_int_eq(
        RUN(&rig, "import", "s", "FILE", "--key", "id", "--batch", "100", "--in-flight", "4"),
        2);
    text = strstr(rig.err, "records committed");
    ck_assert_msg(text != NULL, "%s", rig.err);
    while (text > rig.err && text[-1] != ':')
        text--;
    ck_assert_int_eq(sscanf(text, "%llu records committed", &sure), 1);
    text = strstr(rig.err, "(lines 1-");
    if (text)
        sscanf(text, "(lines 1-%llu", &up_to);
    text = strstr(rig.err, "from line ");
    ck_assert_msg(text != NULL, "%s", rig.err);
    sscanf(text, "from line %llu", &unknown_from);
    ck_assert_uint_eq(unknown_from, up_to + 1);
    fake_server_stop(rig.server);
    records = fake_server_records(rig.server, "s");
    ck_assert_uint_eq(sure, up_to); /* lines are answered in order here */
    ck_assert_uint_ge(records, sure);
    ck_assert_uint_le(records, sure + 400);
    rig_close(&rig);
}
END_TEST

/* The server takes all and says nothing: --timeout-ms ends the wait, in whatever shape the
 * records go. */
START_TEST(a_silent_server_is_given_up_after_the_timeout)
{
    struct fake_options fake = {.silent_from = 4 + (unsigned)_i / 2};
    struct rig rig;

    rig_open(&rig, &fake);
    rig_write_records(&rig, 1, 1000);
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id", "--batch", "100",
                         "--in-flight", "4", "--timeout-ms", "20", "--on-exists",
                         _i % 2 ? "skip" : "replace"),
                     2);
    ck_assert_msg(strstr(rig.err, "within 520 ms"), "%s", rig.err);
    ck_assert_msg(
        strstr(rig.err, _i == 2 ? "100 records committed (lines 1-100); from line 101 on the "
                                  "outcome is unknown: no reply came for 400 records"
                                : "0 records committed; from line 1 on the outcome is unknown"),
        "%s", rig.err);
    rig_close(&rig);
}
END_TEST

START_TEST(a_transaction_goes_in_whole_or_not_at_all)
{
    struct fake_options fake = {
        .faults = {{"commit", 0, 1, HF_CONFLICT, "CONFLICT", "conflict", true, 0, -1, 0},
                   {"put", 700, 1, HF_NO_SPACE, "NO_SPACE", "storage", false, 0, -1, 0}}};
    struct rig rig;

    rig_open(&rig, &fake);
    rig_write_records(&rig, 1000, 600);
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id", "--transaction"), 4);
    check_said(&rig, "CONFLICT");
    check_said(&rig, "nothing was imported");
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id", "--transaction"), 3);
    check_said(&rig, ":101: NO_SPACE");
    check_said(&rig, "nothing was imported");
    ck_assert_int_eq(RUN(&rig, "count", "s"), 3); /* not even the store */
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id", "--transaction"), 0);
    check_records(&rig, 600);
    rig_close(&rig);
}
END_TEST

START_TEST(an_export_that_breaks_off_says_so_and_keeps_the_old_file)
{
    struct fake_options fake = {
        .page_rows = 10,
        .faults = {{"next", 2, 1000, HF_CORRUPT, "CORRUPT", "storage", false, 0, -1, 0}}};
    struct rig rig;
    char out_path[80];
    glob_t found;

    rig_open(&rig, &fake);
    rig_write_records(&rig, 1000, 100);
    snprintf(out_path, sizeof out_path, "%s.ndjson", rig.path);
    ck_assert_int_eq(RUN(&rig, "import", "s", "FILE", "--key", "id"), 0);
    ck_assert_int_eq(RUN(&rig, "export", "s", out_path), 3);
    check_said(&rig, "CORRUPT");
    check_said(&rig, ".ndjson was not written");
    ck_assert_int_ne(access(out_path, F_OK), 0);
    rig_write(&rig, "precious\n");
    ck_assert_int_eq(RUN(&rig, "export", "nosuch", "FILE"), 3);
    ck_assert_int_eq(RUN(&rig, "export", "s", "FILE"), 3);
    check_file(rig.path, "precious\n");
    ck_assert_int_eq(RUN(&rig, "export", "s"), 3);
    check_said(&rig, "the output is incomplete: 10 records were written");
    ck_assert_int_eq(RUN(&rig, "export", "s", "FILE", "--limit", "1"), 0);
    check_file(rig.path, "{\"id\":1000,\"name\":\"record 1000\"}\n");
    snprintf(out_path, sizeof out_path, "%.40s.ndjson.partial-*", rig.path);
    ck_assert_int_eq(glob(out_path, 0, NULL, &found), GLOB_NOMATCH);
    ck_assert_int_eq(RUN(&rig, "export", "s", "/dev/full"), 1);
    check_said(&rig, "cannot write /dev/full");
    unlink(out_path);
    rig_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client_import");
    TCase *tc = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, values_come_out_as_they_went_in, 0, 4);
    tcase_add_loop_test(tc, a_file_goes_in_whole_and_comes_out_the_same, 0, 3);
    tcase_add_test(tc, standard_input_blank_lines_and_marks_are_taken);
    tcase_add_test(tc, a_store_is_made_only_when_asked_and_only_once);
    tcase_add_test(tc, an_error_in_the_file_names_its_line);
    tcase_add_test(tc, a_record_that_cannot_go_in_stays_here_and_no_empty_store_there);
    tcase_add_loop_test(tc, a_record_that_exists_is_replaced_refused_or_skipped, 0, 2);
    tcase_add_test(tc, conflicts_and_overload_are_tried_again);
    tcase_add_test(tc, a_batch_that_has_lost_four_times_locks_the_store);
    tcase_add_test(tc, a_conflict_that_stays_exits_with_4);
    tcase_add_loop_test(tc, a_lost_connection_says_from_which_line_on_it_is_unknown, 0, 10);
    tcase_add_loop_test(tc, a_silent_server_is_given_up_after_the_timeout, 0, 4);
    tcase_add_test(tc, a_transaction_goes_in_whole_or_not_at_all);
    tcase_add_test(tc, an_export_that_breaks_off_says_so_and_keeps_the_old_file);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
