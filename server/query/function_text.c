/* function_text.c - functions of texts and binaries. A character is a code point. */
#include "server/query/function_internal.h"

#include "server/base/assert.h"

#include <utf8proc.h>

#define SHARP_S 0xdf

/* ---- characters ---- */

static size_t character_size(uint8_t byte)
{
    return byte < 0x80 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

static size_t text_characters(struct slice text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.size; i++)
        n += (text.data[i] & 0xc0) != 0x80;
    return n;
}

static size_t text_offset(struct slice text, size_t n)
{
    size_t at = 0;

    while (n-- > 0 && at < text.size)
        at += character_size(text.data[at]);
    return at < text.size ? at : text.size;
}

static size_t text_find(struct slice text, struct slice part, size_t from)
{
    const uint8_t *found;

    ASSERT(from <= text.size);
    if (part.size == 0)
        return from;
    if (text.size - from < part.size)
        return SIZE_MAX;
    found = memmem(text.data + from, text.size - from, part.data, part.size);
    return found ? (size_t)(found - text.data) : SIZE_MAX;
}

static struct slice part_of(struct slice text, size_t from, size_t to)
{
    ASSERT(from <= to && to <= text.size);
    return slice_make(text.data + from, to - from);
}

/* ---- size and case ---- */

static enum datum_fault run_length(const struct function_call *c, struct datum *out)
{
    const struct datum *x = &c->args[0];

    if (x->type != DATUM_TEXT && x->type != DATUM_BINARY)
        return function_expected(c, 0, "a text or binary (array_length is of arrays)");
    *out = datum_integer(
        (int64_t)(x->type == DATUM_TEXT ? text_characters(x->bytes) : x->bytes.size));
    return DATUM_OK;
}

static enum datum_fault run_octet_length(const struct function_call *c, struct datum *out)
{
    const struct datum *x = &c->args[0];

    if (x->type != DATUM_TEXT && x->type != DATUM_BINARY)
        return function_expected(c, 0, "a text or binary");
    *out = datum_integer((int64_t)x->bytes.size);
    return DATUM_OK;
}

/* A character may grow by a byte when its case changes. */
static enum datum_fault change_case(const struct function_call *c,
                                    utf8proc_int32_t (*change)(utf8proc_int32_t),
                                    struct datum *out)
{
    enum datum_fault fault;
    size_t size = 0;
    struct slice t;
    uint8_t *to;

    fault = function_text(c, 0, &t);
    if (fault)
        return fault;
    to = function_room(c, 2 * t.size + 4, &fault);
    if (!to)
        return fault;
    for (size_t at = 0; at < t.size;) {
        utf8proc_int32_t point;
        utf8proc_ssize_t step =
            utf8proc_iterate(t.data + at, (utf8proc_ssize_t)(t.size - at), &point);

        if (step <= 0)
            break;
        at += (size_t)step;
        size += (size_t)utf8proc_encode_char(change(point), to + size);
    }
    ASSERT(size <= 2 * t.size);
    *out = datum_text(slice_make(to, size));
    return DATUM_OK;
}

static enum datum_fault run_lower(const struct function_call *c, struct datum *out)
{
    return change_case(c, utf8proc_tolower, out);
}

/* The library makes a capital of the sharp s, for which Unicode has no simple mapping. */
static utf8proc_int32_t upper_of(utf8proc_int32_t point)
{
    return point == SHARP_S ? point : utf8proc_toupper(point);
}

static enum datum_fault run_upper(const struct function_call *c, struct datum *out)
{
    return change_case(c, upper_of, out);
}

/* ---- parts ---- */

/* Of the places from 1 on, those from first (perhaps below 1) to below first + count. */
static enum datum_fault run_substr(const struct function_call *c, struct datum *out)
{
    const struct datum *x = &c->args[0];
    int64_t first, count = INT64_MAX, end;
    enum datum_fault fault;
    size_t from, to;

