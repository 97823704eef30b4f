/* password.h - passwords, from a file or typed at the terminal, where they are not shown.
 *
 * Nowhere else: arguments are seen by everybody on the machine, and shells keep them. */
#ifndef HOLDFAST_CLI_PASSWORD_H
#define HOLDFAST_CLI_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#define PASSWORD_ROOM 1026 /* bytes, with a zero at the end */

/* The first line of the file. Others than its owner may not read it. NULL, or what is wrong, in
 * words (static). to has PASSWORD_ROOM bytes. */
const char *password_read_file(const char *path, char *to);

/* Ask for it at the terminal of this process, whatever standard input is. */
const char *password_ask(const char *prompt, char *to);

#endif
