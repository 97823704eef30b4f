/* range.h - a range as options say it. */
#ifndef HOLDFAST_CLI_RANGE_H
#define HOLDFAST_CLI_RANGE_H

#include "client/cli/cli.h"

#define RANGE_BOUNDS 7

/* What a verb reads: a store, or (index not NULL) an index of it. */
struct args_source {
    const char *store, *index;
    char store_name[256], index_name[256];
};

/* Read STORE and --index. False: a message was printed. */
bool source_init(struct args_source *source, struct cli *cli, const struct args *args);

struct range {
    struct hf_range range; /* borrows from bounds */
    struct hf_pack bounds[RANGE_BOUNDS];
};

/* Read --gt, --gte and so on. False: a message was printed. range_fini in any case. */
bool range_init(struct range *r, struct cli *cli, const struct args *args);
/* Whether there is any bound. */
bool range_is_given(const struct range *r);
void range_fini(struct range *r);

/* Connect, and look whether the source has a use for what was asked: --prefix needs keys of
 * several parts. CLI_OK, or what to exit with; a message was printed. */
int range_open(const struct range *r, struct cli *cli, const struct args_source *source);

/* Nothing was found: if there would be something with the bounds exchanged, as where a part of
 * the key is descending, say so. */
void range_explain_empty(const struct range *r, struct cli *cli,
                         const struct args_source *source);

#endif
