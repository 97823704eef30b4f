/* format.c - hf_packf and hf_unpackf: values in the form that a text describes.
 *
 * Both walk the same grammar:
 *
 *     values = value { [","] value }
 *     value  = ["?"] letter | "'" text "'" | "[" [values] ["*"] "]" | "{" { value ":" value } "}"
 *
 * hf_unpackf goes through it twice, with the same arguments: first to look whether everything
 * fits, then to write, so that a failure has written nothing. */
#include "client/lib/holdfast.h"
#include "proto/msgpack.h"

#include <limits.h>
#include <stdarg.h>

#define FORMAT_DEPTH_MAX MSGPACK_DEPTH_MAX

/* va_list may be an array, which loses its type as a parameter. */
struct arguments {
    va_list list;
};

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, " \n\t,");
}

/* Where the text ends that begins behind the ' at at; NULL: it does not. */
static const char *text_end(const char *at)
{
    return strchr(at + 1, '\'');
}

/* How many values stand from at up to the closing bracket that belongs to it, and where that
 * is; NULL: there is none, or the format is deeper than allowed. A map's colons part nothing. */
static const char *count_values(const char *at, char closing, uint32_t *count)
{
    char stack[FORMAT_DEPTH_MAX];
    unsigned depth = 0;

    *count = 0;
    for (;; at++) {
        if (*at == '\0')
            return NULL;
        if (depth == 0 && *at == closing)
            return at;
        if (strchr(" \n\t,:?*", *at))
            continue;
        if (*at == ']' || *at == '}') {
            if (depth == 0 || stack[--depth] != *at)
                return NULL;
            continue;
        }
        *count += depth == 0;
        if (*at == '\'') {
            at = text_end(at);
            if (!at)
                return NULL;
        } else if (*at == '[' || *at == '{') {
            if (depth == FORMAT_DEPTH_MAX)
                return NULL;
            stack[depth++] = *at == '[' ? ']' : '}';
        }
    }
}

/* ---- Packing ---- */

static void pack_hf_text(struct hf_pack *p, const char *text)
{
    if (text)
        hf_pack_text(p, text);
    else
        hf_pack_nil(p);
}

static bool pack_letter(struct hf_pack *p, char letter, struct arguments *args)
{
    int64_t seconds;

    switch (letter) {
    case 'i': hf_pack_int(p, va_arg(args->list, int)); return true;
    case 'I': hf_pack_int(p, va_arg(args->list, int64_t)); return true;
    case 'u': hf_pack_uint(p, va_arg(args->list, unsigned)); return true;
    case 'U': hf_pack_uint(p, va_arg(args->list, uint64_t)); return true;
    case 'd': hf_pack_double(p, va_arg(args->list, double)); return true;
    case 'b': hf_pack_bool(p, va_arg(args->list, int)); return true; /* as it is promoted */
    case 'n': hf_pack_nil(p); return true;
    case 's': pack_hf_text(p, va_arg(args->list, const char *)); return true;
    case 't': hf_pack_text_bytes(p, va_arg(args->list, struct hf_bytes)); return true;
    case 'y': hf_pack_binary(p, va_arg(args->list, struct hf_bytes)); return true;
    case 'v': hf_pack_raw(p, va_arg(args->list, struct hf_bytes)); return true;
    case 'T':
        seconds = va_arg(args->list, int64_t);
        hf_pack_timestamp(p, seconds, va_arg(args->list, unsigned));
        return true;
    default: return false;
    }
}

/* One value at *at, an opening bracket only as its head. */
static bool pack_one(struct hf_pack *p, const char **at, struct arguments *args)
{
    const char *end;
    uint32_t count;

    if (**at == '\'') {
        end = text_end(*at);
        if (!end)
            return false;
        hf_pack_text_bytes(p, (struct hf_bytes){*at + 1, (size_t)(end - *at - 1)});
        *at = end + 1;
        return true;
    }
    if (**at == '[' || **at == '{') {
        bool of_map = **at == '{';

        if (!count_values(*at + 1, of_map ? '}' : ']', &count) || (of_map && count % 2))
            return false;
        if (of_map)
            hf_pack_map(p, count / 2);
        else
            hf_pack_array(p, count);
        (*at)++;
        return true;
    }
    return pack_letter(p, *(*at)++, args);
}

/* Whether at a place in a map, after so many values of it, the mark is the right one. */
static bool mark_is_right(char mark, bool of_map, uint32_t values)
{
    return mark == ':' ? of_map && values % 2 == 1 : !of_map || values % 2 == 0;
}

/* What is open while a format is gone through. */
struct level {
    char closing;
    uint32_t values; /* so far */
};

