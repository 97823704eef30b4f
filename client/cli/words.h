/* words.h - a line of the shell into words. */
#ifndef HOLDFAST_CLI_WORDS_H
#define HOLDFAST_CLI_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#define WORDS_MAX 1100

struct words {
    char *words[WORDS_MAX]; /* owned */
    int count;
    char why[160]; /* of a failure */
};

/* Blanks part words, but a word that begins with {, [ or " (or has it behind an =, as in
 * --gt=["a"] and name="Ann Lee") is a whole JSON value, blanks and all; '...' is a word or a
 * piece of one as in other shells; # at the beginning of a word begins a comment. False: why
 * says it. */
bool words_split(struct words *w, const char *line);
void words_free(struct words *w);

#endif
