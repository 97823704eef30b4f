/* main.c - `holdfast`, the command line of Holdfast. */
#include "client/cli/app.h"

#include <locale.h>

int main(int argc, char **argv)
{
    /* For the line editor; numbers are printed and read as JSON has them. */
    setlocale(LC_CTYPE, "");
    return app_run(argc, argv, stdin, stdout, stderr);
}
