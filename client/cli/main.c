/* main.c - `holdfast`, the command line of Holdfast. */
#include "client/cli/app.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>

int main(int argc, char **argv)
{
    /* For the line editor: what is typed and printed is UTF-8 in any locale. Numbers are printed
     * and read as JSON has them. */
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        setlocale(LC_CTYPE, "C.UTF-8");
    return app_run(argc, argv, stdin, stdout, stderr);
}