    if (x->type != DATUM_TEXT && x->type != DATUM_BINARY)
        return function_expected(c, 0, "a text or binary");
    fault = function_integer(c, 1, &first);
    if (!fault && c->count > 2)
        fault = function_count(c, 2, &count);
    if (fault)
        return fault;
    if (__builtin_add_overflow(first, count, &end))
        end = INT64_MAX;
    if (first < 1)
        first = 1;
    from = to = 0;
    *out = *x;
    if (end > first) {
        bool is_text = x->type == DATUM_TEXT;
        size_t size = x->bytes.size;

        from = (uint64_t)(first - 1) < size ? (size_t)(first - 1) : size;
        to = (uint64_t)(end - 1) < size ? (size_t)(end - 1) : size;
        if (is_text) {
            size_t between = to - from;

            from = text_offset(x->bytes, from);
            to = from + text_offset(part_of(x->bytes, from, size), between);
        }
    }
    out->bytes = part_of(x->bytes, from, to);
    return DATUM_OK;
}

static enum datum_fault run_left(const struct function_call *c, struct datum *out)
{
    struct slice t;
    int64_t n;
    enum datum_fault fault = function_text(c, 0, &t);

    if (!fault)
        fault = function_count(c, 1, &n);
    if (!fault)
        *out = datum_text(part_of(t, 0, text_offset(t, (size_t)n)));
    return fault;
}

static enum datum_fault run_right(const struct function_call *c, struct datum *out)
{
    struct slice t;
    int64_t n;
    enum datum_fault fault = function_text(c, 0, &t);

    if (!fault)
        fault = function_count(c, 1, &n);
    if (!fault) {
        size_t characters = text_characters(t);
        size_t passed = (uint64_t)n < characters ? characters - (size_t)n : 0;

        *out = datum_text(part_of(t, text_offset(t, passed), t.size));
    }
    return fault;
}

static bool is_in_set(struct slice set, struct slice character)
{
    return text_find(set, character, 0) != SIZE_MAX;
}

static enum datum_fault trim(const struct function_call *c, bool at_begin, bool at_end,
                             struct datum *out)
{
    struct slice t, set = slice_text(" ");
    enum datum_fault fault = function_text(c, 0, &t);
    size_t from = 0, to;

    if (!fault && c->count > 1)
        fault = function_text(c, 1, &set);
    if (fault)
        return fault;
    to = t.size;
    while (at_begin && from < to) {
        size_t size = character_size(t.data[from]);

        if (!is_in_set(set, part_of(t, from, from + size)))
            break;
        from += size;
    }
    while (at_end && to > from) {
        size_t begin = to - 1;

        while (begin > from && (t.data[begin] & 0xc0) == 0x80)
            begin--;
        if (!is_in_set(set, part_of(t, begin, to)))
            break;
        to = begin;
    }
    *out = datum_text(part_of(t, from, to));
    return DATUM_OK;
}

static enum datum_fault run_trim(const struct function_call *c, struct datum *out)
{
    return trim(c, true, true, out);
}

static enum datum_fault run_ltrim(const struct function_call *c, struct datum *out)
{
    return trim(c, true, false, out);
}

static enum datum_fault run_rtrim(const struct function_call *c, struct datum *out)
{
    return trim(c, false, true, out);
}

/* ---- finding ---- */

/* A text, and what is looked for in it. */
static enum datum_fault two_texts(const struct function_call *c, struct slice *t,
                                  struct slice *part)
{
    enum datum_fault fault = function_text(c, 0, t);

    return fault ? fault : function_text(c, 1, part);
}

static enum datum_fault run_position(const struct function_call *c, struct datum *out)
{
    struct slice t, part;
    enum datum_fault fault = two_texts(c, &t, &part);

    if (!fault) {
        size_t at = text_find(t, part, 0);

        *out =
            datum_integer(at == SIZE_MAX ? 0 : 1 + (int64_t)text_characters(part_of(t, 0, at)));
    }
    return fault;
}

static enum datum_fault run_starts_with(const struct function_call *c, struct datum *out)
{
    struct slice t, part;
    enum datum_fault fault = two_texts(c, &t, &part);

    if (!fault)
        *out = datum_boolean(slice_starts_with(t, part));
    return fault;
}

static enum datum_fault run_ends_with(const struct function_call *c, struct datum *out)
{
    struct slice t, part;
    enum datum_fault fault = two_texts(c, &t, &part);

    if (!fault)
        *out = datum_boolean(t.size >= part.size &&
                             slice_equal(part_of(t, t.size - part.size, t.size), part));
    return fault;
}

static enum datum_fault run_contains(const struct function_call *c, struct datum *out)
{
    struct slice t, part;
    enum datum_fault fault = two_texts(c, &t, &part);

    if (!fault)
        *out = datum_boolean(text_find(t, part, 0) != SIZE_MAX);
    return fault;
}

/* ---- making ---- */

