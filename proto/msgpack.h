/* msgpack.h - MessagePack as bytes: a cursor that reads and a writer.
 *
 * The cursor looks at memory that is there; it allocates nothing, keeps no
 * stack, and never believes a length that the bytes at hand do not cover. The
 * writer puts into memory that the caller sized. Format: the MessagePack
 * specification (github.com/msgpack/msgpack, spec.md). */
#ifndef HOLDFAST_PROTO_MSGPACK_H
#define HOLDFAST_PROTO_MSGPACK_H

#include "proto/error.h"
#include "proto/slice.h"

/* Depth counts the arrays and maps around a value and itself if it is one: 1 has
 * depth 0, [] and [1] have 1, [[1]] has 2. */
#define MSGPACK_DEPTH_MAX 64

enum msgpack_type {
    MSGPACK_NIL,
    MSGPACK_FALSE,
    MSGPACK_TRUE,
    MSGPACK_UINT,  /* not negative, whatever form it came in */
    MSGPACK_INT,   /* negative */
    MSGPACK_FLOAT, /* 32 or 64 bits; as a double */
    MSGPACK_TEXT,
    MSGPACK_BINARY,
    MSGPACK_ARRAY, /* the head only; its elements follow */
    MSGPACK_MAP,   /* the head only; its keys and values follow in turn */
    MSGPACK_EXT,
};

/* One token. bytes are borrowed from what the cursor reads. */
struct msgpack_token {
    enum msgpack_type type;
    union {
        uint64_t uint;
        int64_t integer;
        double real;
        uint32_t count; /* ARRAY: elements; MAP: pairs */
    };
    int8_t ext_type;    /* EXT; -1 is a timestamp */
    struct slice bytes; /* TEXT, BINARY, EXT: the payload */
};

struct msgpack_cursor {
    const uint8_t *at;
    const uint8_t *end;
};

static inline struct msgpack_cursor msgpack_open(struct slice s)
{
    /* C knows no NULL + 0. */
    return (struct msgpack_cursor){s.data, s.size ? s.data + s.size : s.data};
}

static inline bool msgpack_at_end(const struct msgpack_cursor *c)
{
    return c->at == c->end;
}

/* Read one token (of an array or map: its head). ERR_END: the bytes end inside
 * it, the cursor stays; ERR_BAD_REQUEST: byte 0xc1. A count that could not fit
 * into the bytes that are left (an element is at least one byte) is ERR_END. */
enum err msgpack_read(struct msgpack_cursor *c, struct msgpack_token *out);

/* Step over one whole value; *out (may be NULL) gets its bytes. Iterative.
 * ERR_END as above, ERR_BAD_REQUEST: 0xc1, ERR_TOO_LARGE: deeper than depth_max. */
static inline enum err msgpack_skip(struct msgpack_cursor *c, unsigned depth_max,
                                    struct slice *out);

/* The type of the next value without moving; ERR_END at the end. */
static inline enum err msgpack_peek(const struct msgpack_cursor *c, enum msgpack_type *out);

/* The common short forms are read in place; the _wide functions take the others and are
 * not called by anybody else. */
enum err msgpack_skip_wide(struct msgpack_cursor *c, unsigned depth_max, struct slice *out);
enum err msgpack_peek_wide(const struct msgpack_cursor *c, enum msgpack_type *out);

#define MSGPACK_TYPE_IN_BODY 0xff
extern const uint8_t
    msgpack_types[256]; /* by the first byte; TYPE_IN_BODY: that is not enough */

/* Bytes of a scalar whose first byte says it all; 0: a container, or a length follows. */
extern const uint8_t msgpack_scalars[256];

static inline enum err msgpack_skip(struct msgpack_cursor *c, unsigned depth_max,
                                    struct slice *out)
{
    size_t room = (size_t)(c->end - c->at), size;

