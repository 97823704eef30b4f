/* function_array.c - functions of arrays and maps. Places count from 0. */
#include "server/query/aggregate.h"
#include "server/query/function_internal.h"

#include "server/base/assert.h"

#define SORTED_MAX 100000 /* elements that are sorted or compared with one another */

/* An array that is being written. */
struct array_writer {
    uint8_t *to;
    size_t size, room;
};

/* With room for a head and so many bytes of elements. */
static enum datum_fault writer_open(const struct function_call *c, size_t bytes,
                                    struct array_writer *w)
{
    enum datum_fault fault;

    w->room = MSGPACK_HEAD_MAX + bytes;
    w->size = MSGPACK_HEAD_MAX;
    w->to = function_room(c, w->room, &fault);
    return fault;
}

static void write_bytes(struct array_writer *w, struct slice bytes)
{
    ASSERT(w->room - w->size >= bytes.size);
    if (bytes.size)
        memcpy(w->to + w->size, bytes.data, bytes.size);
    w->size += bytes.size;
}

static void write_datum(struct array_writer *w, const struct datum *d)
{
    w->size += datum_write(d, w->to + w->size);
    ASSERT(w->size <= w->room);
}

/* The head goes right before the elements. */
static enum datum_fault writer_close(const struct function_call *c, struct array_writer *w,
                                     uint32_t count, struct datum *out)
{
    uint8_t head[MSGPACK_HEAD_MAX];
    size_t size = msgpack_put_array_head(head, count);
    uint8_t *begin = w->to + MSGPACK_HEAD_MAX - size;

    memcpy(begin, head, size);
    return datum_made(c->m, DATUM_ARRAY, slice_make(begin, w->size - MSGPACK_HEAD_MAX + size),
                      out);
}

/* The next element as its bytes. */
static bool next_bytes(struct datum_walk *w, struct slice *out)
{
    if (!w->left || msgpack_skip(&w->c, MSGPACK_DEPTH_MAX, out))
        return false;
    w->left--;
    return true;
}

/* ---- looking ---- */

static enum datum_fault run_array_length(const struct function_call *c, struct datum *out)
{
    enum datum_fault fault = function_array(c, 0);

    if (!fault)
        *out = datum_integer(datum_elements(&c->args[0]).left);
    return fault;
}

/* The place of argument 1 in argument 0; -1: it is not there. */
static int64_t place_of(const struct function_call *c)
{
    struct datum_walk w = datum_elements(&c->args[0]);
    struct datum item;

    for (int64_t place = 0; datum_next_element(&w, &item); place++) {
        if (datum_compare(&item, &c->args[1]) == 0)
            return place;
    }
    return -1;
}

/* For those that take nulls as their argument 1: whether the array is null. */
static bool array_is_null(const struct function_call *c, struct datum *out)
{
    *out = datum_null();
    return datum_is_null(&c->args[0]);
}

static enum datum_fault run_array_contains(const struct function_call *c, struct datum *out)
{
    enum datum_fault fault;

    if (array_is_null(c, out))
        return DATUM_OK;
    fault = function_array(c, 0);
    if (!fault)
        *out = datum_boolean(place_of(c) >= 0);
    return fault;
}

static enum datum_fault run_array_position(const struct function_call *c, struct datum *out)
{
    enum datum_fault fault;

    if (array_is_null(c, out))
        return DATUM_OK;
    fault = function_array(c, 0);
    if (!fault) {
        int64_t place = place_of(c);

        *out = place < 0 ? datum_null() : datum_integer(place);
    }
    return fault;
}

/* ---- making ---- */

static enum datum_fault with_element(const struct function_call *c, bool at_begin,
                                     struct datum *out)
{
    struct array_writer w;
    struct datum_walk all;
    enum datum_fault fault;

    if (array_is_null(c, out))
        return DATUM_OK;
    fault = function_array(c, 0);
    if (!fault)
        fault = writer_open(c, c->args[0].bytes.size + datum_size(&c->args[1]), &w);
    if (fault)
        return fault;
    all = datum_elements(&c->args[0]);
    if (at_begin)
        write_datum(&w, &c->args[1]);
    write_bytes(&w, slice_make(all.c.at, (size_t)(all.c.end - all.c.at)));
    if (!at_begin)
        write_datum(&w, &c->args[1]);
    return writer_close(c, &w, all.left + 1, out);
}

