/* datum.h - a value in an expression of a query, and what is done with values.
 *
 * A scalar is kept as itself; texts and binaries are slices of their payload, arrays and maps
 * slices of their MessagePack bytes, so that a path into a document decodes nothing but what it
 * finds. A datum borrows its bytes: from a document, from the query's text, or from the memory
 * that a function was given. docs/query.md says what each operation answers; these are its rules:
 *
 * - What is missing arises only from paths. Each operation takes it for null; datum_is_null is
 *   true of both, and null or missing in an operand gives null.
 * - Order and equality are those of keys (storage/value_order.h), over all values: null < false <
 *   true < numbers (NaN last, equal to itself) < timestamps < texts < binaries < arrays < maps <
 *   other extensions. 1 and 1.0 are equal. Maps are compared field by field as they are written.
 * - Integers go from -2^63 to 2^64-1. A result that does not fit, is no number, or would lose
 *   digits of an integer is a fault, never a rounded value.
 *
 * Functions that can fail answer a fault and put a sentence for people into memory->why; the
 * caller knows the place in the query's text. *out may be one of the operands.
 * Threads: any, with a memory of its own each. */
#ifndef HOLDFAST_QUERY_DATUM_H
#define HOLDFAST_QUERY_DATUM_H

#include "proto/msgpack.h"
#include "server/base/assert.h"
#include "server/storage/arena.h"
#include "server/storage/path.h"

#include <assert.h>
#include <endian.h>

enum datum_type {
    DATUM_MISSING, /* 0, so that zeroed memory is a datum */
    DATUM_NULL,
    DATUM_BOOLEAN,
    DATUM_INTEGER, /* fits into 64 bits with a sign */
    DATUM_UNSIGNED, /* an integer of 2^63 and above */
    DATUM_DOUBLE,
    DATUM_TIMESTAMP,
    DATUM_TEXT,
    DATUM_BINARY,
    DATUM_ARRAY,
    DATUM_MAP,
    DATUM_EXTENSION, /* any but a well-formed timestamp */
};

struct datum {
    uint8_t type;         /* enum datum_type */
    bool single;          /* DOUBLE: it came as a 32-bit float, and goes back as one */
    uint32_t nanoseconds; /* TIMESTAMP */
    union {
        bool boolean;
        int64_t integer;
        uint64_t uint;       /* UNSIGNED */
        double real;
        int64_t seconds;     /* TIMESTAMP: since 1970 */
        struct slice
            bytes; /* TEXT, BINARY: the payload; ARRAY, MAP, EXTENSION: the whole value */
    };
};

enum datum_fault {
    DATUM_OK = 0,
    DATUM_WRONG_TYPE,       /* an operand's type has no such operation */
    DATUM_OVERFLOW,         /* beyond the range of integers, or of doubles */
    DATUM_INEXACT,          /* an integer would lose digits beside a double */
    DATUM_DIVISION_BY_ZERO,
    DATUM_BAD_ARGUMENT,     /* of the right type, but its value has no answer */
    DATUM_LIMIT,            /* over bytes_max, too deep, or too many steps */
    DATUM_NOMEM,
};

#define DATUM_WHY_BYTES 160

/* Where results go. Whoever owns the arena resets it when nobody reads them any more. */
struct datum_memory {
    struct arena *arena;       /* borrowed */
    uint64_t bytes_max;        /* of the arena, its other users included */
    char why[DATUM_WHY_BYTES]; /* after a fault: a sentence, without a full stop */
};

/* ---- to and from bytes ---- */

/* Of a well-formed MessagePack value; SLICE_NONE is missing. */
struct datum datum_read(struct slice value);

/* The value at the path of a document. */
static inline struct datum datum_at_path(const struct value_path *path, struct slice document)
{
    return datum_read(path_find(path, document));
}

/* A field of a map, an element of an array (from 0); missing where there is none, and of
 * whatever is no map or array. */
struct datum datum_field(const struct datum *map, struct slice name);
struct datum datum_element(const struct datum *array, int64_t place);

/* How many bytes datum_write puts, exactly; missing is written as nil. Integers are written in
 * their shortest form, and what is a slice as it is. */
size_t datum_size(const struct datum *d);
size_t datum_write(const struct datum *d, uint8_t *to);

/* A walk over the elements of an array, or over names and values of a map. */
struct datum_walk {
    struct msgpack_cursor c;
    uint32_t left; /* elements, or fields */
};

/* Anything but an array has no elements; anything but a map no fields. */
struct datum_walk datum_elements(const struct datum *array);
struct datum_walk datum_fields(const struct datum *map);
/* False at the end. */
bool datum_next_element(struct datum_walk *w, struct datum *out);
bool datum_next_field(struct datum_walk *w, struct datum *name, struct datum *out);

/* ---- makers ---- */

/* A datum word by word, where it goes: put together elsewhere and copied, it would wait for its
 * parts to come to memory. */
