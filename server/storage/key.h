/* key.h - keys as bytes that memcmp orders, and the key paths that find them.
 *
 * An encoded key is its parts one after the other, each self-terminating, so
 * no part is the beginning of another. Order of types: nil < false < true <
 * numbers (integers and floats in one exact order; 1, 1.0 are one key, -0.0 is
 * 0, NaN is refused) < timestamps < text < binary < arrays. A descending part
 * is the complement of the ascending one. docs/formats.md has the byte table.
 *
 * Threads: any; nothing here keeps state. Nothing here allocates. */
#ifndef HOLDFAST_STORAGE_KEY_H
#define HOLDFAST_STORAGE_KEY_H

#include "proto/msgpack.h"

#define KEY_BYTES_MAX 4096 /* encoded, all parts */
#define KEY_PARTS_MAX 16
#define KEY_STEPS_MAX 16 /* of one path */

/* How a store or an index makes its keys. Lives in one block of memory with its
 * texts, owned by the schema that it belongs to. */
struct key_part {
    bool descending;
    unsigned step_count;               /* 0: an explicit key has no path */
    struct slice steps[KEY_STEPS_MAX]; /* to descend by, outermost first: names, and places */
};

/* A step that is a place in an array, its number in size: it has no text. */
static inline bool key_step_is_place(struct slice step)
{
    return step.data == NULL;
}

struct key_spec {
    bool is_explicit;    /* the key comes beside the record */
    unsigned part_count; /* 1 for explicit keys */
    struct key_part parts[KEY_PARTS_MAX];
};

/* Read the `key` option of docs/protocol.md: a path, or a list of parts, each a path or
 * {path, order: "asc"|"desc"}; a path is text (one field name, taken whole) or a list of
 * steps: names, and numbers of places in arrays; no steps are the whole document. A list of
 * texts is a list of parts; nil is the explicit key. The spec borrows its texts from option.
 * ERR_BAD_REQUEST; *why (may be NULL) gets a static text. */
enum err key_spec_read(struct slice option, struct key_spec *out, const char **why);

/* Put the spec in one canonical MessagePack form (nil for explicit keys; what `stores`
 * shows and the catalogue keeps); returns bytes put, 0 if room is too small. */
size_t key_spec_write(const struct key_spec *spec, uint8_t *to, size_t room);

/* Encode one MessagePack value as one part at to. ERR_BAD_KEY: a type that cannot be
 * a key (map, other ext, NaN), bad UTF-8 or depth over MSGPACK_DEPTH_MAX;
 * ERR_TOO_LARGE: over room. */
enum err key_encode_value(struct slice value, bool descending, uint8_t *to, size_t room,
                          size_t *size);

/* Encode a key as a client gives it: for one part its value; for several an array of
 * exactly that many. to has KEY_BYTES_MAX bytes. ERR_BAD_KEY, ERR_TOO_LARGE. Here and
 * below *why (may be NULL) gets a static text to show to a person, on errors only. */
enum err key_encode(const struct key_spec *spec, struct slice key, uint8_t *to, size_t *size,
                    const char **why);

/* The key of a document by the spec's paths. A text names a field of a map, a number a place in
 * an array; a field that is nil is there, and its key is nil.
 * ERR_NOT_FOUND: a field is missing (*part says of which part; so too for ERR_BAD_KEY);
 * ERR_BAD_KEY; ERR_TOO_LARGE. An explicit spec is a broken promise. */
enum err key_of_document(const struct key_spec *spec, struct slice document, uint8_t *to,
                         size_t *size, unsigned *part, const char **why);

/* The key as a client sees it, MessagePack: for one part its value, for several an
 * array. ERR_CORRUPT if the bytes are no key of the spec, ERR_TOO_LARGE over room.
 * KEY_PLAIN_BYTES_MAX is always room enough. Numbers come back in their shortest exact
 * form: an integer where the number is one that 64 bits hold, else a double. */
#define KEY_PLAIN_BYTES_MAX (2 * KEY_BYTES_MAX)
enum err key_decode(const struct key_spec *spec, struct slice encoded, uint8_t *to, size_t room,
                    size_t *size);
/* The same of a key that was checked when it was written, and by its page's checksum when it
 * was read: it is not looked at again whether texts are UTF-8. */
enum err key_decode_known(const struct key_spec *spec, struct slice encoded, uint8_t *to,
                          size_t room, size_t *size);

/* The whole part of the number that is an encoded key of one part; UINT64_MAX: it does not fit. 0:
 * it is below 1, or no number. */
uint64_t key_whole_number(struct slice encoded, bool descending);
/* Numbers of one part lie below this first byte, or (descending) from it on: so the greatest is
 * the last key below, or the first from it on, unless there is none. */
uint8_t key_number_bound(bool descending);

/* How many bytes the first key of the spec takes at the beginning of the bytes, behind which
 * others follow. ERR_CORRUPT: there is none. Not all that decoding would refuse is seen. */
enum err key_split(const struct key_spec *spec, struct slice bytes, size_t *size);

/* Bounds in encoded bytes: from <= k < to, memcmp order. from_size 0 and to_size 0 mean
 * the beginning and the end. */
struct key_range {
    size_t from_size;
    size_t to_size;
    bool empty; /* nothing can be in it */
    uint8_t from[KEY_BYTES_MAX + 1];
    uint8_t to[KEY_BYTES_MAX + 1];
};

/* Read a range: none or nil or {} for all, or a map with gt | gte, lt | lte, or one of eq,
 * prefix, starts alone. They speak of the order of keys in the store, so gt of a
 * descending part means lesser values. For a key of one part each holds a value, which
 * compares whole (then prefix is eq); for several an array of leading parts, which
 * stands for all keys that begin so: gt and lt leave them all out, gte and lte take them
 * all in, eq is prefix. An array of no parts stands for all keys. The last part given to
 * starts is the beginning of a text or binary.
 * ERR_BAD_REQUEST (unknown, doubled or contradicting names), ERR_BAD_KEY, ERR_TOO_LARGE. */
enum err key_range_read(const struct key_spec *spec, struct slice range, struct key_range *out,
                        const char **why);
extern const char key_refused_map[]; /* what `why` is of a map */
#define KEY_RANGE_FIELDS "gt, gte, lt, lte, eq, prefix and starts"
/* The first field of the map that a range does not have; none: there is none, or no such map. */
struct slice key_range_unknown(struct slice range);

/* The least key above all keys that begin with the bytes, in place; false if there is
 * none. *size never grows. */
bool key_successor(uint8_t *bytes, size_t *size);

#endif
