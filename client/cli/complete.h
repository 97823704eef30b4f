/* complete.h - what the word that is being typed may become. */
#ifndef HOLDFAST_CLI_COMPLETE_H
#define HOLDFAST_CLI_COMPLETE_H

#include "client/cli/cli.h"

#define COMPLETE_WORDS_MAX 200

struct completion {
    char *words[COMPLETE_WORDS_MAX]; /* owned; each begins with what is typed */
    unsigned count;
    size_t typed; /* bytes of the word so far */
    char hint[400]; /* where there is nothing to offer: what the verb takes; "" */
};

/* line is what stands before the cursor. Verbs, options, stores and indexes; in a query its
 * words, functions, and fields that results have had. Names are asked of the
 * server if there is a connection already, outside of the open transaction. */
void complete(struct cli *cli, const char *line, struct completion *out);
void complete_free(struct completion *c);

/* The bytes that all words share; 0 if there is none. */
size_t complete_shared(const struct completion *c);

#endif