static enum datum_fault run_array_append(const struct function_call *c, struct datum *out)
{
    return with_element(c, false, out);
}

static enum datum_fault run_array_prepend(const struct function_call *c, struct datum *out)
{
    return with_element(c, true, out);
}

static enum datum_fault run_array_concat(const struct function_call *c, struct datum *out)
{
    enum datum_fault fault = function_array(c, 0);

    if (!fault)
        fault = function_array(c, 1);
    return fault ? fault : datum_concatenate(c->m, &c->args[0], &c->args[1], out);
}

static enum datum_fault run_array_slice(const struct function_call *c, struct datum *out)
{
    int64_t from = 0, count = INT64_MAX;
    enum datum_fault fault = function_array(c, 0);
    struct array_writer w;
    struct datum_walk all;
    struct slice item;
    uint32_t taken = 0;

    if (!fault)
        fault = function_count(c, 1, &from);
    if (!fault && c->count > 2)
        fault = function_count(c, 2, &count);
    if (!fault)
        fault = writer_open(c, c->args[0].bytes.size, &w);
    if (fault)
        return fault;
    all = datum_elements(&c->args[0]);
    for (int64_t place = 0; taken < count && next_bytes(&all, &item); place++) {
        if (place < from)
            continue;
        write_bytes(&w, item);
        taken++;
    }
    return writer_close(c, &w, taken, out);
}

static enum datum_fault run_array_remove(const struct function_call *c, struct datum *out)
{
    struct array_writer w;
    struct datum_walk all;
    struct slice item;
    uint32_t kept = 0;
    enum datum_fault fault;

    if (array_is_null(c, out))
        return DATUM_OK;
    fault = function_array(c, 0);
    if (!fault)
        fault = writer_open(c, c->args[0].bytes.size, &w);
    if (fault)
        return fault;
    for (all = datum_elements(&c->args[0]); next_bytes(&all, &item);) {
        const struct datum d = datum_read(item);

        if (datum_compare(&d, &c->args[1]) == 0)
            continue;
        write_bytes(&w, item);
        kept++;
    }
    return writer_close(c, &w, kept, out);
}

static enum datum_fault check_sortable(const struct function_call *c)
{
    enum datum_fault fault = function_array(c, 0);

    if (!fault && datum_elements(&c->args[0]).left > SORTED_MAX)
        fault = datum_refuse(c->m, DATUM_LIMIT, "%s takes at most %d elements", c->name,
                             SORTED_MAX);
    return fault;
}

static enum datum_fault run_array_distinct(const struct function_call *c, struct datum *out)
{
    struct value_set set;
    struct array_writer w;
    struct datum_walk all;
    struct slice item;
    uint32_t kept = 0;
    enum datum_fault fault = check_sortable(c);

    if (!fault)
        fault = writer_open(c, c->args[0].bytes.size, &w);
    if (fault)
        return fault;
    value_set_init(&set, (uintptr_t)&set); /* the stack's place is as good as random */
    for (all = datum_elements(&c->args[0]); next_bytes(&all, &item);) {
        const struct datum d = datum_read(item);
        bool is_new;

        fault = value_set_add(c->m, &set, &d, &is_new);
        if (fault)
            return fault;
        if (!is_new)
            continue;
        write_bytes(&w, item);
        kept++;
    }
    return writer_close(c, &w, kept, out);
}

struct sorted {
    struct datum value;
    struct slice bytes;
};

/* The runs from, middle and middle, end of a become one in b. */
static void merge(const struct sorted *a, struct sorted *b, size_t from, size_t middle,
                  size_t end)
{
    size_t left = from, right = middle;

    for (size_t i = from; i < end; i++) {
        bool take_left = left < middle &&
                         (right == end || datum_compare(&a[left].value, &a[right].value) <= 0);

        b[i] = take_left ? a[left++] : a[right++];
    }
}

/* Sort a, stably, with the help of as much room in b; returns which of them has the result. */
static struct sorted *sort(struct sorted *a, struct sorted *b, size_t count)
{
    for (size_t run = 1; run < count; run *= 2) {
        struct sorted *other = a;

        for (size_t from = 0; from < count; from += 2 * run)
            merge(a, b, from, from + run < count ? from + run : count,
                  from + 2 * run < count ? from + 2 * run : count);
        a = b;
        b = other;
    }
    return a;
}