static inline void datum_put(struct datum *out, enum datum_type type, uint64_t a, uint64_t b)
{
    const uint64_t head = htole64((uint64_t)type);
    uint8_t *to = (uint8_t *)out;

    static_assert(sizeof *out == 3 * sizeof head && offsetof(struct datum, type) == 0 &&
                      offsetof(struct datum, integer) == sizeof head,
                  "a datum is three words");
    memcpy(to, &head, sizeof head);
    memcpy(to + sizeof head, &a, sizeof a);
    memcpy(to + 2 * sizeof head, &b, sizeof b);
}

static inline struct datum datum_null(void)
{
    return (struct datum){.type = DATUM_NULL};
}
static inline struct datum datum_boolean(bool b)
{
    return (struct datum){.type = DATUM_BOOLEAN, .boolean = b};
}
static inline struct datum datum_integer(int64_t n)
{
    return (struct datum){.type = DATUM_INTEGER, .integer = n};
}
static inline struct datum datum_unsigned(uint64_t n)
{
    return n <= INT64_MAX ? datum_integer((int64_t)n)
                          : (struct datum){.type = DATUM_UNSIGNED, .uint = n};
}
static inline struct datum datum_double(double d)
{
    return (struct datum){.type = DATUM_DOUBLE, .real = d};
}
static inline struct datum datum_text(struct slice text)
{
    return (struct datum){.type = DATUM_TEXT, .bytes = text};
}
static inline struct datum datum_timestamp(int64_t seconds, uint32_t nanoseconds)
{
    return (struct datum){
        .type = DATUM_TIMESTAMP, .seconds = seconds, .nanoseconds = nanoseconds};
}

/* An array of the items, of which a missing one becomes null; a map of names and values, in
 * which a missing value leaves its field out. Of fields with one name the last one counts. */
enum datum_fault datum_make_array(struct datum_memory *m, const struct datum *items,
                                  uint32_t count, struct datum *out);
enum datum_fault datum_make_map(struct datum_memory *m, const struct slice *names,
                                const struct datum *values, uint32_t count, struct datum *out);

/* A copy that borrows from m alone. */
enum datum_fault datum_copy(struct datum_memory *m, const struct datum *d, struct datum *out);

/* Memory of m; NULL: *fault and m->why say why. */
void *datum_alloc(struct datum_memory *m, size_t size, enum datum_fault *fault);