static size_t count_parts(struct slice t, struct slice part)
{
    size_t count = 0;

    for (size_t at = 0; part.size && (at = text_find(t, part, at)) != SIZE_MAX; at += part.size)
        count++;
    return count;
}

static size_t put(uint8_t *to, struct slice bytes)
{
    if (bytes.size)
        memcpy(to, bytes.data, bytes.size);
    return bytes.size;
}

/* Too much to be counted in bytes, or none. */
static bool room_for(size_t base, size_t count, size_t each, size_t *room)
{
    return !__builtin_mul_overflow(count, each, room) &&
           !__builtin_add_overflow(*room, base, room) && *room < SIZE_MAX / 2;
}

static enum datum_fault over_limit(const struct function_call *c)
{
    return datum_refuse(c->m, DATUM_LIMIT, "the query needs more than %llu bytes of memory",
                        (unsigned long long)c->m->bytes_max);
}

static enum datum_fault run_replace(const struct function_call *c, struct datum *out)
{
    struct slice t, part, by;
    enum datum_fault fault = function_text(c, 0, &t);
    size_t room, size = 0, from = 0, at;
    uint8_t *to;

    if (!fault)
        fault = function_text(c, 1, &part);
    if (!fault)
        fault = function_text(c, 2, &by);
    if (fault)
        return fault;
    if (!room_for(t.size, count_parts(t, part), by.size, &room))
        return over_limit(c);
    to = function_room(c, room, &fault);
    if (!to)
        return fault;
    while (part.size && (at = text_find(t, part, from)) != SIZE_MAX) {
        size += put(to + size, part_of(t, from, at));
        size += put(to + size, by);
        from = at + part.size;
    }
    size += put(to + size, part_of(t, from, t.size));
    ASSERT(size <= room);
    *out = datum_text(slice_make(to, size));
    return DATUM_OK;
}

/* The end of the piece that begins at from, and the beginning of the next in *next; SIZE_MAX:
 * it is the last. */
static size_t piece_end(struct slice t, struct slice separator, size_t from, size_t *next)
{
    size_t at;

    if (!separator.size) {
        at = from + character_size(t.data[from]);
        *next = at < t.size ? at : SIZE_MAX;
        return at;
    }
    at = text_find(t, separator, from);
    *next = at == SIZE_MAX ? SIZE_MAX : at + separator.size;
    return at == SIZE_MAX ? t.size : at;
}

static enum datum_fault run_split(const struct function_call *c, struct datum *out)
{
    struct slice t, separator;
    enum datum_fault fault = function_text(c, 0, &t);
    size_t count, room, size, from = 0;
    uint8_t *to;

    if (!fault)
        fault = function_text(c, 1, &separator);
    if (fault)
        return fault;
    count = separator.size ? 1 + count_parts(t, separator) : text_characters(t);
    if (!room_for(MSGPACK_HEAD_MAX + t.size, count, MSGPACK_HEAD_MAX, &room))
        return over_limit(c);
    to = function_room(c, room, &fault);
    if (!to)
        return fault;
    size = msgpack_put_array_head(to, (uint32_t)count);
    while (count && from != SIZE_MAX) {
        size_t next, end = piece_end(t, separator, from, &next);

        size += msgpack_put_text(to + size, part_of(t, from, end));
        from = next;
    }
    ASSERT(size <= room);
    *out = (struct datum){.type = DATUM_ARRAY, .bytes = slice_make(to, size)};
    return DATUM_OK;
}

enum datum_fault function_as_text(const struct function_call *c, const struct datum *d,
                                  struct slice *out)
{
    struct datum text;
    enum datum_fault fault = datum_cast_to(c->m, DATUM_CAST_TEXT, d, &text);

    *out = fault || datum_is_null(&text) ? slice_text("") : text.bytes;
    return fault;
}

static enum datum_fault run_concat(const struct function_call *c, struct datum *out)
{
    enum datum_fault fault = DATUM_OK;
    struct slice *texts = datum_alloc(c->m, c->count * sizeof *texts + 1, &fault);
    size_t room = 0, size = 0;
    uint8_t *to;

    for (unsigned i = 0; i < c->count && !fault; i++) {
        fault = function_as_text(c, &c->args[i], &texts[i]);
        room += texts[i].size;
    }
    if (fault)
        return fault;
    to = function_room(c, room, &fault);
    if (!to)
        return fault;
    for (unsigned i = 0; i < c->count; i++)
        size += put(to + size, texts[i]);
    *out = datum_text(slice_make(to, size));
    return DATUM_OK;
}

