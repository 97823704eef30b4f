/* range.h - a range as options say it. */
#ifndef HOLDFAST_CLI_RANGE_H
#define HOLDFAST_CLI_RANGE_H

#include "client/cli/cli.h"

#define RANGE_BOUNDS 7

struct range {
    struct hf_range range; /* borrows from bounds */
    struct hf_pack bounds[RANGE_BOUNDS];
};

/* Read --gt, --gte and so on. False: a message was printed. range_fini in any case. */
bool range_init(struct range *r, struct cli *cli, const struct args *args);
void range_fini(struct range *r);

#endif