    if (room < 2)
        return msgpack_skip_wide(c, depth_max, out);
    size = msgpack_scalars[*c->at];
    if (!size && (*c->at == 0xc4 || *c->at == 0xd9)) /* bin 8, str 8 */
        size = 2u + c->at[1];
    if (!size)
        return msgpack_skip_wide(c, depth_max, out);
    if (size > room)
        return ERR_END;
    if (out)
        *out = slice_make(c->at, size);
    c->at += size;
    return ERR_OK;
}

static inline enum err msgpack_peek(const struct msgpack_cursor *c, enum msgpack_type *out)
{
    if (msgpack_at_end(c))
        return ERR_END;
    if (msgpack_types[*c->at] == MSGPACK_TYPE_IN_BODY)
        return msgpack_peek_wide(c, out);
    *out = (enum msgpack_type)msgpack_types[*c->at];
    return ERR_OK;
}

/* Readers of what is expected: ERR_BAD_REQUEST if it is something else (the
 * cursor is then where it was). Integers are taken in any form. */
enum err msgpack_read_uint_wide(struct msgpack_cursor *c, uint64_t *out);
enum err msgpack_read_text_wide(struct msgpack_cursor *c, struct slice *out);
enum err msgpack_read_array_wide(struct msgpack_cursor *c, uint32_t *count);

static inline enum err msgpack_read_uint(struct msgpack_cursor *c, uint64_t *out)
{
    if (c->at < c->end && *c->at < 0x80) {
        *out = *c->at++;
        return ERR_OK;
    }
    return msgpack_read_uint_wide(c, out);
}

static inline enum err msgpack_read_text(struct msgpack_cursor *c, struct slice *out)
{
    if (c->at < c->end && (*c->at & 0xe0) == 0xa0) {
        size_t size = *c->at & 0x1f;

        if (size >= (size_t)(c->end - c->at))
            return ERR_END;
        *out = slice_make(c->at + 1, size);
        c->at += 1 + size;
        return ERR_OK;
    }
    return msgpack_read_text_wide(c, out);
}

static inline enum err msgpack_read_array(struct msgpack_cursor *c, uint32_t *count)
{
    if (c->at < c->end && (*c->at & 0xf0) == 0x90) {
        uint32_t n = *c->at & 0x0f;

        if (n >= (size_t)(c->end - c->at))
            return ERR_END;
        *count = n;
        c->at++;
        return ERR_OK;
    }
    return msgpack_read_array_wide(c, count);
}

enum err msgpack_read_bool(struct msgpack_cursor *c, bool *out);
enum err msgpack_read_map(struct msgpack_cursor *c, uint32_t *pairs);

/* An incremental scanner: how long is the value that begins at data, when it may
 * arrive in pieces? Costs O(new bytes) for each call, O(1) memory for any depth
 * up to MSGPACK_DEPTH_MAX. */
struct msgpack_scan {
    size_t offset;         /* bytes understood so far */
    size_t dropped;        /* and before them, that are not at hand any more */
    size_t pending;        /* bytes still to step over */
    uint64_t elements;     /* values announced so far, map keys and containers too */
    unsigned depth;
    bool over;             /* depth or elements are over their limit; its end can be found */
    uint64_t owed;         /* then: values still to come at any depth */
    uint64_t left[MSGPACK_DEPTH_MAX + 1]; /* values still to come at each depth */
};

struct msgpack_limits {
    size_t bytes_max;      /* of the whole value */
    uint64_t elements_max;
    unsigned depth_max;    /* at most MSGPACK_DEPTH_MAX */
};

void msgpack_scan_init(struct msgpack_scan *s);

/* data holds the value from its first byte; size grows from call to call.
 * ERR_OK: whole, s->offset is its length. ERR_WAIT: more bytes are needed.
 * ERR_BAD_REQUEST: 0xc1. ERR_TOO_LARGE: over a limit, as early as the heads
 * show it (a declared length counts). After an error the scan is over, but where s->over is
 * set: depth or elements (s->depth, s->elements) are over their limits while the value
 * may still end within bytes_max; feeding it on finds where, whatever its depth. */
