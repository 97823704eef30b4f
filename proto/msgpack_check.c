/* msgpack_check.c - may these bytes be kept as a document?
 *
 * One walk, no recursion. Each open container has a frame; a frame of a map knows
 * whether a key or a value comes next. A key is compared with the keys before it in
 * one of two ways. A map of few pairs keeps a print (32 bits) and the place of each key
 * in an array that all open maps share as a stack; equal prints are then compared in
 * full. A map of many pairs, or one whose keys no longer fit, puts its keys into a hash
 * table that all such maps of the document share, the map's place being part of the key.
 *
 * A container that is a key is known only when it ends. So while inside of one, each
 * frame folds what it sees into a running hash, and its parent folds in the result: the
 * work stays one pass however deep keys nest. Such keys always go to the table.
 *
 * The hash is keyed by the process, so that nobody can send keys that collide. Prints are
 * not: where too many of them do, the document's maps go over to the table.
 *
 * All that the walk knows is in struct msgpack_check, in offsets, so that it can stop after so
 * many values and go on later, when the bytes may lie elsewhere. */
#include "proto/msgpack_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define SMALL_PAIRS_MAX 32
#define SMALL_KEYS_MAX 512 /* of all open small maps together */
#define TABLE_SLOTS_MIN 128
#define FALSE_PRINTS_MAX 16 /* equal prints of different keys; then prints are not trusted */

/* Arrays and small maps, and which of the two key stores a map uses. */
enum frame_kind { FRAME_ARRAY, FRAME_SMALL_MAP, FRAME_LARGE_MAP };

struct check_frame {
    uint64_t left;   /* values still to come; of a map, even: a key is next */
    uint64_t hash;   /* of what came so far; only if is_hashed */
    uint32_t offset; /* of its head */
    uint16_t base;   /* SMALL_MAP: its first key in check.prints */
    uint8_t kind;    /* enum frame_kind */
    bool is_hashed;  /* inside of a key, or one itself */
    bool is_key;     /* it is a key of the frame above */
};

struct key_slot {
    uint32_t hash;
    uint32_t map; /* offset of the map's head */
    uint32_t key; /* offset of the key; 0: free, since no document begins with a key */
};

struct msgpack_check {
    const struct msgpack_memory *memory;
    const uint8_t *data;
    size_t size;
    struct key_slot *slots;  /* owned; NULL until a large map is met */
    uint32_t slot_count; /* a power of two */
    uint32_t slots_used;
    unsigned key_count; /* on the stack of small maps */
    unsigned depth;
    unsigned false_prints; /* met so far */
    size_t at;             /* the next value to look at */
    uint32_t prints[SMALL_KEYS_MAX];
    uint32_t places[SMALL_KEYS_MAX];
    struct check_frame frames[MSGPACK_DEPTH_MAX];
    const char *why;
};

/* -- the hash ------------------------------------------------------------- */

static uint64_t process_key[2];
static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;

