/* suggest.h - what somebody who mistyped may have meant. */
#ifndef HOLDFAST_CLI_SUGGEST_H
#define HOLDFAST_CLI_SUGGEST_H

#include "client/cli/cli.h"

/* The nearest verb or option, NULL if none is near. */
const char *suggest_verb(const struct verb *verbs, const char *word, bool in_shell);
/* Of two lists; own may be NULL. */
const char *suggest_option(const struct verb_option *own, const struct verb_option *global,
                           const char *word);

/* How many letters one must change, add, leave out or swap to make b of a; texts beyond 31
 * letters count as far apart. */
unsigned suggest_distance(const char *a, const char *b);

#endif
