/* test_config.c - options, the configuration file, flags: what is read, and how
 * errors are told. */
#include "server/net/command_line.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

struct told {
    char all[8192];
    unsigned count;
};

static void tell(void *context, const char *error)
{
    struct told *told = context;
    size_t used = strlen(told->all);

    snprintf(told->all + used, sizeof told->all - used, "%s\n", error);
    told->count++;
}

static unsigned read_text(const char *text, struct options *o, struct told *told)
{
    memset(told, 0, sizeof *told);
    options_default(o);
    return config_text_read("a.conf", slice_text(text), o, tell, told);
}

START_TEST(every_option_shows_what_it_reads)
{
    struct options o, again;
    char text[OPTION_TEXT_BYTES], error[OPTION_ERROR_BYTES];
    struct option_conflict conflict;

    options_default(&o);
    memset(&again, 0, sizeof again);
    for (size_t i = 0; i < option_count; i++) {
        option_format(&o, &option_table[i], text);
        ck_assert_msg(option_set(&again, &option_table[i], slice_text(text), false, error),
                      "%s", error);
        ck_assert_msg(option_same(&o, &again, &option_table[i]), "%s", option_table[i].name);
    }
    ck_assert(options_check(&o, &conflict));
}
END_TEST

START_TEST(sizes_and_times_are_read_in_their_units)
{
    struct options o;
    struct told told;

    ck_assert_uint_eq(read_text("stage-size = 64MB\ncache-size=64 MiB\nkey-size = 512\n"
                                "interval = 2s\ntransaction-idle = 5min # short\n"
                                "log-level = warn\ninsecure-listen = true\n",
                                &o, &told),
                      0);
    ck_assert_uint_eq(o.stage_size, 64000000);
    ck_assert_uint_eq(o.cache_size, 64 * MIB);
    ck_assert_uint_eq(o.key_size, 512);
    ck_assert_uint_eq(o.interval, 2000);
    ck_assert_uint_eq(o.transaction_idle, 300000);
    ck_assert_uint_eq(o.log_level, 2);
    ck_assert(o.insecure_listen);
}
END_TEST

START_TEST(comments_and_blanks_are_no_part_of_a_value)
{
    struct options o;
    struct told told;

    ck_assert_uint_eq(
        read_text("# all\n\n   data =   /a b/c#d   # here\r\nlisten=  \t127.0.0.1:1 , "
                  "[::1]:2\nlisten = localhost:3",
                  &o, &told),
        0);
    ck_assert_str_eq(o.data, "/a b/c#d");
    ck_assert_str_eq(o.listen, "127.0.0.1:1,[::1]:2,localhost:3");
}
END_TEST

START_TEST(an_error_names_file_line_what_and_what_is_allowed)
{
    struct options o;
    struct told told;

    ck_assert_uint_eq(
        read_text("\nstage-sise = 1\nstage-size = much\nconnections = 0\nnonsense\n"
                  "quite-another = 1\ndepth = 9\ndepth = 10\n"
                  "log-level = loud\nvalue-size = 99999999999999999999\n",
                  &o, &told),
        8);
    ck_assert_ptr_nonnull(strstr(told.all,
                                 "a.conf:2: unknown option \"stage-sise\"; did you mean "
                                 "\"stage-size\"?"));
    ck_assert_ptr_nonnull(strstr(
        told.all,
        "a.conf:3: stage-size: invalid value \"much\"; expected a size from 64KiB to 64GiB"));
    ck_assert_ptr_nonnull(strstr(
        told.all,
        "a.conf:4: connections: invalid value \"0\"; expected an integer from 1 to 65535"));
    ck_assert_ptr_nonnull(strstr(told.all, "a.conf:5: expected \"name = value\", a # comment "
                                           "or an empty line, found \"nonsense\""));
    ck_assert_ptr_nonnull(
        strstr(told.all, "a.conf:6: unknown option \"quite-another\"; see holdfastd"));
    ck_assert_ptr_nonnull(strstr(told.all, "a.conf:8: depth: already set on line 7"));
    ck_assert_ptr_nonnull(strstr(
        told.all,
        "a.conf:9: log-level: invalid value \"loud\"; expected one of: debug info warn error"));
    ck_assert_uint_eq(o.depth, 9);
}
END_TEST

