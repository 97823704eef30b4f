#include "client/cli/prompt.h"

#include <ctype.h>
#include <string.h>

#define SERVER_MAX 40 /* a longer address is cut at its beginning */

/* The address as a prompt has room for it: of a socket's path the last name, and nothing that a
 * terminal would not show as it is. */
static void format_server(const char *address, char *to, size_t room)
{
    const char *slash = strrchr(address, '/');
    size_t size;

    if (strncmp(address, "unix:", 5) == 0 && slash)
        snprintf(to, room, "unix:%s", slash + 1);
    else
        snprintf(to, room, "%s", address);
    size = strlen(to);
    if (size > SERVER_MAX)
        memmove(to, to + size - SERVER_MAX, SERVER_MAX + 1);
    for (char *c = to; *c; c++)
        if (!isgraph((unsigned char)*c))
            *c = '?';
}

/* A name that a terminal can take as it is, and a prompt has room for. */
static const char *database_shown(const char *name)
{
    size_t size = strlen(name);

    for (size_t i = 0; i < size; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return "...";
    return size > 0 && size <= SERVER_MAX ? name : "...";
}

void prompt_format(const struct cli *cli, bool is_open, bool coloured, char *to, size_t room)
{
    char server[256], txn[64] = "";
    const char *begin = "", *end = "";

    format_server(cli->address, server, sizeof server);
    if (cli->txn && coloured) {
        begin = cli->txn_failed ? "\1\x1b[31m\1" : "\1\x1b[33m\1";
        end = "\1\x1b[0m\1";
    }
    if (cli->txn)
        snprintf(txn, sizeof txn, "[txn %llu%s]", (unsigned long long)hf_txn_version(cli->txn),
                 cli->txn_failed ? "!" : "");
    snprintf(to, room, "%s/%s%s%s%s%s ", server, database_shown(cli_database(cli)), begin, txn,
             end, is_open ? "->" : ">");
}
