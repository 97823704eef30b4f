/* key_internal.h - the tags of encoded keys, and what the files of key share.
 * docs/formats.md, "Keys", has the byte table; the numbers are on disk. */
#ifndef HOLDFAST_STORAGE_KEY_INTERNAL_H
#define HOLDFAST_STORAGE_KEY_INTERNAL_H

#include "server/storage/key.h"

/* In the order of types. 0x00 is no tag: it ends arrays. */
enum key_tag {
    KEY_TAG_NIL = 0x02,
    KEY_TAG_FALSE = 0x03,
    KEY_TAG_TRUE = 0x04,
    KEY_TAG_NEGATIVE_BIG = 0x10, /* -2^64 and below, as a double */
    KEY_TAG_NEGATIVE_0 = 0x19,   /* minus n: n bytes of integer part follow, n 0..8 */
    KEY_TAG_POSITIVE_0 = 0x1c,   /* plus n: the same */
    KEY_TAG_POSITIVE_BIG = 0x25, /* 2^64 and above, as a double */
    KEY_TAG_TIMESTAMP = 0x30,
    KEY_TAG_TEXT = 0x38,
    KEY_TAG_BINARY = 0x39,
    KEY_TAG_ARRAY = 0x3c,
};

#define KEY_ARRAY_END 0x00

/* In text and binary: 0x00 is written as 0x00 0xff, the end as 0x00 0x01. */
#define KEY_BYTES_ESCAPE 0xff
#define KEY_BYTES_END 0x01
#define KEY_BYTES_END_SIZE 2

/* Behind the integer part of a number. */
#define KEY_FRACTION_NONE 0x00
#define KEY_FRACTION_SOME 0x01 /* 8 bytes follow */

#define KEY_NUMBER_BYTES_MAX 18 /* tag, 8 integer part, 1, 8 fraction */

#define KEY_TWO_TO_64 18446744073709551616.0

/* Where encoded bytes go. */
struct key_writer {
    uint8_t *at;
    uint8_t *end;
};

/* Encode the value at c as one part and step over it. ERR_BAD_KEY, ERR_TOO_LARGE; *why,
 * never NULL, gets a static text then. After an error both are where they may be. */
enum err key_part_encode(struct msgpack_cursor *c, bool descending, struct key_writer *w,
                         const char **why);

#endif
