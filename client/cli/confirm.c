#include "client/cli/confirm.h"
#include "client/cli/interrupt.h"
#include "client/cli/text.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

/* The first letter of the line that is typed. Byte by byte, since the lines behind it belong to
 * the editor. */
static char read_answer(int fd)
{
    char first = '\0', byte;

    for (;;) {
        ssize_t n;

        if (interrupt_wait_input(fd)) /* no */
            return '\0';
        n = read(fd, &byte, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || byte == '\n' || byte == '\r')
            return first;
        if (!first && byte != ' ')
            first = byte;
    }
}

bool confirm(struct cli *cli, const char *format, ...)
{
    char question[600];
    struct hf_pack text = {0};
    va_list args;
    char answer;

    if (cli->yes || !isatty(fileno(cli->in)) || !cli->err_is_terminal)
        return true;
    va_start(args, format);
    vsnprintf(question, sizeof question, format, args);
    va_end(args);
    text_make_safe(&text, slice_text(question));
    fflush(cli->out);
    fprintf(cli->err, "%.*s [y/N] ", (int)text.size, (const char *)text.data);
    fflush(cli->err);
    hf_pack_fini(&text);
    interrupt_connection(NULL);
    answer = read_answer(fileno(cli->in));
    interrupt_connection(cli->conn);
    if (answer == 'y' || answer == 'Y')
        return true;
    if (interrupt_seen())
        fputc('\n', cli->err);
    cli_usage(cli, "nothing was done");
    return false;
}