static bool pack_values(struct hf_pack *p, const char *at, struct arguments *args)
{
    struct level levels[FORMAT_DEPTH_MAX + 1] = {{'\0', 0}};
    struct level *level = levels;
    bool colon = false;

    for (;;) {
        at = skip_blanks(at);
        if (*at == ':' && !colon && mark_is_right(':', level->closing == '}', level->values)) {
            colon = true;
            at++;
            continue;
        }
        if (*at == level->closing) {
            if (colon || level->closing == '\0')
                return !colon;
            level--;
            at++;
            continue;
        }
        if (*at == '\0' || !mark_is_right(colon ? ':' : ',', level->closing == '}', level->values))
            return false;
        colon = false;
        level->values++;
        if (*at == '[' || *at == '{') {
            char closing = *at == '[' ? ']' : '}';

            if (level == levels + FORMAT_DEPTH_MAX || !pack_one(p, &at, args))
                return false;
            *++level = (struct level){closing, 0};
        } else if (!pack_one(p, &at, args)) {
            return false;
        }
    }
}

int hf_packf(struct hf_pack *p, const char *format, ...)
{
    size_t before = p->size;
    struct arguments args;
    bool ok;

    va_start(args.list, format);
    ok = pack_values(p, format, &args);
    va_end(args.list);
    if (ok && !p->failed)
        return HF_OK;
    p->size = before;
    return ok ? HF_MEMORY : HF_MISUSE;
}

/* ---- Reading ---- */

/* One walk through a format. */
struct reading {
    struct arguments args;
    const char *at;
    bool writes; /* the second time */
    unsigned depth;
};

static int read_number(struct reading *r, char letter, struct hf_bytes value)
{
    bool is_signed = letter == 'i' || letter == 'I';
    void *to = NULL;
    uint64_t uint = 0;
    int64_t n = 0;
    int e = is_signed ? hf_read_int(value, &n) : hf_read_uint(value, &uint);

    switch (letter) { /* which argument it is must be known whatever came */
    case 'i': to = va_arg(r->args.list, int *); break;
    case 'I': to = va_arg(r->args.list, int64_t *); break;
    case 'u': to = va_arg(r->args.list, unsigned *); break;
    default: to = va_arg(r->args.list, uint64_t *); break;
    }
    if (e == HF_OK &&
        ((letter == 'i' && (n < INT_MIN || n > INT_MAX)) || (letter == 'u' && uint > UINT_MAX)))
        return HF_OUT_OF_RANGE;
    if (e != HF_OK || !r->writes)
        return e;
    switch (letter) {
    case 'i': *(int *)to = (int)n; break;
    case 'I': *(int64_t *)to = n; break;
    case 'u': *(unsigned *)to = (unsigned)uint; break;
    default: *(uint64_t *)to = uint; break;
    }
    return HF_OK;
}

static int read_bytes(struct reading *r, char letter, struct hf_bytes value)
{
    struct hf_bytes *to = va_arg(r->args.list, struct hf_bytes *);
    struct hf_bytes found = value;
    int e = HF_OK;

    if (letter == 'y')
        e = hf_read_binary(value, &found);
    else if (letter != 'v')
        e = hf_read_text(value, &found);
    else if (!value.data)
        e = HF_ABSENT;
    else
        found.size = hf_value_size(value);
    if (e == HF_OK && found.size == 0 && letter == 'v')
        e = HF_MALFORMED;
    if (e == HF_OK && r->writes)
        *to = found;
    return e;
}

static int read_timestamp(struct reading *r, struct hf_bytes value)
{
    int64_t *to_seconds = va_arg(r->args.list, int64_t *), seconds;
    unsigned *to_nanoseconds = va_arg(r->args.list, unsigned *);
    uint32_t nanoseconds;
    int e = hf_read_timestamp(value, &seconds, &nanoseconds);

    if (e == HF_OK && r->writes) {
        *to_seconds = seconds;
        *to_nanoseconds = nanoseconds;
    }
    return e;
}

static int read_letter(struct reading *r, char letter, struct hf_bytes value)
{
    double *to_double, d;
    bool *to_bool, b;
    int e;

    switch (letter) {
    case 'i':
    case 'I':
    case 'u':
    case 'U': return read_number(r, letter, value);
    case 's':
    case 't':
    case 'y':
    case 'v': return read_bytes(r, letter, value);
    case 'T': return read_timestamp(r, value);
    case 'd':
        to_double = va_arg(r->args.list, double *);
        e = hf_read_double(value, &d);
        if (e == HF_OK && r->writes)
            *to_double = d;
        return e;
    case 'b':
        to_bool = va_arg(r->args.list, bool *);
        e = hf_read_bool(value, &b);
        if (e == HF_OK && r->writes)
            *to_bool = b;
        return e;
    case 'n': return hf_type(value) == HF_TYPE_NIL || !value.data ? HF_OK : HF_WRONG_TYPE;
    default: return HF_MISUSE;
    }
}

static int read_value(struct reading *r, struct hf_bytes value);

/* Of two results the one to report: a fault of the format before one of the value, the first
 * before later ones. */
