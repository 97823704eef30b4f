#include "client/cli/range.h"
#include "client/cli/keypath.h"
#include "client/cli/output.h"
#include "client/cli/value.h"
#include "proto/msgpack.h"

bool source_init(struct args_source *source, struct cli *cli, const struct args *args)
{
    const char *index = args_option(args, "index");

    memset(source, 0, sizeof *source);
    source->store = cli_store(cli, args->positional[0], source->store_name);
    if (!source->store || !index)
        return source->store != NULL;
    source->index = cli_name(cli, "index", index, source->index_name);
    return source->index != NULL;
}

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

bool range_is_given(const struct range *r)
{
    for (int i = 0; i < RANGE_BOUNDS; i++)
        if (r->bounds[i].size)
            return true;
    return false;
}

void range_fini(struct range *r)
{
    for (int i = 0; i < RANGE_BOUNDS; i++)
        hf_pack_fini(&r->bounds[i]);
}

static bool is_list(struct hf_bytes value)
{
    struct msgpack_cursor c = msgpack_open(slice_of(value));
    uint32_t count;

    return msgpack_read_array(&c, &count) == ERR_OK;
}

/* Whether keys of the source can begin with these parts. */
static bool prefix_fits(const struct range *r, struct slice store,
                        const struct args_source *source)
{
    struct slice index = SLICE_NONE, key = value_field(store, "key");
    struct msgpack_cursor c = msgpack_open(value_field(store, "generate"));
    bool generate = false;

    if (source->index) {
        index = value_find(value_field(store, "indexes"), "name", source->index);
        key = value_field(index, "key");
    }
    msgpack_read_bool(&c, &generate);
    if (!slice_is_none(key))
        return keypath_parts(key) > 1;
    if (source->index)
        return slice_is_none(index); /* the verb itself says NO_INDEX */
    return !generate && is_list(r->range.prefix); /* explicit keys may be lists */
}

int range_open(const struct range *r, struct cli *cli, const struct args_source *source)
{
    struct hf_bytes stores;
    struct slice entry;
    int exit_code = cli_connect(cli);

    if (exit_code != CLI_OK || !r->range.prefix.data)
        return exit_code;
    if (hf_stores(cli->conn, cli->txn, &stores) != HF_OK)
        return cli_failed(cli);
    entry = value_find(slice_of(stores), "name", source->store);
    if (slice_is_none(entry) || /* the verb itself says NO_STORE */
        prefix_fits(r, entry, source))
        return CLI_OK;
    return cli_usage(cli,
                     "--prefix takes the first parts of a key of several parts, and keys of "
                     "\"%s\" have one part; --starts finds texts by their beginning",
                     source->index ? source->index : source->store);
}

void range_explain_empty(const struct range *r, struct cli *cli,
                         const struct args_source *source)
{
    struct hf_range turned = r->range;
    uint64_t records = 0;

    turned.gt = r->range.lt;
    turned.gte = r->range.lte;
    turned.lt = r->range.gt;
    turned.lte = r->range.gte;
    if (!(turned.gt.data || turned.gte.data) || !(turned.lt.data || turned.lte.data))
        return;
    /* Outside of any transaction: it is no read of the user's. */
    if (hf_index_count(cli->conn, NULL, source->store, source->index, &turned, &records) ==
            HF_OK &&
        records > 0)
        cli_usage(cli,
                  "the range is empty because its lower bound comes after its upper bound in "
                  "the order of the keys (a descending part reverses the order); swapped, the "
                  "bounds cover %llu %s",
                  (unsigned long long)records, source->index ? "entries" : "records");
}