/* Put a sentence into m->why and answer the fault. */
COLD enum datum_fault datum_refuse(struct datum_memory *m, enum datum_fault fault,
                                   const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- what it is ---- */

/* "missing", "null", "boolean", "integer", "double", "timestamp", "text", "binary", "array",
 * "map", "extension". */
const char *datum_type_name(const struct datum *d);

static inline bool datum_is_missing(const struct datum *d)
{
    return d->type == DATUM_MISSING;
}
static inline bool datum_is_null(const struct datum *d) /* or missing */
{
    return d->type <= DATUM_NULL;
}
static inline bool datum_is_number(const struct datum *d)
{
    return d->type >= DATUM_INTEGER && d->type <= DATUM_DOUBLE;
}

/* ---- order, equality, truth ---- */

/* Below, at or above 0 as a is to b, over all values, missing as null: what order by, group by,
 * distinct, min and max go by. The operators =, < ... are null where an operand is null. */
int datum_compare(const struct datum *a, const struct datum *b);

/* Equal by datum_compare: the same hash. */
uint64_t datum_hash(const struct datum *d, uint64_t seed);

enum datum_truth { DATUM_IS_FALSE, DATUM_IS_TRUE, DATUM_IS_UNKNOWN };

/* What a condition says: a boolean is itself, null and missing are unknown. WRONG_TYPE else. */
enum datum_fault datum_truth_of(struct datum_memory *m, const struct datum *d,
                                enum datum_truth *out);

static inline struct datum datum_of_truth(enum datum_truth t)
{
    return t == DATUM_IS_UNKNOWN ? datum_null() : datum_boolean(t == DATUM_IS_TRUE);
}
static inline enum datum_truth datum_and(enum datum_truth a, enum datum_truth b)
{
    if (a == DATUM_IS_FALSE || b == DATUM_IS_FALSE)
        return DATUM_IS_FALSE;
    return a == DATUM_IS_TRUE && b == DATUM_IS_TRUE ? DATUM_IS_TRUE : DATUM_IS_UNKNOWN;
}
static inline enum datum_truth datum_not(enum datum_truth a)
{
    return a == DATUM_IS_UNKNOWN ? a : a == DATUM_IS_TRUE ? DATUM_IS_FALSE : DATUM_IS_TRUE;
}
static inline enum datum_truth datum_or(enum datum_truth a, enum datum_truth b)
{
    return datum_not(datum_and(datum_not(a), datum_not(b)));
}

/* ---- operators ---- */

enum datum_operator {
    DATUM_ADD,
    DATUM_SUBTRACT,
    DATUM_MULTIPLY,
    DATUM_DIVIDE,    /* of two integers: truncates */
    DATUM_REMAINDER, /* has the sign of the dividend */
    DATUM_CONCATENATE, /* two texts, two binaries, or two arrays */
    DATUM_EQUAL,
    DATUM_NOT_EQUAL,
    DATUM_LESS,
    DATUM_LESS_EQUAL,
    DATUM_GREATER,
    DATUM_GREATER_EQUAL,
};

enum datum_fault datum_operate(struct datum_memory *m, enum datum_operator op,
                               const struct datum *a, const struct datum *b, struct datum *out);
/* The same for comparisons of what is most frequent, numbers that are doubles exactly or integers;
 * false: it is not of this. */
static inline bool datum_compare_simple(enum datum_operator op, const struct datum *a,
                                        const struct datum *b, enum datum_truth *out)
{
    const double exact = 9007199254740992.0; /* 2^53: whole numbers up to it are doubles */
    bool is_less, is_equal;

    if (a->type == DATUM_INTEGER && b->type == DATUM_INTEGER) {
        is_less = a->integer < b->integer;
        is_equal = a->integer == b->integer;
    } else {
        double x, y;

        if (!datum_is_number(a) || !datum_is_number(b) || a->type == DATUM_UNSIGNED ||
            b->type == DATUM_UNSIGNED)
            return false;
        x = a->type == DATUM_DOUBLE ? a->real : (double)a->integer;
        y = b->type == DATUM_DOUBLE ? b->real : (double)b->integer;
        if (!(x > -exact && x < exact && y > -exact && y < exact)) /* NaN, too */
            return false;
        is_less = x < y;
        is_equal = x == y;
    }
    switch (op) {
    case DATUM_EQUAL: is_less = is_equal; break;
    case DATUM_NOT_EQUAL: is_less = !is_equal; break;
    case DATUM_LESS: break;
    case DATUM_LESS_EQUAL: is_less = is_less || is_equal; break;
    case DATUM_GREATER: is_less = !is_less && !is_equal; break;
    default: is_less = !is_less; break;
    }
    *out = is_less ? DATUM_IS_TRUE : DATUM_IS_FALSE;
    return true;
}

/* The same as datum_operate for what is most frequent, integers that fit and comparisons of
 * numbers; false: it is not of this. */
static inline bool datum_operate_simple(enum datum_operator op, const struct datum *a,
                                        const struct datum *b, struct datum *out)
{
    int64_t n = 0;

    if (op >= DATUM_EQUAL) {
        enum datum_truth truth;

        if (!datum_compare_simple(op, a, b, &truth))
            return false;
        *out = datum_boolean(truth == DATUM_IS_TRUE);
        return true;
    }
    if (a->type != DATUM_INTEGER || b->type != DATUM_INTEGER)
        return false;
    switch (op) {
    case DATUM_ADD:
        if (__builtin_add_overflow(a->integer, b->integer, &n))
            return false;
        break;
    case DATUM_SUBTRACT:
        if (__builtin_sub_overflow(a->integer, b->integer, &n))
            return false;
        break;
    case DATUM_REMAINDER:
        if (a->integer < 0 || b->integer <= 0)
            return false;
        n = (a->integer | b->integer) >> 32
                ? a->integer % b->integer
                : (int64_t)((uint32_t)a->integer % (uint32_t)b->integer);
        break;
    default: return false;
    }
    datum_put(out, DATUM_INTEGER, (uint64_t)n, 0);
    return true;
}
enum datum_fault datum_negate(struct datum_memory *m, const struct datum *a, struct datum *out);

/* text like pattern [escape character]: % is any run, _ one character. escape may be NULL: then
 * no character is one. */
enum datum_fault datum_like(struct datum_memory *m, const struct datum *text,
                            const struct datum *pattern, const struct datum *escape,
                            struct datum *out);

/* ---- cast ---- */

enum datum_cast {
    DATUM_CAST_NONE,
    DATUM_CAST_BOOLEAN,
    DATUM_CAST_INTEGER,
    DATUM_CAST_DOUBLE,
    DATUM_CAST_NUMBER,
    DATUM_CAST_TIMESTAMP,
    DATUM_CAST_TEXT,
    DATUM_CAST_BINARY,
};

/* By the type's name in lower case, its other names included (bool, int, bigint, float, real,
 * varchar, string, blob, bytes); NONE: there is no such type. */
enum datum_cast datum_cast_named(struct slice name);
enum datum_fault datum_cast_to(struct datum_memory *m, enum datum_cast type,
                               const struct datum *a, struct datum *out);

/* A number as queries and casts write it: digits, with a point or an exponent a double.
 * BAD_ARGUMENT: it is none; OVERFLOW: an integer that is too large, or a double. */
enum datum_fault datum_number_of(struct datum_memory *m, struct slice text, struct datum *out);

#endif
