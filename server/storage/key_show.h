/* key_show.h - encoded keys in words, for people.
 *
 * Threads: any. */
#ifndef HOLDFAST_STORAGE_KEY_SHOW_H
#define HOLDFAST_STORAGE_KEY_SHOW_H

#include "server/base/msgpack_show.h"
#include "server/storage/key.h"

/* As its clients give it; bytes as 0x... where it is not a key of the spec. Returns to, which has
 * MSGPACK_SHOWN_BYTES. */
const char *key_show(const struct key_spec *spec, struct slice key, char *to);
/* Where the spec is not known: its parts, as if all were ascending. The same room. */
const char *key_show_parts(struct slice key, char *to);

/* The path of a part: address.city, tags[0]; cut with "..." where it is long. */
#define KEY_PATH_SHOWN_BYTES 128
const char *key_path_show(const struct key_part *part, char to[KEY_PATH_SHOWN_BYTES]);

#define KEY_PATH_SHOW(part) key_path_show((part), (char[KEY_PATH_SHOWN_BYTES]){0})
#define KEY_SHOW(spec, key) key_show((spec), (key), (char[MSGPACK_SHOWN_BYTES]){0})
#define KEY_SHOW_PARTS(key) key_show_parts((key), (char[MSGPACK_SHOWN_BYTES]){0})

#endif
