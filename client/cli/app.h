/* app.h - the program `holdfast` but for main. */
#ifndef HOLDFAST_CLI_APP_H
#define HOLDFAST_CLI_APP_H

#include <stdio.h>

/* Run with these streams; the exit code. */
int app_run(int argc, char **argv, FILE *in, FILE *out, FILE *err);

#endif
