/* net_buffer.h - bytes that grow: what came from a client, what goes to it.
 *
 * A buffer that could not grow is marked as failed and takes nothing more; its
 * owner looks once, at the end, instead of after each byte. What a buffer takes is
 * counted to an account (account.h), so that the server can bound what its clients cost.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_NET_BUFFER_H
#define HOLDFAST_NET_NET_BUFFER_H

#include "proto/msgpack.h"
#include "server/net/account.h"

struct net_buffer {
    uint8_t *data; /* owned; NULL while room is 0 */
    size_t used;   /* bytes */
    size_t room;   /* bytes */
    bool failed;   /* memory was short; what is in it is not whole */
    enum account_kind kind;  /* as which its room is counted, */
    struct account *account; /* borrowed, to this; NULL: to none */
};

#define NET_BUFFER_EMPTY ((struct net_buffer){.data = NULL})

void net_buffer_fini(struct net_buffer *b);

/* Room for size more bytes: where they go, or NULL (then failed is set). */
uint8_t *net_buffer_reserve_more(struct net_buffer *b, size_t size);
static inline uint8_t *net_buffer_reserve(struct net_buffer *b, size_t size)
{
    if (b->room - b->used >= size && !b->failed)
        return b->data + b->used;
    return net_buffer_reserve_more(b, size);
}

void net_buffer_append(struct net_buffer *b, const void *bytes, size_t size);

/* Empty it; memory over keep bytes goes back. */
void net_buffer_clear(struct net_buffer *b, size_t keep);

/* Throw away so many bytes at its beginning. */
void net_buffer_drop(struct net_buffer *b, size_t size);

/* Empty or not, give memory back that what is in it does not need, down to keep bytes. */
void net_buffer_trim(struct net_buffer *b, size_t keep);

/* Contents change places, each is counted where its buffer is. */
void net_buffer_swap(struct net_buffer *a, struct net_buffer *b);

/* Count it to this account (NULL: to none) from now on. */
static inline void net_buffer_charge(struct net_buffer *b, struct account *account,
                                     enum account_kind kind)
{
    if (b->room) {
        account_sub(b->account, b->kind, b->room);
        account_add(account, kind, b->room);
    }
    b->account = account;
    b->kind = kind;
}

/* ---- MessagePack at the end of a buffer ---- */

static inline void put_nil(struct net_buffer *b)
{
    uint8_t *to = net_buffer_reserve(b, 1);

    if (to)
        b->used += msgpack_put_nil(to);
}

static inline void put_bool(struct net_buffer *b, bool value)
{
    uint8_t *to = net_buffer_reserve(b, 1);

    if (to)
        b->used += msgpack_put_bool(to, value);
}

static inline void put_uint(struct net_buffer *b, uint64_t n)
{
    uint8_t *to = net_buffer_reserve(b, MSGPACK_HEAD_MAX);

    if (to)
        b->used += msgpack_put_uint(to, n);
}

static inline void put_array(struct net_buffer *b, uint32_t count)
{
    uint8_t *to = net_buffer_reserve(b, MSGPACK_HEAD_MAX);

    if (to)
        b->used += msgpack_put_array_head(to, count);
}

static inline void put_map(struct net_buffer *b, uint32_t pairs)
{
    uint8_t *to = net_buffer_reserve(b, MSGPACK_HEAD_MAX);

    if (to)
        b->used += msgpack_put_map_head(to, pairs);
}

static inline void put_text(struct net_buffer *b, struct slice text)
{
    uint8_t *to = net_buffer_reserve(b, MSGPACK_HEAD_MAX + text.size);

    if (to)
        b->used += msgpack_put_text(to, text);
}

static inline void put_binary(struct net_buffer *b, struct slice bytes)
{
    uint8_t *to = net_buffer_reserve(b, MSGPACK_HEAD_MAX + bytes.size);

    if (to)
        b->used += msgpack_put_binary(to, bytes);
}

static inline void put_word(struct net_buffer *b, const char *text)
{
    put_text(b, slice_text(text));
}

/* A value that is MessagePack already; nil where it is none. */
static inline void put_value(struct net_buffer *b, struct slice value)
{
    if (slice_is_none(value))
        put_nil(b);
    else
        net_buffer_append(b, value.data, value.size);
}

/* An array whose length is known at the end: put_array_later gives its place (from the
 * buffer's beginning), put_array_now sets it. */
size_t put_array_later(struct net_buffer *b);
void put_array_now(struct net_buffer *b, size_t place, uint32_t count);

/* The same for a map, of at most 65,535 pairs: their names are in this program. */
size_t put_map_later(struct net_buffer *b);
void put_map_now(struct net_buffer *b, size_t place, uint32_t pairs);

/* name: text, or nil where there is none; in a map. */
static inline void put_optional_text(struct net_buffer *b, const char *name, struct slice text)
{
    put_word(b, name);
    if (slice_is_none(text))
        put_nil(b);
    else
        put_text(b, text);
}

/* name: n, in a map. */
static inline void put_fact(struct net_buffer *b, const char *name, uint64_t n)
{
    put_word(b, name);
    put_uint(b, n);
}

/* A map of facts that counts them itself: facts_begin, a facts_add for each, facts_end. */
struct facts {
    struct net_buffer *out;
    size_t place;
    uint32_t count;
};

static inline struct facts facts_begin(struct net_buffer *b)
{
    return (struct facts){b, put_map_later(b), 0};
}

static inline void facts_add(struct facts *f, const char *name, uint64_t n)
{
    f->count++;
    put_fact(f->out, name, n);
}

static inline void facts_end(const struct facts *f)
{
    put_map_now(f->out, f->place, f->count);
}

#endif
