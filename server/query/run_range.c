/* run_range.c - see run_range.h. */
#include "server/query/run_range.h"

#include "server/base/assert.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_END_BYTES 2 /* that end a text or binary in a key */
#define FIRST_VALUES 16

/* Below it no value that a comparison is true for. */
static const struct expr nil = {.kind = EXPR_CONSTANT, .constant = {.type = DATUM_NULL}};

struct range_builder {
    struct query_run *r;
    const struct scan_path *path;
    const struct key_spec *spec;
    struct datum_memory *m;
    struct key_range *range;
    bool is_loose; /* a bound could not be used */
    bool has_to;   /* there is one above */
};

/* ---- values ---- */

/* A value as a part of a key; ERR_NOT_FOUND: it cannot be one. */
static enum err encode(struct query_run *r, const struct expr *e, const struct datum *d,
                       struct datum_memory *m, bool descending, uint8_t *to, size_t room,
                       size_t *size)
{
    enum datum_fault fault = DATUM_OK;
    size_t written = datum_size(d);
    uint8_t few[64], *bytes = few;

    if (written > sizeof few)
        bytes = datum_alloc(m, written, &fault);
    if (!bytes)
        return expr_refuse(&r->expr, e, m, fault);
    written = datum_write(d, bytes);
    ASSERT(written == datum_size(d));
    return key_encode_value(slice_make(bytes, written), descending, to, room, size)
               ? ERR_NOT_FOUND
               : ERR_OK;
}

/* Put a value as the part of a key behind the size bytes of key. ERR_NOT_FOUND: it is no key. */
static enum err range_encode(struct range_builder *b, const struct expr *e, unsigned part,
                             uint8_t *key, size_t *size)
{
    struct datum d;
    size_t put;
    enum err error = expr_evaluate(&b->r->expr, e, b->m, &d);

    if (error)
        return error;
    if (datum_is_null(&d) && e != &nil) {
        b->range->empty = true;
        return ERR_OK;
    }
    error = encode(b->r, e, &d, b->m, b->spec->parts[part].descending, key + *size,
                   KEY_BYTES_MAX - *size, &put);
    if (!error)
        *size += put;
    ASSERT(*size <= KEY_BYTES_MAX);
    return error;
}

/* ---- lists of values ---- */

struct list_builder {
    struct query_run *r;
    const struct expr *e;
    struct datum_memory *m;
    struct scan_list *list;
    uint32_t room;
    bool descending;
};

/* What is null, or no key, is equal to no key. */
static enum err list_add(struct list_builder *b, const struct datum *d)
{
    struct scan_list *list = b->list;
    enum datum_fault fault = DATUM_OK;
    uint8_t key[KEY_BYTES_MAX], *kept;
    size_t size;
    enum err e;

    if (datum_is_null(d))
        return ERR_OK;
    e = encode(b->r, b->e, d, b->m, b->descending, key, sizeof key, &size);
    if (e)
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    if (list->count == b->room) {
        uint32_t room = b->room ? 2 * b->room : FIRST_VALUES;
        struct slice *grown = datum_alloc(b->m, room * sizeof *grown, &fault);

        if (!grown)
            return expr_refuse(&b->r->expr, b->e, b->m, fault);
        if (list->count)
            memcpy(grown, list->values, list->count * sizeof *grown);
        list->values = grown;
        b->room = room;
    }
    kept = datum_alloc(b->m, size, &fault);
    if (!kept)
        return expr_refuse(&b->r->expr, b->e, b->m, fault);
    memcpy(kept, key, size);
    ASSERT(list->count < b->room && list->count < SCAN_RANGES_MAX);
    list->values[list->count++] = slice_make(kept, size);
    return ERR_OK;
}

static int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static void list_sort(struct scan_list *list)
{
    uint32_t kept = 0;

    if (list->count)
        qsort(list->values, list->count, sizeof *list->values, compare_slices);
    for (uint32_t i = 0; i < list->count; i++)
        if (!kept || !slice_equal(list->values[kept - 1], list->values[i]))
            list->values[kept++] = list->values[i];
    list->count = kept;
}

/* *fits false: they are too many, or not known. */
static enum err list_fill(struct list_builder *b, bool *fits)
{
    const struct expr *any = b->e;
    struct datum d;
    enum err e = ERR_OK;

    *fits = true;
    if (any->kind == EXPR_IN_LIST) {
        *fits = any->count <= SCAN_RANGES_MAX;
        for (uint32_t i = 0; i < any->count && !e && *fits; i++) {
            e = expr_evaluate(&b->r->expr, any->list[i], b->m, &d);
            if (!e)
                e = list_add(b, &d);
        }
    } else {
        struct datum_walk walk;
        struct datum element;

        e = expr_evaluate(&b->r->expr, any->b, b->m, &d);
        if (e)
            return e;
        walk = datum_elements(&d);
        *fits = datum_is_null(&d) || (d.type == DATUM_ARRAY && walk.left <= SCAN_RANGES_MAX);
        while (*fits && !e && datum_next_element(&walk, &element))
            e = list_add(b, &element);
    }
    list_sort(b->list);
    return e;
}