START_TEST(a_missing_file_is_one_error_that_names_it)
{
    struct options o;
    struct told told = {.count = 0};

    options_default(&o);
    ck_assert_uint_eq(config_file_read("/no/such/file", &o, tell, &told), 1);
    ck_assert_ptr_nonnull(strstr(told.all, "/no/such/file: cannot read: No such file"));
}
END_TEST

START_TEST(flags_win_over_the_file_wherever_config_stands)
{
    char path[] = "/tmp/test_config.XXXXXX";
    int fd = mkstemp(path);
    const char *text = "stage-size = 1MB\nlisten = 127.0.0.1:1\ncache-size = 3MB\n";
    char *argv[] = {"holdfastd",
                    "--stage-size",
                    "2MB",
                    "--listen=127.0.0.1:2",
                    "--listen",
                    "127.0.0.1:3",
                    "--insecure-listen",
                    "--config",
                    path};
    struct command_line line;
    struct options o;
    struct told told = {.count = 0};

    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    ck_assert_int_eq(command_line_read(9, argv, &line, &o, tell, &told), COMMAND_LINE_OK);
    unlink(path);
    ck_assert_uint_eq(told.count, 0);
    ck_assert_uint_eq(o.stage_size, 2000000);
    ck_assert_uint_eq(o.cache_size, 3000000);
    ck_assert_str_eq(o.listen, "127.0.0.1:2,127.0.0.1:3");
    ck_assert(o.insecure_listen);
}
END_TEST

START_TEST(a_wrong_flag_is_a_usage_error)
{
    static char *const wrong[][3] = {
        {"holdfastd", "--stage-sice", "2MB"}, {"holdfastd", "serve", NULL},
        {"holdfastd", "--stage-size", NULL},  {"holdfastd", "--depth", "1000"},
        {"holdfastd", "--config", NULL},      {"holdfastd", "--data", "--check-config"},
        {"holdfastd", "--config", "--help"},
    };
    static const char *const says[] = {
        "did you mean --stage-size?", "unexpected argument \"serve\"",
        "--stage-size needs a value", "expected an integer from 8 to 64",
        "--config needs a value",     "--data needs a value",
        "--config needs a value"};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct command_line line;
        struct options o;
        struct told told = {.count = 0};
        char *argv[3] = {wrong[i][0], wrong[i][1], wrong[i][2]};

        ck_assert_int_eq(command_line_read(argv[2] ? 3 : 2, argv, &line, &o, tell, &told),
                         COMMAND_LINE_USAGE);
        ck_assert_msg(strstr(told.all, says[i]) != NULL, "%s", told.all);
    }
}
END_TEST

START_TEST(options_that_do_not_go_together_are_refused)
{
    char *argv[] = {"holdfastd", "--stage-size", "1GiB", "--staged-max", "2MiB"};
    struct command_line line;
    struct options o;
    struct told told = {.count = 0};

    ck_assert_int_eq(command_line_read(5, argv, &line, &o, tell, &told), COMMAND_LINE_CONFIG);
    ck_assert_ptr_nonnull(strstr(told.all, "exceeds staged-max"));
}
END_TEST

START_TEST(the_example_holds_every_option_at_its_default)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    struct options o, standard;
    struct told told = {.count = 0};

    options_default(&standard);
    options_print_config(to, &standard);
    fclose(to);
    for (char *at = text; (at = strstr(at, "\n#")) != NULL; at += 2)
        if (at[2] != ' ')
            at[1] = ' '; /* take the values out of their comments */
    memset(&o, 0, sizeof o);
    ck_assert_uint_eq(config_text_read("example", slice_make(text, size), &o, tell, &told), 0);
    for (size_t i = 0; i < option_count; i++)
        ck_assert_msg(option_same(&o, &standard, &option_table[i]), "%s", option_table[i].name);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *all = tcase_create("all");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(all, every_option_shows_what_it_reads);
    tcase_add_test(all, sizes_and_times_are_read_in_their_units);
    tcase_add_test(all, comments_and_blanks_are_no_part_of_a_value);
    tcase_add_test(all, an_error_names_file_line_what_and_what_is_allowed);
    tcase_add_test(all, a_missing_file_is_one_error_that_names_it);
    tcase_add_test(all, flags_win_over_the_file_wherever_config_stands);
    tcase_add_test(all, a_wrong_flag_is_a_usage_error);
    tcase_add_test(all, options_that_do_not_go_together_are_refused);
    tcase_add_test(all, the_example_holds_every_option_at_its_default);
    suite_add_tcase(suite, all);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