static enum datum_fault run_repeat(const struct function_call *c, struct datum *out)
{
    struct slice t;
    int64_t n = 0;
    enum datum_fault fault = function_text(c, 0, &t);
    size_t room, size = 0;
    uint8_t *to;

    if (!fault)
        fault = function_count(c, 1, &n);
    if (fault)
        return fault;
    if (!t.size)
        n = 0;
    if (!room_for(0, (size_t)n, t.size, &room))
        return over_limit(c);
    to = function_room(c, room, &fault);
    if (!to)
        return fault;
    while (size < room)
        size += put(to + size, t);
    *out = datum_text(slice_make(to, size));
    return DATUM_OK;
}

static enum datum_fault run_reverse(const struct function_call *c, struct datum *out)
{
    struct slice t;
    enum datum_fault fault = function_text(c, 0, &t);
    uint8_t *to;

    if (fault)
        return fault;
    to = function_room(c, t.size, &fault);
    if (!to)
        return fault;
    for (size_t at = 0; at < t.size;) {
        size_t step = character_size(t.data[at]);

        memcpy(to + t.size - at - step, t.data + at, step);
        at += step;
    }
    *out = datum_text(slice_make(to, t.size));
    return DATUM_OK;
}

/* count characters of fill, over and over. Returns bytes put. */
static size_t put_fill(uint8_t *to, struct slice fill, size_t count)
{
    size_t size = 0, at = 0;

    while (count-- > 0) {
        size_t step = character_size(fill.data[at]);

        memcpy(to + size, fill.data + at, step);
        size += step;
        at = at + step == fill.size ? 0 : at + step;
    }
    return size;
}

static enum datum_fault pad(const struct function_call *c, bool at_begin, struct datum *out)
{
    struct slice t, fill = slice_text(" ");
    int64_t n = 0;
    enum datum_fault fault = function_text(c, 0, &t);
    size_t characters, room, size = 0;
    uint8_t *to;

    if (!fault)
        fault = function_count(c, 1, &n);
    if (!fault && c->count > 2)
        fault = function_text(c, 2, &fill);
    if (fault)
        return fault;
    characters = text_characters(t);
    if ((uint64_t)n <= characters || !fill.size) {
        *out = datum_text(part_of(t, 0, text_offset(t, (size_t)n)));
        return DATUM_OK;
    }
    if (!room_for(t.size, (size_t)n - characters, 4, &room))
        return over_limit(c);
    to = function_room(c, room, &fault);
    if (!to)
        return fault;
    if (!at_begin)
        size += put(to, t);
    size += put_fill(to + size, fill, (size_t)n - characters);
    if (at_begin)
        size += put(to + size, t);
    *out = datum_text(slice_make(to, size));
    return DATUM_OK;
}

static enum datum_fault run_lpad(const struct function_call *c, struct datum *out)
{
    return pad(c, true, out);
}

static enum datum_fault run_rpad(const struct function_call *c, struct datum *out)
{
    return pad(c, false, out);
}

static enum datum_fault run_hex(const struct function_call *c, struct datum *out)
{
    static const char digits[] = "0123456789abcdef";
    struct slice b;
    enum datum_fault fault = function_binary(c, 0, &b);
    uint8_t *to;