static void process_key_make(void)
{
    struct timespec now;

    if (getentropy(process_key, sizeof process_key) == 0)
        return;
    /* No entropy from the system: addresses and the clock are better than nothing. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    process_key[0] = (uint64_t)(uintptr_t)&now ^ (uint64_t)now.tv_nsec << 32;
    process_key[1] = (uint64_t)(uintptr_t)&process_key_make ^ (uint64_t)getpid() << 40;
}

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 of tag and bytes. */
static uint64_t sip_hash(uint64_t tag, struct slice s)
{
    uint64_t v[4] = {process_key[0] ^ 0x736f6d6570736575, process_key[1] ^ 0x646f72616e646f6d,
                     process_key[0] ^ 0x6c7967656e657261, process_key[1] ^ 0x7465646279746573};
    uint64_t last = (uint64_t)s.size << 56;
    size_t at = 0;

    v[3] ^= tag;
    sip_round(v);
    v[0] ^= tag;
    for (; s.size - at >= 8; at += 8) {
        uint64_t word;

        memcpy(&word, s.data + at, sizeof word);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (int shift = 0; at < s.size; at++, shift += 8)
        last |= (uint64_t)s.data[at] << shift;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static bool has_payload(const struct msgpack_token *t)
{
    return t->type == MSGPACK_TEXT || t->type == MSGPACK_BINARY || t->type == MSGPACK_EXT;
}

/* The number in a token without payload: as bits, so that -0.0 and 0.0 differ and a
 * NaN is itself. Integers that are not negative and negative ones differ in type. */
static uint64_t token_bits(const struct msgpack_token *t)
{
    switch (t->type) {
    case MSGPACK_UINT:
    case MSGPACK_INT:
    case MSGPACK_FLOAT: return t->uint;
    case MSGPACK_ARRAY:
    case MSGPACK_MAP: return t->count;
    default: return 0;
    }
}

static uint64_t token_hash(const struct msgpack_token *t)
{
    uint64_t bits;

    if (t->type == MSGPACK_EXT)
        return sip_hash((uint64_t)t->type << 8 | (uint8_t)t->ext_type, t->bytes);
    if (has_payload(t))
        return sip_hash(t->type, t->bytes);
    bits = token_bits(t);
    return sip_hash(t->type, slice_make(&bits, sizeof bits));
}

static uint64_t hash_fold(uint64_t hash, uint64_t next)
{
    return (hash + next) * (process_key[0] | 1);
}

static bool token_equal(const struct msgpack_token *a, const struct msgpack_token *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == MSGPACK_EXT && a->ext_type != b->ext_type)
        return false;
    return has_payload(a) ? slice_equal(a->bytes, b->bytes) : token_bits(a) == token_bits(b);
}

/* Whether the values at two places, both walked before, are the same. */
static bool value_equal(const struct msgpack_check *c, uint32_t a, uint32_t b)
{
    struct msgpack_cursor left = {c->data + a, c->data + c->size};
    struct msgpack_cursor right = {c->data + b, c->data + c->size};
    uint64_t todo = 1;

    while (todo) {
        struct msgpack_token t;
        struct msgpack_token u;

        if (msgpack_read(&left, &t) || msgpack_read(&right, &u) || !token_equal(&t, &u))
            return false;
        todo--;
        if (t.type == MSGPACK_ARRAY)
            todo += t.count;
        else if (t.type == MSGPACK_MAP)
            todo += 2 * (uint64_t)t.count;
    }
    return true;
}

/* -- the table of large maps ---------------------------------------------- */

static struct key_slot *table_find_free(struct key_slot *slots, uint32_t count, uint32_t hash)
{
    uint32_t i = hash & (count - 1);

    while (slots[i].key)
        i = (i + 1) & (count - 1);
    return &slots[i];
}

static enum err table_grow(struct msgpack_check *c)
{
    uint32_t count = c->slots ? 2 * c->slot_count : TABLE_SLOTS_MIN;
    struct key_slot *slots = c->memory->alloc(c->memory->owner, count * sizeof *slots);

    if (!slots) {
        c->why = "out of memory while checking a large map";
        return ERR_NOMEM;
    }
    memset(slots, 0, count * sizeof *slots);
    for (uint32_t i = 0; i < c->slot_count; i++)
        if (c->slots[i].key)
            *table_find_free(slots, count, c->slots[i].hash) = c->slots[i];
    if (c->slots)
        c->memory->free(c->memory->owner, c->slots, c->slot_count * sizeof *slots);
    c->slots = slots;
    c->slot_count = count;
    return ERR_OK;
}

static enum err check_duplicate(struct msgpack_check *c)
{
    c->why = "a map has a duplicate key";
    return ERR_BAD_VALUE;
}

static enum err table_add(struct msgpack_check *c, uint32_t map, uint32_t key,
                          uint64_t key_hash)
{
    uint64_t folded = hash_fold(key_hash, map);
    uint32_t hash = (uint32_t)(folded >> 32 ^ folded);
    uint32_t i;

    if (c->slots_used >= c->slot_count / 4 * 3) {
        enum err e = table_grow(c);

        if (e)
            return e;
    }
    for (i = hash & (c->slot_count - 1); c->slots[i].key; i = (i + 1) & (c->slot_count - 1))
        if (c->slots[i].hash == hash && c->slots[i].map == map &&
            value_equal(c, c->slots[i].key, key))
            return check_duplicate(c);
    c->slots[i] = (struct key_slot){hash, map, key};
    c->slots_used++;
    return ERR_OK;
}

/* -- small maps ----------------------------------------------------------- */

/* Equal keys have equal prints; how well the others spread matters little. */
static uint32_t token_print(const struct msgpack_token *t)
{
    uint64_t word = 0;

    if (!has_payload(t)) {
        word = token_bits(t);
    } else if (t->bytes.size >= 8) {
        uint64_t tail;

        memcpy(&word, t->bytes.data, sizeof word);
        memcpy(&tail, t->bytes.data + t->bytes.size - 8, sizeof tail);
        word ^= rotate(tail, 23) + t->bytes.size;
    } else if (t->bytes.size >= 4) {
        word = (uint64_t)msgpack_get32(t->bytes.data) << 32 |
               msgpack_get32(t->bytes.data + t->bytes.size - 4);
        word += t->bytes.size;
    } else if (t->bytes.size > 0) {
        word = (uint64_t)t->bytes.data[0] << 16 |
               (uint64_t)t->bytes.data[t->bytes.size / 2] << 8 |
               t->bytes.data[t->bytes.size - 1];
        word |= (uint64_t)t->bytes.size << 24;
    }
    word = (word ^ (uint64_t)t->type << 60) * 0x9e3779b97f4a7c15;
    return (uint32_t)(word >> 32);
}

/* Somebody has chosen keys whose prints are equal: this map's keys go to the table. */
static enum err small_give_up(struct msgpack_check *c, struct check_frame *f)
{
    enum err e = ERR_OK;

    for (unsigned i = f->base; i < c->key_count && !e; i++) {
        struct msgpack_cursor cursor = {c->data + c->places[i], c->data + c->size};
        struct msgpack_token t;

        e = msgpack_read(&cursor, &t);
        if (!e)
            e = table_add(c, f->offset, c->places[i], token_hash(&t));
    }
    c->key_count = f->base;
    f->kind = FRAME_LARGE_MAP;
    return e;
}

static inline __attribute__((always_inline)) enum err small_add(struct msgpack_check *c,
                                                                struct check_frame *f,
                                                                const struct msgpack_token *t,
                                                                uint32_t key)
{
    uint32_t print = token_print(t);

    for (unsigned i = f->base; i < c->key_count; i++) {
        if (c->prints[i] != print)
            continue;
        if (value_equal(c, c->places[i], key))
            return check_duplicate(c);
        c->false_prints++;
    }
    c->prints[c->key_count] = print;
    c->places[c->key_count++] = key;
    return c->false_prints > FALSE_PRINTS_MAX ? small_give_up(c, f) : ERR_OK;
}

/* -- the walk ------------------------------------------------------------- */

/* Open a container whose head t is at offset. */
static enum err frame_open(struct msgpack_check *c, const struct msgpack_token *t,
                           uint32_t offset, bool is_key, unsigned depth_max)
{
    bool parent_is_hashed = c->depth > 0 && c->frames[c->depth - 1].is_hashed;
    struct check_frame *f;

    if (c->depth >= depth_max) {
        c->why = "the value is nested too deeply";
        return ERR_TOO_LARGE;
    }
    f = &c->frames[c->depth++];
    f->offset = offset;
    f->is_key = is_key;
    f->is_hashed = is_key || parent_is_hashed;
    f->hash = f->is_hashed ? token_hash(t) : 0;
    f->base = (uint16_t)c->key_count;
    f->left = t->count;
    f->kind = FRAME_ARRAY;
    if (t->type == MSGPACK_MAP) {
        f->left *= 2;
        f->kind = t->count <= SMALL_PAIRS_MAX && c->key_count + t->count <= SMALL_KEYS_MAX &&
                          c->false_prints <= FALSE_PRINTS_MAX
                      ? FRAME_SMALL_MAP
                      : FRAME_LARGE_MAP;
        /* Maps inside give back their part of the stack before the next key comes, so
         * that what is free now is free then. */
    }
    return ERR_OK;
}

/* Close the frames that are complete; a key among them is now known. */
static enum err frames_close(struct msgpack_check *c)
{
    while (c->depth > 0 && c->frames[c->depth - 1].left == 0) {
        const struct check_frame *f = &c->frames[--c->depth];
        struct check_frame *parent = &c->frames[c->depth - (c->depth > 0)];

        c->key_count = f->base;
        if (!f->is_hashed)
            continue;
        if (f->is_key) {
            enum err e = table_add(c, parent->offset, f->offset, f->hash);

            if (e)
                return e;
        }
        if (parent->is_hashed)
            parent->hash = hash_fold(parent->hash, f->hash);
    }
    return ERR_OK;
}

/* A value that is no container, as the next one of frame f. */
static enum err scalar_add(struct msgpack_check *c, struct check_frame *f,
                           const struct msgpack_token *t, uint32_t offset, bool is_key)
{
    uint64_t hash = 0;

    if (f->is_hashed || (is_key && f->kind == FRAME_LARGE_MAP))
        hash = token_hash(t);
    if (f->is_hashed)
        f->hash = hash_fold(f->hash, hash);
    if (!is_key)
        return ERR_OK;
    if (f->kind == FRAME_LARGE_MAP)
        return table_add(c, f->offset, offset, hash);
    return small_add(c, f, t, offset);
}

static enum err check_read(struct msgpack_check *c, struct msgpack_cursor *cursor,
                           struct msgpack_token *t)
{
    enum err e = msgpack_read(cursor, t);

    if (e) {
        c->why = e == ERR_END ? "the value is truncated"
                              : "the value contains the invalid "
                                "byte 0xc1";
        return ERR_BAD_VALUE;
    }
    if (t->type == MSGPACK_TEXT && MSGPACK_UNLIKELY(!msgpack_text_is_utf8(t->bytes))) {
        c->why = "a text is not valid UTF-8 (use the binary type for other bytes)";
        return ERR_BAD_VALUE;
    }
    return ERR_OK;
}

/* What needs no more than a look, as much of records does: keys of a small map, and scalars whose
 * first byte says how long they are, in a container that is not hashed. Stops before anything else,
 * an error included, which check_walk then meets. */
static enum err check_plain(struct msgpack_check *c, struct check_frame *f,
                            struct msgpack_cursor *cursor, size_t *steps)
{
    const bool is_map = f->kind != FRAME_ARRAY;
    const uint8_t *p = cursor->at;
    enum err e = ERR_OK;

    while (f->left && *steps && p < cursor->end) {
        size_t size = msgpack_scalars[*p];
        struct msgpack_token t;

        if (!size || size > (size_t)(cursor->end - p))
            break;
        t.bytes = SLICE_NONE;
        if ((*p & 0xe0) == 0xa0) {
            t.bytes = slice_make(p + 1, size - 1);
            if (!msgpack_text_is_utf8(t.bytes))
                break;
        }
        if (is_map && f->left % 2 == 0) {
            if (!t.bytes.data)
                break; /* a key that is no text */
            t.type = MSGPACK_TEXT;
            c->at = (uint32_t)(p - c->data);
            e = small_add(c, f, &t, c->at);
            if (e)
                break;
        }
        p += size;
        f->left--;
        --*steps;
        if (f->kind == FRAME_LARGE_MAP)
            break;
    }
    cursor->at = p;
    return e;
}

/* So many values at most; ERR_WAIT: there are more. */
static enum err check_walk(struct msgpack_check *c, unsigned depth_max, size_t steps)
{
    struct msgpack_cursor cursor = {c->data + c->at, c->data + c->size};

    do {
        struct check_frame *f = c->depth > 0 ? &c->frames[c->depth - 1] : NULL;
        uint32_t offset;
        struct msgpack_token t;
        bool is_key;
        enum err e;

        if (f && f->kind != FRAME_LARGE_MAP && !f->is_hashed) {
            e = check_plain(c, f, &cursor, &steps);
            if (!e && f->left == 0)
                e = frames_close(c);
            if (e)
                return e;
            if (f->left == 0)
                continue;
        }
        is_key = f && f->kind != FRAME_ARRAY && f->left % 2 == 0;
        offset = (uint32_t)(cursor.at - c->data);
        c->at = offset;
        if (MSGPACK_UNLIKELY(steps-- == 0))
            return ERR_WAIT;
        e = check_read(c, &cursor, &t);
        if (e)
            return e;
        if (f)
            f->left--;
        if (t.type == MSGPACK_ARRAY || t.type == MSGPACK_MAP)
            e = frame_open(c, &t, offset, is_key, depth_max);
        else if (f)
            e = scalar_add(c, f, &t, offset, is_key);
        if (!e && c->depth > 0 && c->frames[c->depth - 1].left == 0)
            e = frames_close(c);
        if (e)
            return e;
    } while (c->depth > 0);
    if (!msgpack_at_end(&cursor)) {
        c->why = "unexpected bytes after the value";
        return ERR_BAD_VALUE;
    }
    return ERR_OK;
}

/* The arrays in it need no clearing. */
static void check_init(struct msgpack_check *c, const struct msgpack_memory *memory)
{
    pthread_once(&process_key_once, process_key_make);
    c->memory = memory;
    c->slots = NULL;
    c->slot_count = c->slots_used = 0;
    c->key_count = c->depth = c->false_prints = 0;
    c->at = 0;
    c->why = NULL;
}

static void check_fini(struct msgpack_check *c)
{
    if (c->slots)
        c->memory->free(c->memory->owner, c->slots, c->slot_count * sizeof *c->slots);
    c->slots = NULL;
}

static enum err check_some(struct msgpack_check *c, struct slice s, unsigned depth_max,
                           size_t steps)
{
    c->data = s.data;
    c->size = s.size;
    if (s.size > UINT32_MAX) {
        c->why = "the value is larger than 4 GiB";
        return ERR_TOO_LARGE;
    }
    return check_walk(c, depth_max < MSGPACK_DEPTH_MAX ? depth_max : MSGPACK_DEPTH_MAX, steps);
}

enum err msgpack_check_document_with(struct slice s, unsigned depth_max,
                                     const struct msgpack_memory *memory, const char **why)
{
    struct msgpack_check c;
    enum err e;

    check_init(&c, memory);
    e = check_some(&c, s, depth_max, SIZE_MAX);
    check_fini(&c);
    if (e && why)
        *why = c.why;
    return e;
}

enum err msgpack_check_part(struct msgpack_check **at, struct slice s,
                            const struct msgpack_memory *memory, size_t steps, const char **why)
{
    struct msgpack_check first; /* most documents are done in one part */
    struct msgpack_check *c = *at ? *at : &first;
    enum err e;

    if (c == &first)
        check_init(c, memory);
    e = check_some(c, s, MSGPACK_DEPTH_MAX, steps);
    if (e == ERR_WAIT && c == &first) {
        c = memory->alloc(memory->owner, sizeof *c);
        if (c) {
            *c = first;
            *at = c;
        } else {
            c = &first;
            c->why = "out of memory while checking the value";
            e = ERR_NOMEM;
        }
    }
    if (e == ERR_WAIT)
        return e;
    if (e && why)
        *why = c->why;
    if (c == &first)
        check_fini(c);
    else
        msgpack_check_free(at);
    return e;
}

void msgpack_check_free(struct msgpack_check **at)
{
    struct msgpack_check *c = *at;

    if (!c)
        return;
    check_fini(c);
    c->memory->free(c->memory->owner, c, sizeof *c);
    *at = NULL;
}

static void *heap_alloc(void *owner, size_t bytes)
{
    (void)owner;
    return malloc(bytes);
}

static void heap_free(void *owner, void *memory, size_t bytes)
{
    (void)owner;
    (void)bytes;
    free(memory);
}

enum err msgpack_check_document(struct slice s, unsigned depth_max, const char **why)
{
    static const struct msgpack_memory heap = {heap_alloc, heap_free, NULL};

    return msgpack_check_document_with(s, depth_max, &heap, why);
}
