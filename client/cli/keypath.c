#include "client/cli/keypath.h"
#include "client/cli/json.h"
#include "client/cli/output.h"
#include "client/cli/text.h"
#include "proto/msgpack.h"

/* A place in an array at text: "[12]". Its length; 0: it is none. */
static size_t parse_place(struct slice text, uint64_t *place)
{
    size_t i = 1;

    *place = 0;
    while (i < text.size && i < 10 && text.data[i] >= '0' && text.data[i] <= '9')
        *place = *place * 10 + (uint64_t)(text.data[i++] - '0');
    return text.size > 2 && i > 1 && i < text.size && text.data[i] == ']' ? i + 1 : 0;
}

/* The steps of text into out; how many they are, 0: it is no path. */
static uint32_t parse_steps(struct slice text, struct hf_pack *out)
{
    uint32_t count = 0;
    size_t at = 0;

    while (at < text.size) {
        struct slice rest = slice_make(text.data + at, text.size - at);
        size_t size = 0;
        uint64_t place;

        if (rest.data[0] == '[' && count > 0) {
            size = parse_place(rest, &place);
            hf_pack_uint(out, place);
        } else if (count == 0 || rest.data[0] == '.') {
            size_t from = count > 0;

            for (size = from; size < rest.size && !memchr(".[", rest.data[size], 2);)
                size++;
            hf_pack_text_bytes(out, (struct hf_bytes){rest.data + from, size - from});
            size = size > from ? size : 0;
        }
        if (size == 0)
            return 0;
        at += size;
        count++;
    }
    return count;
}

bool keypath_path(struct cli *cli, const char *what, struct slice text, struct hf_pack *out)
{
    struct hf_pack steps = {0};
    uint32_t count = msgpack_text_is_utf8(text) ? parse_steps(text, &steps) : 0;

    if (count == 0)
        cli_usage(cli,
                  "%s: \"%.*s\" is not a path; expected a field name, or several as in "
                  "address.city or tags[0]. Write other names as JSON: '[\"a.b\"]'",
                  what, (int)(text.size < 80 ? text.size : 80), (const char *)text.data);
    if (count > 1)
        hf_pack_array(out, count);
    if (count > 0)
        hf_pack_raw(out, hf_pack_bytes(&steps));
    hf_pack_fini(&steps);
    return count > 0;
}

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
    if (part.size == 0 || !msgpack_text_is_utf8(part)) {
        cli_usage(cli, "--key takes field names separated by commas");
        return false;
    }
    if (descending) {
        hf_pack_map(out, 2);
        hf_pack_text(out, "path");
    }
    if (!keypath_path(cli, "--key", part, out))
        return false;
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
    struct msgpack_cursor at_part;
    enum msgpack_type type;
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
    /* One plain name stands for itself; a list of one part is the same key. A list of steps
     * must not be taken for a list of parts. */
    at_part = msgpack_open(slice_of_pack(&parts));
    if (count > 1 || msgpack_peek(&at_part, &type) != ERR_OK || type != MSGPACK_TEXT)
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

/* A path that needs no JSON: its steps as they are written. */
static bool print_steps(struct slice path, struct hf_pack *text)
{
    struct msgpack_cursor at = msgpack_open(path);
    size_t before = text->size;
    uint32_t count = 1;
    bool plain = true;

    if (msgpack_read_array(&at, &count) == ERR_OK && count == 0)
        return false;
    for (uint32_t i = 0; plain && i < count; i++) {
        struct slice name;
        uint64_t place;

        if (msgpack_read_uint(&at, &place) == ERR_OK) {
            plain = i > 0;
            text_printf(text, "[%llu]", (unsigned long long)place);
        } else {
            plain = msgpack_read_text(&at, &name) == ERR_OK && name.size > 0;
            for (size_t k = 0; plain && k < name.size; k++)
                plain = !memchr(".[],:\"{ ", name.data[k], 9);
            if (plain && i > 0)
                text_append(text, ".");
            if (plain)
                text_escape(text, name);
        }
    }
    if (!plain)
        text->size = before;
    return plain;
}

void keypath_print(struct slice option, struct hf_pack *text)
{
    size_t before = text->size;
    struct parts parts;
    bool plain = parts_open(&parts, option), first = true;

    while (plain && parts.left > 0) {
        struct part part;

        plain = parts_next(&parts, &part);
        if (plain && !first)
            text_append(text, ",");
        plain = plain && print_steps(part.path, text);
        if (plain && part.descending)
            text_append(text, ":desc");
        first = false;
    }
    if (plain)
        return;
    text->size = before;
    json_print(option, JSON_TYPED, text);
}

bool keypath_descend(struct slice option, struct hf_pack *out)
{
    struct parts parts;
    struct part part;

    if (!parts_open(&parts, option))
        return false;
    hf_pack_array(out, parts.left);
    while (parts.left > 0) {
        if (!parts_next(&parts, &part))
            return false;
        hf_pack_map(out, 2);
        hf_pack_text(out, "path");
        hf_pack_raw(out, (struct hf_bytes){part.path.data, part.path.size});
        hf_pack_text(out, "order");
        hf_pack_text(out, "desc");
    }
    return !out->failed;
}