enum err msgpack_scan_feed(struct msgpack_scan *s, const uint8_t *data, size_t size,
                           const struct msgpack_limits *limits);

/* The bytes that are understood are thrown away: from now on data begins behind them.
 * Returns how many they are. */
size_t msgpack_scan_drop(struct msgpack_scan *s);

/* Memory for a check of large maps, and nothing else. */
struct msgpack_memory {
    void *(*alloc)(void *owner, size_t bytes); /* NULL: there is none */
    void (*free)(void *owner, void *memory, size_t bytes); /* bytes as asked for */
    void *owner; /* handed to both */
};

/* Whether one well-formed value fills s, it nests no deeper than depth_max, all text is
 * valid UTF-8, and no map (at any depth) has one key twice. Keys are compared as values:
 * forms of one integer and of one float are equal; 1 and 1.0, text and binary differ;
 * arrays and maps as keys are compared value by value in their order.
 * ERR_OK, ERR_BAD_VALUE, ERR_TOO_LARGE, ERR_NOMEM. *why (may be NULL) gets a static text.
 *
 * One pass, O(bytes). Maps of up to 32 pairs are compared on the stack (about 6 KiB);
 * the keys of larger ones go into a hash table (SipHash with a key of the process) that
 * grows with keys seen, not with keys claimed, up to 12 bytes for each byte of s.
 * msgpack_check_document takes it from malloc, _with from memory. */
enum err msgpack_check_document(struct slice s, unsigned depth_max, const char **why);
enum err msgpack_check_document_with(struct slice s, unsigned depth_max,
                                     const struct msgpack_memory *memory, const char **why);

/* The same in parts of so many values each. *at is NULL at first. ERR_WAIT: call again with the
 * same bytes, which may lie elsewhere then; memory stays valid. After any other answer *at
 * is NULL again. ERR_NOMEM besides. */
struct msgpack_check; /* opaque */
enum err msgpack_check_part(struct msgpack_check **at, struct slice s,
                            const struct msgpack_memory *memory, size_t steps,
                            const char **why);

/* Give up between parts; nothing if *at is NULL. */
void msgpack_check_free(struct msgpack_check **at);

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool msgpack_text_is_utf8(struct slice text);

/* The writer: each function puts the shortest form at to and returns the bytes put.
 * The caller has room for MSGPACK_HEAD_MAX bytes (and the payload, where there is one). */
#define MSGPACK_HEAD_MAX 9

size_t msgpack_put_nil(uint8_t *to);
size_t msgpack_put_bool(uint8_t *to, bool b);
size_t msgpack_put_uint(uint8_t *to, uint64_t n);
size_t msgpack_put_int(uint8_t *to, int64_t n);
size_t msgpack_put_double(uint8_t *to, double d);
size_t msgpack_put_text_head(uint8_t *to, uint32_t size);
size_t msgpack_put_binary_head(uint8_t *to, uint32_t size);
size_t msgpack_put_array_head(uint8_t *to, uint32_t count);
size_t msgpack_put_map_head(uint8_t *to, uint32_t pairs);
size_t msgpack_put_text(uint8_t *to, struct slice text);    /* head and payload */
size_t msgpack_put_binary(uint8_t *to, struct slice bytes); /* head and payload */
/* A timestamp in the shortest of its three forms; at most 15 bytes. */
size_t msgpack_put_timestamp(uint8_t *to, int64_t seconds, uint32_t nanoseconds);

/* The seconds and nanoseconds of an EXT token of type -1; ERR_BAD_VALUE if it is none
 * (wrong size, nanoseconds over 999,999,999). msgpack-c has a type msgpack_timestamp. */
enum err msgpack_token_timestamp(const struct msgpack_token *t, int64_t *seconds,
                                 uint32_t *nanoseconds);

#endif