static const struct key_spec *spec_of(const struct step *s, const struct scan_path *path)
{
    return path->index ? &path->index->spec : &s->scan->store->spec;
}

static bool has_lists(const struct scan_path *path)
{
    for (unsigned i = 0; i < path->equal_count; i++)
        if (path->equal[i].any)
            return true;
    return false;
}

enum err ranges_begin(struct query_run *r, const struct step *s, const struct scan_path *path,
                      struct datum_memory *m, struct scan_ranges *out)
{
    const struct key_spec *spec = spec_of(s, path);
    enum datum_fault fault = DATUM_OK;

    ASSERT(path->equal_count <= path->part_count && path->part_count <= KEY_PARTS_MAX);
    *out = (struct scan_ranges){.path = path, .used = path->equal_count, .count = 1};
    if (!has_lists(path))
        return ERR_OK;
    out->lists = datum_alloc(m, path->equal_count * sizeof *out->lists, &fault);
    if (!out->lists)
        return run_refuse(r, s, m, fault);
    memset(out->lists, 0, path->equal_count * sizeof *out->lists);
    for (unsigned i = 0; i < out->used; i++) {
        struct list_builder b = {.r = r,
                                 .e = path->equal[i].any,
                                 .m = m,
                                 .list = &out->lists[i],
                                 .descending = spec->parts[i].descending};
        bool fits = true;
        enum err e = b.e ? list_fill(&b, &fits) : ERR_OK;

        if (e)
            return e;
        if (!fits || (b.e && b.list->count * out->count > SCAN_RANGES_MAX)) {
            out->used = i;
            out->is_loose = true;
        } else if (b.e) {
            out->is_empty = out->is_empty || !b.list->count;
            out->count *= b.list->count ? b.list->count : 1;
        }
    }
    return ERR_OK;
}

void ranges_rewind(struct scan_ranges *ranges, bool is_reverse)
{
    for (unsigned i = 0; ranges->lists && i < ranges->used; i++) {
        struct scan_list *list = &ranges->lists[i];

        list->at = is_reverse && list->count ? list->count - 1 : 0;
    }
}

bool ranges_advance(struct scan_ranges *ranges, bool is_reverse)
{
    for (unsigned i = ranges->lists ? ranges->used : 0; i > 0; i--) {
        struct scan_list *list = &ranges->lists[i - 1];

        if (list->count < 2)
            continue;
        ASSERT(list->at < list->count);
        if (is_reverse ? list->at > 0 : list->at + 1 < list->count) {
            list->at = is_reverse ? list->at - 1 : list->at + 1;
            return true;
        }
        list->at = is_reverse ? list->count - 1 : 0;
    }
    return false;
}

/* ---- texts that begin with something ---- */

/* The characters of a pattern before the first that stands for others. */
static enum err beginning_of_pattern(struct query_run *r, const struct expr *e,
                                     struct datum_memory *m, struct datum *pattern,
                                     bool *is_null)
{
    struct datum escape = datum_null();
    enum datum_fault fault = DATUM_OK;
    uint8_t *to;
    size_t size = 0;
    enum err error = e->c ? expr_evaluate(&r->expr, e->c, m, &escape) : ERR_OK;

    if (error)
        return error;
    if (e->c && (escape.type != DATUM_TEXT || !escape.bytes.size)) {
        *is_null = datum_is_null(&escape);
        pattern->bytes.size = 0; /* its condition says what is wrong */
        return ERR_OK;
    }
    to = datum_alloc(m, pattern->bytes.size + 1, &fault);
    if (!to)
        return expr_refuse(&r->expr, e, m, fault);
    for (size_t i = 0; i < pattern->bytes.size; i++) {
        const uint8_t *at = pattern->bytes.data + i;
        size_t left = pattern->bytes.size - i;

        if (e->c && left >= escape.bytes.size &&
            memcmp(at, escape.bytes.data, escape.bytes.size) == 0) {
            if (left == escape.bytes.size)
                break; /* nothing behind it: its condition says so */
            i += escape.bytes.size;
            if (pattern->bytes.data[i] != '%' && pattern->bytes.data[i] != '_')
                break;
            to[size++] = pattern->bytes.data[i];
            continue;
        }
        if (*at == '%' || *at == '_')
            break;
        to[size++] = *at;
    }
    pattern->bytes = slice_make(to, size);
    return ERR_OK;
}

enum err ranges_beginning(struct query_run *r, const struct expr *e, struct datum_memory *m,
                          struct datum *out, bool *is_null, bool *is_text)
{
    const struct expr *pattern = e->kind == EXPR_LIKE ? e->b : e->list[1];
    enum err error = expr_evaluate(&r->expr, pattern, m, out);

    if (error)
        return error;
    *is_null = datum_is_null(out);
    *is_text = out->type == DATUM_TEXT;
    if (*is_text && e->kind == EXPR_LIKE)
        return beginning_of_pattern(r, e, m, out, is_null);
    return ERR_OK;
}

