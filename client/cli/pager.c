#include "client/cli/pager.h"
#include "client/cli/text.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct pager {
    FILE *terminal;      /* borrowed */
    const char *program; /* borrowed */
    FILE *pipe;          /* to the program; NULL: all fits so far */
    struct hf_pack held; /* what has not been printed yet */
    size_t lines, cells; /* of it; cells of its last line */
    size_t rows, columns;
    struct sigaction before; /* of SIGPIPE, while there is a pipe */
};

/* Rows of the terminal; 0: it has none. */
static size_t terminal_size(size_t *columns)
{
    const char *lines = getenv("LINES"), *wide = getenv("COLUMNS");
    struct winsize size = {.ws_row = 0};
    size_t rows;

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    rows = lines ? strtoul(lines, NULL, 10) : size.ws_row;
    *columns = wide ? strtoul(wide, NULL, 10) : size.ws_col;
    *columns = *columns ? *columns : 80;
    return rows;
}

static bool is_on_path(const char *program)
{
    const char *path = getenv("PATH");
    char name[4096];

    while (path && *path) {
        size_t size = strcspn(path, ":");

        snprintf(name, sizeof name, "%.*s/%s", (int)size, path, program);
        if (access(name, X_OK) == 0)
            return true;
        path += size;
        path += *path == ':';
    }
    return false;
}

static const char *pager_program(void)
{
    const char *given = getenv("HOLDFAST_PAGER");

    given = given ? given : getenv("PAGER");
    if (given)
        return given[0] ? given : NULL;
    return is_on_path("less") ? "less -R" : NULL;
}

/* Count the lines that a terminal of that width makes of it. */
static void count_lines(struct pager *p, const char *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (from[i] != '\n' && p->cells < p->columns) {
            p->cells += (from[i] & 0xc0) != 0x80;
            continue;
        }
        p->lines++;
        p->cells = from[i] != '\n';
    }
}

static bool open_pipe(struct pager *p)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    fflush(p->terminal);
    p->pipe = popen(p->program, "we");
    if (!p->pipe)
        return false;
    sigaction(SIGPIPE, &ignore, &p->before); /* it may be left before its end */
    return fwrite(p->held.data, 1, p->held.size, p->pipe) == p->held.size;
}

static ssize_t pager_write(void *cookie, const char *from, size_t size)
{
    struct pager *p = cookie;

    if (p->pipe)
        return fwrite(from, 1, size, p->pipe) == size && fflush(p->pipe) == 0 ? (ssize_t)size
                                                                              : 0;
    count_lines(p, from, size);
    text_append_slice(&p->held, slice_make(from, size));
    if (p->held.failed)
        return 0;
    return p->lines < p->rows || open_pipe(p) ? (ssize_t)size : 0;
}

static int pager_close(void *cookie)
{
    struct pager *p = cookie;

    if (p->pipe) {
        while (pclose(p->pipe) < 0 && errno == EINTR)
            continue;
        sigaction(SIGPIPE, &p->before, NULL);
    } else if (p->held.size > 0) {
        fwrite(p->held.data, 1, p->held.failed ? 0 : p->held.size, p->terminal);
    }
    hf_pack_fini(&p->held);
    free(p);
    return 0;
}

FILE *pager_begin(struct cli *cli)
{
    cookie_io_functions_t functions = {.write = pager_write, .close = pager_close};
    FILE *before = cli->out, *opened;
    const char *program = pager_program();
    size_t columns, rows = terminal_size(&columns);
    struct pager *p;

    if (!cli->out_is_terminal || cli->single_transaction || !program || rows < 3 ||
        !isatty(fileno(cli->in)))
        return before;
    p = calloc(1, sizeof *p);
    if (!p)
        return before;
    p->terminal = before;
    p->program = program;
    p->rows = rows;
    p->columns = columns;
    opened = fopencookie(p, "w", functions);
    if (opened)
        cli->out = opened;
    else
        free(p);
    return before;
}

void pager_end(struct cli *cli, FILE *before)
{
    if (cli->out == before)
        return;
    fclose(cli->out); /* whoever leaves the pager early has seen enough */
    cli->out = before;
}
