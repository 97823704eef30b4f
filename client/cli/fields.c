#include "client/cli/fields.h"
#include "client/cli/keypath.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "proto/msgpack.h"

static struct hf_bytes bytes_of(struct slice s)
{
    return (struct hf_bytes){s.data, s.size};
}

/* JSON: each element is a name, or a list of steps. */
static bool parse_json(struct cli *cli, const char *text, struct hf_pack *pairs,
                       uint32_t *count)
{
    struct hf_pack list = {0};
    struct hf_bytes element;
    struct hf_walk walk;
    bool ok = cli_parse(cli, "--fields", text, &list);

    walk = hf_walk(hf_pack_bytes(&list));
    while (ok && hf_walk_next(&walk, NULL, &element)) {
        struct hf_pack name = {0};
        enum hf_type type = hf_type(element);

        ok = type == HF_TYPE_TEXT || type == HF_TYPE_ARRAY;
        if (type == HF_TYPE_ARRAY)
            json_print(slice_of(element), JSON_PLAIN, &name);
        hf_pack_array(pairs, 2);
        if (type == HF_TYPE_ARRAY)
            hf_pack_text_bytes(pairs, hf_pack_bytes(&name));
        else
            hf_pack_raw(pairs, element);
        hf_pack_raw(pairs, element);
        hf_pack_fini(&name);
        (*count)++;
        if (!ok)
            cli_usage(cli, "--fields takes names and lists of steps");
    }
    hf_pack_fini(&list);
    return ok;
}

static bool parse_names(struct cli *cli, const char *text, struct hf_pack *pairs,
                        uint32_t *count)
{
    for (const char *at = text;; at++) {
        struct slice name = slice_make(at, strcspn(at, ","));

        hf_pack_array(pairs, 2);
        hf_pack_text_bytes(pairs, bytes_of(name));
        if (!keypath_path(cli, "--fields", name, pairs))
            return false;
        (*count)++;
        at += name.size;
        if (!*at)
            return true;
    }
}

bool fields_parse(struct cli *cli, const char *text, struct hf_pack *out)
{
    struct hf_pack pairs = {0};
    uint32_t count = 0;
    bool ok = text[0] == '[' ? parse_json(cli, text, &pairs, &count)
                             : parse_names(cli, text, &pairs, &count);

    if (ok && count == 0) {
        cli_usage(cli, "--fields needs at least one field");
        ok = false;
    }
    hf_pack_array(out, count);
    hf_pack_raw(out, hf_pack_bytes(&pairs));
    hf_pack_fini(&pairs);
    return ok;
}

struct slice fields_name(struct slice fields, uint32_t place)
{
    struct hf_bytes name = HF_NONE;

    hf_read_text(hf_element(hf_element(bytes_of(fields), place), 0), &name);
    return name.data ? slice_of(name) : SLICE_NONE;
}

static struct hf_bytes take_step(struct hf_bytes value, struct hf_bytes step)
{
    struct hf_bytes key, found;
    struct hf_walk walk;
    uint64_t place;

    if (hf_read_uint(step, &place) == HF_OK)
        return hf_type(value) == HF_TYPE_ARRAY && place < UINT32_MAX
                   ? hf_element(value, (uint32_t)place)
                   : HF_NONE;
    if (hf_type(value) != HF_TYPE_MAP)
        return HF_NONE;
    walk = hf_walk(value);
    while (hf_walk_next(&walk, &key, &found))
        if (slice_equal(slice_of(key), slice_of(step)))
            return found;
    return HF_NONE;
}

struct slice fields_value(struct slice fields, uint32_t place, struct slice record)
{
    struct hf_bytes path = hf_element(hf_element(bytes_of(fields), place), 1), step;
    struct hf_bytes value = bytes_of(record);
    struct hf_walk walk;

    if (hf_type(path) != HF_TYPE_ARRAY)
        value = take_step(value, path);
    for (walk = hf_walk(path); value.data && hf_walk_next(&walk, NULL, &step);)
        value = take_step(value, step);
    return value.data ? slice_of(value) : SLICE_NONE;
}

void fields_take(struct slice fields, struct slice record, struct hf_pack *out)
{
    struct hf_pack pairs = {0};
    uint32_t count = 0;
    struct slice name;

    for (uint32_t i = 0; !slice_is_none(name = fields_name(fields, i)); i++) {
        struct slice value = fields_value(fields, i, record);

        if (slice_is_none(value))
            continue;
        hf_pack_text_bytes(&pairs, bytes_of(name));
        hf_pack_raw(&pairs, bytes_of(value));
        count++;
    }
    hf_pack_map(out, count);
    hf_pack_raw(out, count ? hf_pack_bytes(&pairs) : (struct hf_bytes){"", 0});
    hf_pack_fini(&pairs);
}