static enum datum_fault run_array_sort(const struct function_call *c, struct datum *out)
{
    struct sorted *items, *result;
    struct array_writer w;
    struct datum_walk all;
    uint32_t count, i = 0;
    enum datum_fault fault = check_sortable(c);

    if (!fault)
        fault = writer_open(c, c->args[0].bytes.size, &w);
    if (fault)
        return fault;
    all = datum_elements(&c->args[0]);
    count = all.left;
    items = datum_alloc(c->m, (2 * (size_t)count + 1) * sizeof *items, &fault);
    if (!items)
        return fault;
    for (; next_bytes(&all, &items[i].bytes); i++)
        items[i].value = datum_read(items[i].bytes);
    result = sort(items, items + count, i);
    for (uint32_t n = 0; n < i; n++)
        write_bytes(&w, result[n].bytes);
    return writer_close(c, &w, i, out);
}

/* Written from the end of the room to its beginning. */
static enum datum_fault run_array_reverse(const struct function_call *c, struct datum *out)
{
    struct array_writer w;
    struct datum_walk all;
    struct slice item;
    uint32_t count;
    size_t end;
    enum datum_fault fault = function_array(c, 0);

    if (!fault)
        fault = writer_open(c, c->args[0].bytes.size, &w);
    if (fault)
        return fault;
    all = datum_elements(&c->args[0]);
    count = all.left;
    end = w.size = MSGPACK_HEAD_MAX + (size_t)(all.c.end - all.c.at);
    while (next_bytes(&all, &item)) {
        end -= item.size;
        memcpy(w.to + end, item.data, item.size);
    }
    ASSERT(end == MSGPACK_HEAD_MAX);
    return writer_close(c, &w, count, out);
}

static enum datum_fault aggregate_of(const struct function_call *c, enum aggregate_kind kind,
                                     struct datum *out)
{
    struct aggregate a;
    struct datum_walk all;
    struct datum item;
    enum datum_fault fault = function_array(c, 0);

    if (!fault)
        fault = aggregate_init(c->m, &a, kind, false, 0);
    all = datum_elements(&c->args[0]);
    while (!fault && datum_next_element(&all, &item))
        fault = aggregate_add(c->m, &a, &item);
    return fault ? fault : aggregate_result(c->m, &a, out);
}

static enum datum_fault run_array_min(const struct function_call *c, struct datum *out)
{
    return aggregate_of(c, AGGREGATE_MIN, out);
}

static enum datum_fault run_array_max(const struct function_call *c, struct datum *out)
{
    return aggregate_of(c, AGGREGATE_MAX, out);
}

static enum datum_fault run_array_sum(const struct function_call *c, struct datum *out)
{
    return aggregate_of(c, AGGREGATE_SUM, out);
}

static enum datum_fault run_array_avg(const struct function_call *c, struct datum *out)
{
    return aggregate_of(c, AGGREGATE_AVG, out);
}

/* Twice over the elements: how much, and then it. */
static enum datum_fault join_elements(const struct function_call *c, struct slice separator,
                                      uint8_t *to, size_t *size)
{
    struct datum_walk all = datum_elements(&c->args[0]);
    enum datum_fault fault = DATUM_OK;
    bool is_first = true;
    struct datum item;
    struct slice text;

    *size = 0;
    while (!fault && datum_next_element(&all, &item)) {
        if (datum_is_null(&item))
            continue;
        fault = function_as_text(c, &item, &text);
        if (to && !is_first && separator.size)
            memcpy(to + *size, separator.data, separator.size);
        *size += is_first ? 0 : separator.size;
        if (to && text.size)
            memcpy(to + *size, text.data, text.size);
        *size += text.size;
        is_first = false;
    }
    return fault;
}

static enum datum_fault run_array_join(const struct function_call *c, struct datum *out)
{
    struct slice separator;
    enum datum_fault fault = function_array(c, 0);
    uint8_t *to;
    size_t size;

