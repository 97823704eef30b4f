#include "client/cli/keypath.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "proto/msgpack.h"

/* One part "name", "name:asc" or "name:desc". */
static bool parse_part(struct cli *cli, struct slice part, struct hf_pack *out)
{
    static const struct slice orders[] = {{(const uint8_t *)":desc", 5},
                                          {(const uint8_t *)":asc", 4}};
    const struct slice given = part;
    bool descending = false;

    for (int i = 0; i < 2; i++) {
        size_t size = orders[i].size;

        if (part.size > size &&
            slice_equal(slice_make(part.data + part.size - size, size), orders[i])) {
            part.size -= size;
            descending = i == 0;
            break;
        }
    }
    if (memchr(part.data, ':', part.size)) {
        cli_usage(cli,
                  "--key: unknown order in \"%.*s\"; expected :asc or :desc. For a field whose "
                  "name has a colon write JSON, as in '[\"a:b\"]'",
                  (int)given.size, (const char *)given.data);
        return false;
    }
    if (memchr(part.data, '.', part.size)) {
        cli_usage(cli,
                  "--key: \"%.*s\" has a dot; for a field of a field write JSON, as in "
                  "'[[\"a\",\"b\"]]', and for a field whose name has a dot '[\"a.b\"]'",
                  (int)given.size, (const char *)given.data);
        return false;
    }
    if (part.size == 0 || !msgpack_text_is_utf8(part)) {
        cli_usage(cli, "--key takes field names separated by commas");
        return false;
    }
    if (descending) {
        hf_pack_map(out, 2);
        hf_pack_text(out, "path");
    }
    hf_pack_text_bytes(out, (struct hf_bytes){part.data, part.size});
    if (descending) {
        hf_pack_text(out, "order");
        hf_pack_text(out, "desc");
    }
    return true;
}

bool keypath_parse(struct cli *cli, const char *text, struct hf_pack *out)
{
    const char *first = text + strspn(text, " ");
    struct hf_pack parts = {0};
    uint32_t count = 0;
    bool ok = true;

    if (*first == '[' || *first == '{' || *first == '"')
        return cli_parse(cli, "--key", text, out);
    for (const char *at = text; ok; at++) {
        size_t size = strcspn(at, ",");

        ok = parse_part(cli, slice_make(at, size), &parts);
        count++;
        at += size;
        if (*at == '\0')
            break;
    }
    /* One plain name stands for itself; a list of one part is the same key. */
    if (count > 1 || (parts.size > 0 && (parts.data[0] & 0xf0) == 0x80))
        hf_pack_array(out, count);
    hf_pack_raw(out, hf_pack_bytes(&parts));
    hf_pack_fini(&parts);
    return ok && !out->failed;
}

/* Steps through the parts of an option. */
struct parts {
    struct msgpack_cursor at;
    uint32_t left;
};

struct part {
    struct slice path; /* text or a list of steps */
    bool descending;
};

static bool parts_open(struct parts *p, struct slice option)
{
    enum msgpack_type type;

    p->at = msgpack_open(option);
    p->left = 1;
    if (msgpack_peek(&p->at, &type) != ERR_OK)
        return false;
    return type != MSGPACK_ARRAY || msgpack_read_array(&p->at, &p->left) == ERR_OK;
}

static bool parts_next(struct parts *p, struct part *part)
{
    struct msgpack_cursor in;
    struct slice value, name, order;
    uint32_t pairs;

    part->path = SLICE_NONE;
    part->descending = false;
    p->left--;
    if (msgpack_skip(&p->at, MSGPACK_DEPTH_MAX, &value) != ERR_OK)
        return false;
    in = msgpack_open(value);
    if (msgpack_read_map(&in, &pairs) != ERR_OK) {
        part->path = value;
        return true;
    }
    while (pairs-- > 0) {
        if (msgpack_read_text(&in, &name) != ERR_OK ||
            msgpack_skip(&in, MSGPACK_DEPTH_MAX, &value) != ERR_OK)
            return false;
        if (slice_equal(name, slice_text("path"))) {
            part->path = value;
        } else if (slice_equal(name, slice_text("order"))) {
            struct msgpack_cursor at_order = msgpack_open(value);

            part->descending = msgpack_read_text(&at_order, &order) == ERR_OK &&
                               slice_equal(order, slice_text("desc"));
        }
    }
    return !slice_is_none(part->path);
}

/* A list of one step is the step. */
static struct slice plain_path(struct slice path)
{
    struct msgpack_cursor at = msgpack_open(path);
    struct slice step;
    uint32_t count;

    if (msgpack_read_array(&at, &count) == ERR_OK && count == 1 &&
        msgpack_skip(&at, MSGPACK_DEPTH_MAX, &step) == ERR_OK)
        return step;
    return path;
}

bool keypath_equal(struct slice a, struct slice b)
{
    struct parts in_a, in_b;

    if (!parts_open(&in_a, a) || !parts_open(&in_b, b) || in_a.left != in_b.left)
        return false;
    while (in_a.left > 0) {
        struct part part_a, part_b;

        if (!parts_next(&in_a, &part_a) || !parts_next(&in_b, &part_b) ||
            part_a.descending != part_b.descending ||
            !slice_equal(plain_path(part_a.path), plain_path(part_b.path)))
            return false;
    }
    return true;
}

uint32_t keypath_parts(struct slice option)
{
    struct parts parts;

    return parts_open(&parts, option) ? parts.left : 0;
}