static enum err range_beginning(struct range_builder *b, size_t prefix)
{
    struct key_range *range = b->range;
    struct datum d;
    bool is_null = false, is_text = false;
    size_t put = 0;
    enum err e = ranges_beginning(b->r, b->path->like, b->m, &d, &is_null, &is_text);

    if (e)
        return e;
    if (is_null)
        range->empty = true;
    b->is_loose = b->is_loose || !is_text;
    if (is_null || !is_text)
        return ERR_OK;
    e = encode(b->r, b->path->like, &d, b->m, b->spec->parts[b->path->equal_count].descending,
               range->from + prefix, KEY_BYTES_MAX - prefix, &put);
    if (e == ERR_NOT_FOUND) { /* a text that is too long for a key, or none */
        b->is_loose = true;
        return ERR_OK;
    }
    if (e)
        return e;
    range->from_size = prefix + put - TEXT_END_BYTES;
    memcpy(range->to, range->from, range->from_size);
    range->to_size = range->from_size;
    if (!key_successor(range->to, &range->to_size))
        range->to_size = 0;
    b->has_to = true;
    return ERR_OK;
}

/* ---- ranges ---- */

/* One side of the part behind the equal ones; is_from: the lower one in bytes. */
static enum err range_side(struct range_builder *b, const struct step_bound *bound,
                           bool is_from, size_t prefix)
{
    struct key_range *range = b->range;
    uint8_t *key = is_from ? range->from : range->to;
    size_t size = prefix;
    enum err e;

    if (!bound->value || range->empty)
        return ERR_OK;
    e = range_encode(b, bound->value, b->path->equal_count, key, &size);
    if (e == ERR_NOT_FOUND) {
        b->is_loose = true;
        return ERR_OK;
    }
    if (e || range->empty)
        return e;
    /* up to and including it, or behind it: behind all that begins with it */
    if (bound->is_open == is_from && !key_successor(key, &size))
        size = 0;
    if (is_from) {
        range->empty = range->empty || size == 0;
        range->from_size = size;
    } else {
        range->to_size = size;
        b->has_to = true;
    }
    return ERR_OK;
}

/* The part behind the equal ones, which are the prefix. */
static enum err range_last_part(struct range_builder *b, size_t prefix)
{
    const struct scan_path *path = b->path;
    bool descending = b->spec->parts[path->equal_count].descending;
    struct step_bound low = path->low;
    enum err e;

    if (path->like)
        return range_beginning(b, prefix);
    if (path->high.value && !low.value)
        low = (struct step_bound){(struct expr *)(uintptr_t)&nil, true};
    e = range_side(b, descending ? &path->high : &low, true, prefix);
    if (!e)
        e = range_side(b, descending ? &low : &path->high, false, prefix);
    return e;
}

static enum err range_prefix(struct range_builder *b, const struct scan_ranges *ranges,
                             size_t *prefix)
{
    enum err e = ERR_OK;

    for (unsigned i = 0; i < ranges->used && !e && !b->range->empty; i++) {
        const struct scan_list *list = ranges->lists ? &ranges->lists[i] : NULL;

        if (!b->path->equal[i].any) {
            e = range_encode(b, b->path->equal[i].value, i, b->range->from, prefix);
        } else if (list->count) {
            struct slice value = list->values[list->at];

            ASSERT(list->at < list->count);

            if (value.size > KEY_BYTES_MAX - *prefix)
                return ERR_NOT_FOUND;
            memcpy(b->range->from + *prefix, value.data, value.size);
            *prefix += value.size;
        }
    }
    return e;
}

/* The bounds cut off nothing between them. */
static void range_close(struct key_range *range)
{
    if (range->from_size && range->to_size &&
        slice_compare(slice_make(range->from, range->from_size),
                      slice_make(range->to, range->to_size)) >= 0)
        range->empty = true;
}

enum err ranges_make(struct query_run *r, const struct step *s, struct scan_ranges *ranges,
                     struct datum_memory *m, struct key_range *out)
{
    struct range_builder b = {.r = r,
                              .path = ranges->path,
                              .spec = spec_of(s, ranges->path),
                              .m = m,
                              .range = out,
                              .is_loose = ranges->is_loose};
    size_t prefix = 0;
    enum err e;

    ASSERT(ranges->used <= ranges->path->equal_count);
    out->empty = ranges->is_empty;
    out->from_size = out->to_size = 0;
    e = range_prefix(&b, ranges, &prefix);
    if (e == ERR_NOT_FOUND) {
        b.is_loose = true;
        e = ERR_OK; /* what was encoded before it is a prefix all the same */
    }
    if (e || out->empty)
        return e;
    memcpy(out->to, out->from, prefix);
    out->from_size = prefix;
    if (!b.is_loose && ranges->path->equal_count < b.spec->part_count)
        e = range_last_part(&b, prefix);
    ranges->is_loose = b.is_loose;
    if (e)
        return e;
    if (!b.has_to) {
        out->to_size = prefix; /* all that begins so */
        if (prefix && !key_successor(out->to, &out->to_size))
            out->to_size = 0;
    }
    range_close(out);
    ASSERT(out->from_size <= KEY_BYTES_MAX && out->to_size <= KEY_BYTES_MAX);
    return ERR_OK;
}