    if (!fault)
        fault = function_text(c, 1, &separator);
    if (!fault)
        fault = join_elements(c, separator, NULL, &size);
    if (fault)
        return fault;
    to = function_room(c, size, &fault);
    if (!fault)
        fault = join_elements(c, separator, to, &size);
    if (!fault)
        *out = datum_text(slice_make(to, size));
    return fault;
}

static enum datum_fault run_range(const struct function_call *c, struct datum *out)
{
    int64_t from, to;
    enum datum_fault fault = function_integer(c, 0, &from);
    struct array_writer w;
    uint64_t count;

    if (!fault)
        fault = function_integer(c, 1, &to);
    if (fault)
        return fault;
    count = to > from ? (uint64_t)to - (uint64_t)from : 0;
    if (count > UINT32_MAX / MSGPACK_HEAD_MAX)
        return datum_refuse(c->m, DATUM_LIMIT, "range has too many elements");
    fault = writer_open(c, count * MSGPACK_HEAD_MAX, &w);
    for (uint64_t i = 0; i < count && !fault; i++) {
        const struct datum d = datum_integer(from + (int64_t)i);

        write_datum(&w, &d);
    }
    return fault ? fault : writer_close(c, &w, (uint32_t)count, out);
}

/* ---- maps ---- */

static enum datum_fault map_side(const struct function_call *c, bool is_values,
                                 struct datum *out)
{
    struct array_writer w;
    struct datum_walk all;
    struct slice name, value;
    uint32_t count = 0;
    enum datum_fault fault = function_map(c, 0);

    if (!fault)
        fault = writer_open(c, c->args[0].bytes.size, &w);
    if (fault)
        return fault;
    for (all = datum_fields(&c->args[0]); next_bytes(&all, &name); count++) {
        if (msgpack_skip(&all.c, MSGPACK_DEPTH_MAX, &value))
            break;
        write_bytes(&w, is_values ? value : name);
    }
    return writer_close(c, &w, count, out);
}

static enum datum_fault run_map_keys(const struct function_call *c, struct datum *out)
{
    return map_side(c, false, out);
}

static enum datum_fault run_map_values(const struct function_call *c, struct datum *out)
{
    return map_side(c, true, out);
}

static enum datum_fault run_map_length(const struct function_call *c, struct datum *out)
{
    enum datum_fault fault = function_map(c, 0);

    if (!fault)
        *out = datum_integer(datum_fields(&c->args[0]).left);
    return fault;
}

#define MERGED_MAX 1000 /* fields of each map: every one is looked for in the other */

/* The value of the field with that name, as bytes; none: there is none. */
static struct slice value_of(const struct datum *map, const struct datum *name)
{
    struct datum_walk all = datum_fields(map);
    struct slice key, value;

    while (next_bytes(&all, &key) && !msgpack_skip(&all.c, MSGPACK_DEPTH_MAX, &value)) {
        const struct datum d = datum_read(key);

        if (d.type == name->type && datum_compare(&d, name) == 0)
            return value;
    }
    return SLICE_NONE;
}

/* The fields of map that other does not have, or all with other's values. */
static uint32_t merge_fields(struct array_writer *w, const struct datum *map,
                             const struct datum *other, bool is_first)
{
    struct datum_walk all = datum_fields(map);
    struct slice key, value;
    uint32_t count = 0;

    while (next_bytes(&all, &key) && !msgpack_skip(&all.c, MSGPACK_DEPTH_MAX, &value)) {
        const struct datum name = datum_read(key);
        struct slice others = value_of(other, &name);

        if (!is_first && !slice_is_none(others))
            continue;
        write_bytes(w, key);
        write_bytes(w, slice_is_none(others) ? value : others);
        count++;
    }
    return count;
}

static enum datum_fault run_map_merge(const struct function_call *c, struct datum *out)
{
    struct array_writer w;
    uint8_t head[MSGPACK_HEAD_MAX], *begin;
    uint32_t count;
    size_t size;
    enum datum_fault fault = function_map(c, 0);

