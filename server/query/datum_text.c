/* datum_text.c - || and like. */
#include "server/query/datum_internal.h"

#include "server/base/assert.h"

/* Steps for one text: a thousandth of a second, and more for a long one. */
#define LIKE_STEPS_MAX (UINT64_C(1) << 20)
#define LIKE_STEPS_OF_BYTE 16

enum datum_fault datum_text_copy(struct datum_memory *m, struct slice bytes, struct datum *out)
{
    const struct datum text = datum_text(bytes);

    return datum_copy(m, &text, out);
}

/* ---- || ---- */

static enum datum_fault concatenate_arrays(struct datum_memory *m, const struct datum *a,
                                           const struct datum *b, struct datum *out)
{
    struct datum_walk of_a = datum_elements(a), of_b = datum_elements(b);
    size_t size_a = (size_t)(of_a.c.end - of_a.c.at), size_b = (size_t)(of_b.c.end - of_b.c.at);
    enum datum_fault fault;
    uint8_t *to = datum_alloc(m, MSGPACK_HEAD_MAX + size_a + size_b, &fault);
    size_t size;

    if (!to)
        return fault;
    size = msgpack_put_array_head(to, of_a.left + of_b.left);
    if (size_a)
        memcpy(to + size, of_a.c.at, size_a);
    size += size_a;
    if (size_b)
        memcpy(to + size, of_b.c.at, size_b);
    size += size_b;
    *out = (struct datum){.type = DATUM_ARRAY, .bytes = slice_make(to, size)};
    return DATUM_OK;
}

enum datum_fault datum_concatenate(struct datum_memory *m, const struct datum *a,
                                   const struct datum *b, struct datum *out)
{
    enum datum_fault fault;
    uint8_t *to;

    if (a->type != b->type ||
        (a->type != DATUM_TEXT && a->type != DATUM_BINARY && a->type != DATUM_ARRAY))
        return datum_refuse(m, DATUM_WRONG_TYPE,
                            "|| expects two texts, two binaries or two arrays, got %s and %s",
                            datum_type_name(a), datum_type_name(b));
    if (a->type == DATUM_ARRAY)
        return concatenate_arrays(m, a, b, out);
    to = datum_alloc(m, a->bytes.size + b->bytes.size + 1, &fault);
    if (!to)
        return fault;
    if (a->bytes.size)
        memcpy(to, a->bytes.data, a->bytes.size);
    if (b->bytes.size)
        memcpy(to + a->bytes.size, b->bytes.data, b->bytes.size);
    *out =
        (struct datum){.type = a->type, .bytes = slice_make(to, a->bytes.size + b->bytes.size)};
    return DATUM_OK;
}

/* ---- like ---- */

/* The bytes of the character that begins with byte, in valid UTF-8. */
static size_t character_size(uint8_t byte)
{
    return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/* One element of the pattern. */
struct like_element {
    enum { LIKE_LITERAL, LIKE_ANY_ONE, LIKE_ANY_RUN } kind;
    struct slice character; /* LITERAL */
    size_t size;            /* bytes of the pattern */
};

struct like {
    struct slice pattern;
    struct slice escape; /* one character; size 0: none */
};

/* The element at the place, which is before the end. False: an escape that escapes nothing. */
static bool element_at(const struct like *l, size_t at, struct like_element *out)
{
    const uint8_t *p = l->pattern.data + at;
    size_t size = character_size(*p), left = l->pattern.size - at;

    ASSERT(size <= left);
    *out = (struct like_element){LIKE_LITERAL, slice_make(p, size), size};
    if (l->escape.size && slice_equal(out->character, l->escape)) {
        if (left == size)
            return false;
        out->character = slice_make(p + size, character_size(p[size]));
        out->size = size + out->character.size;
        return p[size] == '%' || p[size] == '_' || slice_equal(out->character, l->escape);
    }
    if (*p == '%')
        out->kind = LIKE_ANY_RUN;
    else if (*p == '_')
        out->kind = LIKE_ANY_ONE;
    return true;
}

static bool pattern_is_well_formed(const struct like *l)
{
    struct like_element e;

    for (size_t at = 0; at < l->pattern.size; at += e.size) {
        if (!element_at(l, at, &e))
            return false;
    }
    return true;
}

/* Greedy, going back to the last % only: what an earlier one took can be left to it. */
static enum datum_fault like_match(struct datum_memory *m, const struct like *l,
                                   struct slice text, bool *out)
{
    size_t at = 0, in_text = 0, run_at = 0, run_from = 0;
    bool has_run = false;

    for (uint64_t steps = 0; in_text < text.size || at < l->pattern.size; steps++) {
        struct like_element e = {LIKE_LITERAL, SLICE_NONE, 0};
        struct slice rest = slice_make(text.data + in_text, text.size - in_text);
        bool has_element = at < l->pattern.size;

        if (steps > LIKE_STEPS_MAX + LIKE_STEPS_OF_BYTE * text.size)
            return datum_refuse(m, DATUM_LIMIT, "like takes too many steps for this pattern");
        if (has_element)
            element_at(l, at, &e);
        if (has_element && e.kind == LIKE_ANY_RUN) {
            has_run = true;
            run_at = at += e.size;
            run_from = in_text;
        } else if (has_element && rest.size &&
                   (e.kind == LIKE_ANY_ONE || slice_starts_with(rest, e.character))) {
            at += e.size;
            in_text += character_size(*rest.data);
        } else if (has_run && run_from < text.size) {
            run_from += character_size(text.data[run_from]);
            in_text = run_from;
            at = run_at;
        } else {
            *out = false;
            return DATUM_OK;
        }
    }
    *out = true;
    return DATUM_OK;
}

enum datum_fault datum_like(struct datum_memory *m, const struct datum *text,
                            const struct datum *pattern, const struct datum *escape,
                            struct datum *out)
{
    struct like l = {.escape = {NULL, 0}};
    enum datum_fault fault;
    bool matches = false;

    if (datum_is_null(text) || datum_is_null(pattern) || (escape && datum_is_null(escape))) {
        *out = datum_null();
        return DATUM_OK;
    }
    if (text->type != DATUM_TEXT || pattern->type != DATUM_TEXT)
        return datum_refuse(m, DATUM_WRONG_TYPE, "like expects two texts, got %s and %s",
                            datum_type_name(text), datum_type_name(pattern));
    l.pattern = pattern->bytes;
    if (escape) {
        if (escape->type != DATUM_TEXT || !escape->bytes.size ||
            character_size(*escape->bytes.data) != escape->bytes.size)
            return datum_refuse(m, DATUM_BAD_ARGUMENT, "escape expects one character");
        l.escape = escape->bytes;
    }
    if (!pattern_is_well_formed(&l))
        return datum_refuse(
            m, DATUM_BAD_ARGUMENT,
            "in the pattern, the escape character must precede %%, _ or itself");
    fault = like_match(m, &l, text->bytes, &matches);
    if (!fault)
        *out = datum_boolean(matches);
    return fault;
}
