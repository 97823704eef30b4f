/* main.c - holdfastd: flags, the directory, the server, the exit code. */
#include "server/net/command_line.h"
#include "server/net/daemon.h"
#include "server/net/listener.h"
#include "server/net/log_line.h"
#include "server/net/notify.h"
#include "server/net/offline.h"
#include "server/net/restore_run.h"
#include "server/net/signals.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

static void complain(void *context, const char *error)
{
    fprintf(stderr, "holdfastd: %s\n", error);
}

static void print_help(void)
{
    printf(
        "holdfastd - a transactional database server\n\n"
        "  holdfastd [--config FILE] [--OPTION VALUE]...\n\n"
        "  --config FILE\n      read options from FILE; command-line options override it\n"
        "  --check-config\n      check the options and exit\n"
        "  --print-config\n"
        "      print a configuration file with every option as it is set; defaults are\n"
        "      commented out\n"
        "  --restore BACKUP\n      restore a backup into the data directory (--data) and exit\n"
        "  --wal DIRECTORY\n"
        "      with --restore: then replay the WAL segments in DIRECTORY; can be repeated\n"
        "  --to-commit N, --before-commit N, --to-time TIME\n"
        "      with --restore: stop the replay there\n"
        "  --check-data DIR\n"
        "      check the data directory of a stopped server: every page, record, index and\n"
        "      WAL batch; nothing is written. Exit code 0: no damage, 65: damage\n"
        "  --salvage DIR OUT\n"
        "      copy what can be read of a damaged data directory into a new one, and\n"
        "      report what could not\n"
        "  --dump-file FILE [OFFSET]\n"
        "      print the contents of a data file or WAL file, or what is at OFFSET in it\n"
        "  --version\n      print the version and exit\n"
        "  --help\n      print this help and exit\n\n"
        "Options (defaults in parentheses):\n");
    options_print_help(stdout);
}

/* From any thread. */
static void report_os(void *context, const char *operation, const char *path, int number)
{
    char why[128];

    LOG_TELL((struct log_output *)context, io_error, .operation = operation, .file = path,
             .error = strerror_r(number, why, sizeof why));
}

/* The one line on standard output, for scripts that wait for it. */
static void say_ready(const struct server *server)
{
    char where[2048];

    listener_describe(server, where, sizeof where);
    printf("holdfastd %s ready %s\n", SERVER_VERSION, where);
    fflush(stdout);
    LOG_TELL(server->log, ready, .where = where, .pid = (uint64_t)server->pid);
    notify_ready();
}

static int serve(struct os_posix *posix, struct log_output *log, const struct options *options,
                 const struct command_line *line)
{
    static struct server server; /* large, and one for all of the process's life */
    uv_loop_t loop;
    struct daemon_ground ground = {&loop, posix, log};
    char why[OPTION_ERROR_BYTES];
    int code;
    enum err e;

    if (uv_loop_init(&loop)) {
        complain(NULL, "the event loop could not be created");
        return EX_OSERR;
    }
    e = daemon_open(&server, &ground, options, line, why);
    if (e) {
        complain(NULL, why);
        uv_loop_close(&loop);
        return daemon_exit_code(e);
    }
    signals_open(&server);
    if (listener_open_all(&server, why)) {
        say_ready(&server);
    } else {
        complain(NULL, why);
        daemon_stop(&server, EX_UNAVAILABLE, "cannot listen");
    }
    code = daemon_run(&server);
    signals_close(&server);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return code;
}

/* Cached files and large messages are mapped each by itself: give each to the system again as soon
 * as it is free, whatever small ones lie around it. Chunks of stages and small ones are kept at
 * hand; those of stages go back when nothing is written that needs them (kept_memory.h). */
static void tune_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 512 << 10);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
    mallopt(M_TOP_PAD, 1 << 20);
}

static int open_and_serve(const struct options *options, const struct command_line *line)
{
    static struct log_output log; /* threads may report to it to the end */
    struct os_posix *posix;
    char why[OPTION_ERROR_BYTES];
    int code;
    enum err e;

    if (!listener_check_descriptors(why)) {
        complain(NULL, why);
        return EX_OSERR;
    }
    tune_memory();
    umask(077);
    prctl(PR_SET_DUMPABLE, 0); /* no record in a core file */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* the write says EFBIG, and its error is told */
    log_output_init(&log, STDERR_FILENO, (enum log_level)options->log_level);
    e = os_posix_open(options->data, true, &posix, why, sizeof why);
    if (e) {
        complain(NULL, why);
        return e == ERR_NOMEM ? EX_OSERR : EX_CANTCREAT;
    }
    os_posix_set_report(posix, report_os, &log);
    code = serve(posix, &log, options, line);
    os_posix_close(posix);
    return code;
}

int main(int argc, char **argv)
{
    static struct options options;
    static struct command_line line;
    enum command_line_result result =
        command_line_read(argc, argv, &line, &options, complain, NULL);

    if (result != COMMAND_LINE_OK)
        return result == COMMAND_LINE_USAGE ? EX_USAGE : EX_CONFIG;
    switch (line.command) {
    case COMMAND_HELP: print_help(); return EX_OK;
    case COMMAND_VERSION:
        printf("holdfastd %s, protocol %d\n", SERVER_VERSION, PROTOCOL_VERSION);
        return EX_OK;
    case COMMAND_PRINT_CONFIG: options_print_config(stdout, &options); return EX_OK;
    case COMMAND_CHECK_CONFIG: printf("configuration OK\n"); return EX_OK;
    case COMMAND_RESTORE: umask(077); return restore_run(&line.restore, &options);
    case COMMAND_CHECK_DATA: return offline_check(&line, &options);
    case COMMAND_DUMP_FILE: return offline_dump(&line);
    case COMMAND_SALVAGE: return offline_salvage(&line, &options);
    case COMMAND_SERVE: break;
    }
    return open_and_serve(&options, &line);
}
