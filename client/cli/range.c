#include "client/cli/range.h"

bool range_init(struct range *r, struct cli *cli, const struct args *args)
{
    static const char *const names[RANGE_BOUNDS] = {"gt", "gte",    "lt",    "lte",
                                                    "eq", "prefix", "starts"};
    struct hf_bytes *bounds[RANGE_BOUNDS] = {
        &r->range.gt, &r->range.gte,    &r->range.lt,     &r->range.lte,
        &r->range.eq, &r->range.prefix, &r->range.starts,
    };

    memset(r, 0, sizeof *r);
    for (int i = 0; i < RANGE_BOUNDS; i++) {
        const char *text = args_option(args, names[i]);
        char what[16];

        if (!text)
            continue;
        snprintf(what, sizeof what, "--%s", names[i]);
        if (!cli_parse(cli, what, text, &r->bounds[i]))
            return false;
        *bounds[i] = hf_pack_bytes(&r->bounds[i]);
    }
    return true;
}

void range_fini(struct range *r)
{
    for (int i = 0; i < RANGE_BOUNDS; i++)
        hf_pack_fini(&r->bounds[i]);
}