    if (!fault)
        fault = function_map(c, 1);
    if (!fault && (datum_fields(&c->args[0]).left > MERGED_MAX ||
                   datum_fields(&c->args[1]).left > MERGED_MAX))
        fault = datum_refuse(c->m, DATUM_LIMIT, "map_merge takes maps of at most %d fields",
                             MERGED_MAX);
    if (!fault)
        fault = writer_open(c, c->args[0].bytes.size + c->args[1].bytes.size, &w);
    if (fault)
        return fault;
    count = merge_fields(&w, &c->args[0], &c->args[1], true);
    count += merge_fields(&w, &c->args[1], &c->args[0], false);
    size = msgpack_put_map_head(head, count);
    begin = w.to + MSGPACK_HEAD_MAX - size;
    memcpy(begin, head, size);
    return datum_made(c->m, DATUM_MAP, slice_make(begin, w.size - MSGPACK_HEAD_MAX + size),
                      out);
}

const struct query_function functions_of_arrays[] = {
    {.name = "array_length",
     .parameters = "a",
     .help = "how many elements",
     .least = 1,
     .most = 1,
     .run = run_array_length},
    {.name = "array_contains",
     .parameters = "a, x",
     .help = "whether an element equals x",
     .least = 2,
     .most = 2,
     .takes_nulls = true,
     .run = run_array_contains},
    {.name = "array_position",
     .parameters = "a, x",
     .help = "the place of the first element that equals x",
     .least = 2,
     .most = 2,
     .takes_nulls = true,
     .run = run_array_position},
    {.name = "array_append",
     .parameters = "a, x",
     .help = "with x at the end",
     .least = 2,
     .most = 2,
     .takes_nulls = true,
     .run = run_array_append},
    {.name = "array_prepend",
     .parameters = "a, x",
     .help = "with x at the beginning",
     .least = 2,
     .most = 2,
     .takes_nulls = true,
     .run = run_array_prepend},
    {.name = "array_concat",
     .parameters = "a, b",
     .help = "the elements of both",
     .least = 2,
     .most = 2,
     .run = run_array_concat},
    {.name = "array_slice",
     .parameters = "a, from [, count]",
     .help = "elements from a place on",
     .least = 2,
     .most = 3,
     .run = run_array_slice},
    {.name = "array_remove",
     .parameters = "a, x",
     .help = "without elements that equal x",
     .least = 2,
     .most = 2,
     .takes_nulls = true,
     .run = run_array_remove},
    {.name = "array_distinct",
     .parameters = "a",
     .help = "each element once",
     .least = 1,
     .most = 1,
     .run = run_array_distinct},
    {.name = "array_sort",
     .parameters = "a",
     .help = "in the order of values",
     .least = 1,
     .most = 1,
     .run = run_array_sort},
    {.name = "array_reverse",
     .parameters = "a",
     .help = "from the last to the first",
     .least = 1,
     .most = 1,
     .run = run_array_reverse},
    {.name = "array_min",
     .parameters = "a",
     .help = "the least element",
     .least = 1,
     .most = 1,
     .run = run_array_min},
    {.name = "array_max",
     .parameters = "a",
     .help = "the greatest element",
     .least = 1,
     .most = 1,
     .run = run_array_max},
    {.name = "array_sum",
     .parameters = "a",
     .help = "the sum of the elements",
     .least = 1,
     .most = 1,
     .run = run_array_sum},
    {.name = "array_avg",
     .parameters = "a",
     .help = "the average of the elements",
     .least = 1,
     .most = 1,
     .run = run_array_avg},
    {.name = "array_join",
     .parameters = "a, separator",
     .help = "the elements as one text",
     .least = 2,
     .most = 2,
     .run = run_array_join},
    {.name = "range",
     .parameters = "from, to",
     .help = "the integers from .. to-1",
     .least = 2,
     .most = 2,
     .run = run_range},
    {.name = "map_keys",
     .parameters = "m",
     .help = "the names of the fields",
     .least = 1,
     .most = 1,
     .run = run_map_keys},
    {.name = "map_values",
     .parameters = "m",
     .help = "the values of the fields",
     .least = 1,
     .most = 1,
     .run = run_map_values},
    {.name = "map_length",
     .parameters = "m",
     .help = "how many fields",
     .least = 1,
     .most = 1,
     .run = run_map_length},
    {.name = "map_merge",
     .parameters = "m, n",
     .help = "the fields of both",
     .least = 2,
     .most = 2,
     .run = run_map_merge},
    {.name = NULL},
};