static int worse(int e, int next)
{
    return next == HF_MISUSE || e == HF_OK ? next : e;
}

/* The text at r->at, behind its '. Empty bytes with data: the empty text. */
static bool take_text(struct reading *r, struct hf_bytes *text)
{
    const char *end = text_end(r->at);

    if (!end)
        return false;
    *text = (struct hf_bytes){r->at + 1, (size_t)(end - r->at - 1)};
    r->at = end + 1;
    return true;
}

/* The value of a map under that text; none. */
static struct hf_bytes find(struct hf_bytes map, struct hf_bytes name)
{
    struct hf_walk walk = hf_walk(map);
    struct hf_bytes key, value, text;

    while (walk.of_map && hf_walk_next(&walk, &key, &value)) {
        if (hf_read_text(key, &text) == HF_OK &&
            slice_equal(slice_make(text.data, text.size), slice_make(name.data, name.size)))
            return value;
    }
    return HF_NONE;
}

/* Whether value is of a type, or why it is not. */
static int expect(struct hf_bytes value, enum hf_type type)
{
    enum hf_type found = hf_type(value);

    if (found == type)
        return HF_OK;
    if (!value.data || found == HF_TYPE_NIL)
        return HF_ABSENT;
    return found == HF_TYPE_NONE ? HF_MALFORMED : HF_WRONG_TYPE;
}

/* Behind the {. */
static int read_map(struct reading *r, struct hf_bytes map)
{
    int e = expect(map, HF_TYPE_MAP);

    for (;;) {
        struct hf_bytes name;

        r->at = skip_blanks(r->at);
        if (*r->at == '}') {
            r->at++;
            return e;
        }
        if (*r->at != '\'' || !take_text(r, &name))
            return HF_MISUSE;
        r->at = skip_blanks(r->at);
        if (*r->at++ != ':')
            return HF_MISUSE;
        e = worse(e, read_value(r, find(map, name)));
        if (e == HF_MISUSE)
            return e;
    }
}

/* Behind the [. */
static int read_array(struct reading *r, struct hf_bytes array)
{
    struct hf_walk walk = hf_walk(array);
    int e = expect(array, HF_TYPE_ARRAY);
    bool open = false; /* further elements may follow */

    for (;;) {
        struct hf_bytes value = HF_NONE;

        r->at = skip_blanks(r->at);
        if (*r->at == ']') {
            r->at++;
            return e == HF_OK && walk.left > 0 && !open ? HF_WRONG_TYPE : e;
        }
        if (open)
            return HF_MISUSE;
        if (*r->at == '*') {
            open = true;
            r->at++;
            continue;
        }
        if (walk.of_map || !hf_walk_next(&walk, NULL, &value))
            value = HF_NONE;
        e = worse(e, read_value(r, value));
        if (e == HF_MISUSE)
            return e;
    }
}

static int read_container(struct reading *r, struct hf_bytes value)
{
    bool of_map = *r->at++ == '{';
    int e;

    if (r->depth == FORMAT_DEPTH_MAX)
        return HF_MISUSE;
    r->depth++;
    e = of_map ? read_map(r, value) : read_array(r, value);
    r->depth--;
    return e;
}

/* One value of the format; its arguments are taken whether or not it is there. */
static int read_value(struct reading *r, struct hf_bytes value)
{
    struct hf_bytes text, found;
    bool optional, writes = r->writes;
    int e;

    r->at = skip_blanks(r->at);
    optional = *r->at == '?';
    r->at += optional;
    optional = optional && (!value.data || hf_type(value) == HF_TYPE_NIL);
    if (optional)
        r->writes = false;
    if (*r->at == '[' || *r->at == '{') {
        e = read_container(r, value);
    } else if (*r->at == '\'') {
        if (!take_text(r, &text))
            return HF_MISUSE;
        e = hf_read_text(value, &found);
        if (e == HF_OK &&
            !slice_equal(slice_make(text.data, text.size), slice_make(found.data, found.size)))
            e = HF_WRONG_TYPE;
    } else {
        char letter = *r->at;

        r->at += letter != '\0';
        e = read_letter(r, letter, value);
    }
    r->writes = writes;
    return optional && e != HF_MISUSE ? HF_OK : e;
}

static int read_whole(struct reading *r, struct hf_bytes value)
{
    int e = read_value(r, value);

    r->at = skip_blanks(r->at);
    return *r->at ? HF_MISUSE : e;
}

int hf_unpackf(struct hf_bytes value, const char *format, ...)
{
    struct reading look = {.at = format}, write = {.at = format, .writes = true};
    int e;

    va_start(look.args.list, format);
    va_copy(write.args.list, look.args.list);
    e = read_whole(&look, value);
    if (e == HF_OK)
        e = read_whole(&write, value);
    va_end(write.args.list);
    va_end(look.args.list);
    return e;
}