    if (fault)
        return fault;
    to = function_room(c, 2 * b.size, &fault);
    if (!to)
        return fault;
    for (size_t i = 0; i < b.size; i++) {
        to[2 * i] = (uint8_t)digits[b.data[i] >> 4];
        to[2 * i + 1] = (uint8_t)digits[b.data[i] & 15];
    }
    *out = datum_text(slice_make(to, 2 * b.size));
    return DATUM_OK;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum datum_fault run_unhex(const struct function_call *c, struct datum *out)
{
    struct slice t;
    enum datum_fault fault = function_text(c, 0, &t);
    uint8_t *to;

    if (fault)
        return fault;
    to = function_room(c, t.size / 2, &fault);
    if (!to)
        return fault;
    for (size_t i = 0; i + 1 < t.size || t.size % 2; i += 2) {
        int high = t.size % 2 ? -1 : hex_digit(t.data[i]);
        int low = t.size % 2 ? -1 : hex_digit(t.data[i + 1]);

        if (high < 0 || low < 0)
            return datum_refuse(c->m, DATUM_BAD_ARGUMENT,
                                "unhex expects two hexadecimal digits per byte");
        to[i / 2] = (uint8_t)(high << 4 | low);
    }
    *out = (struct datum){.type = DATUM_BINARY, .bytes = slice_make(to, t.size / 2)};
    return DATUM_OK;
}

const struct query_function functions_of_text[] = {
    {.name = "length",
     .parameters = "x",
     .help = "characters of a text, bytes of a binary",
     .least = 1,
     .most = 1,
     .run = run_length},
    {.name = "octet_length",
     .parameters = "x",
     .help = "bytes of a text or binary",
     .least = 1,
     .most = 1,
     .run = run_octet_length},
    {.name = "lower",
     .parameters = "t",
     .help = "the text in lower case",
     .least = 1,
     .most = 1,
     .run = run_lower},
    {.name = "upper",
     .parameters = "t",
     .help = "the text in upper case",
     .least = 1,
     .most = 1,
     .run = run_upper},
    {.name = "substr",
     .parameters = "t, from [, count]",
     .help = "a part of the text; places count from 1",
     .least = 2,
     .most = 3,
     .run = run_substr},
    {.name = "substring",
     .parameters = "t, from [, count]",
     .help = "the same as substr",
     .least = 2,
     .most = 3,
     .run = run_substr},
    {.name = "left",
     .parameters = "t, n",
     .help = "the first n characters",
     .least = 2,
     .most = 2,
     .run = run_left},
    {.name = "right",
     .parameters = "t, n",
     .help = "the last n characters",
     .least = 2,
     .most = 2,
     .run = run_right},
    {.name = "trim",
     .parameters = "t [, set]",
     .help = "without spaces, or the characters of set, at both ends",
     .least = 1,
     .most = 2,
     .run = run_trim},
    {.name = "ltrim",
     .parameters = "t [, set]",
     .help = "the same at the beginning",
     .least = 1,
     .most = 2,
     .run = run_ltrim},
    {.name = "rtrim",
     .parameters = "t [, set]",
     .help = "the same at the end",
     .least = 1,
     .most = 2,
     .run = run_rtrim},
    {.name = "replace",
     .parameters = "t, part, by",
     .help = "with by in place of each part",
     .least = 3,
     .most = 3,
     .run = run_replace},
    {.name = "position",
     .parameters = "t, part",
     .help = "the position of the first part, from 1; 0 if it is not found",
     .least = 2,
     .most = 2,
     .run = run_position},
    {.name = "starts_with",
     .parameters = "t, part",
     .help = "whether it begins with part",
     .least = 2,
     .most = 2,
     .run = run_starts_with},
    {.name = "ends_with",
     .parameters = "t, part",
     .help = "whether it ends with part",
     .least = 2,
     .most = 2,
     .run = run_ends_with},
    {.name = "contains",
     .parameters = "t, part",
     .help = "whether part is in it",
     .least = 2,
     .most = 2,
     .run = run_contains},
    {.name = "split",
     .parameters = "t, separator",
     .help = "an array of the texts between separators",
     .least = 2,
     .most = 2,
     .run = run_split},
    {.name = "concat",
     .parameters = "x, ...",
     .help = "all as text, one behind the other",
     .least = 1,
     .most = FUNCTION_MANY,
     .takes_nulls = true,
     .run = run_concat},
    {.name = "repeat",
     .parameters = "t, n",
     .help = "the text n times",
     .least = 2,
     .most = 2,
     .run = run_repeat},
    {.name = "reverse",
     .parameters = "t",
     .help = "its characters from the last to the first",
     .least = 1,
     .most = 1,
     .run = run_reverse},
    {.name = "lpad",
     .parameters = "t, n [, fill]",
     .help = "filled at the beginning to n characters",
     .least = 2,
     .most = 3,
     .run = run_lpad},
    {.name = "rpad",
     .parameters = "t, n [, fill]",
     .help = "filled at the end to n characters",
     .least = 2,
     .most = 3,
     .run = run_rpad},
    {.name = "hex",
     .parameters = "b",
     .help = "a binary as hexadecimal digits",
     .least = 1,
     .most = 1,
     .run = run_hex},
    {.name = "unhex",
     .parameters = "t",
     .help = "hexadecimal digits as a binary",
     .least = 1,
     .most = 1,
     .run = run_unhex},
    {.name = NULL},
};
