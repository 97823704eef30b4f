/* complete_internal.h - what the files of complete share. */
#ifndef HOLDFAST_CLI_COMPLETE_INTERNAL_H
#define HOLDFAST_CLI_COMPLETE_INTERNAL_H

#include "client/cli/complete.h"

#define COMPLETE_BEFORE_BYTES 16 /* of the keyword before the word */

/* A word that begins with what is typed. */
void complete_offer(struct completion *out, const char *typed, const char *word);

/* The names of stores, or of the indexes of one. */
void complete_names(struct cli *cli, struct completion *out, const char *typed,
                    const char *of_store);

/* Look at some records of a store, once, so that their fields are among the names seen (seen.h). */
void complete_sample(struct cli *cli, const char *store);

/* What the last word of a query may become. */
void complete_query(struct cli *cli, const char *text, struct completion *out);

#endif
