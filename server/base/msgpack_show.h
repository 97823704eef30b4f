/* msgpack_show.h - a MessagePack value in words, for people: {"a":1}, [1,"b"], 0x00ff, nil.
 *
 * Texts are escaped as text_escape does it. What does not fit ends with "...". */
#ifndef HOLDFAST_BASE_MSGPACK_SHOW_H
#define HOLDFAST_BASE_MSGPACK_SHOW_H

#include "proto/slice.h"

#define MSGPACK_SHOWN_BYTES 128

/* Terminated; room is at least 8. Returns to. What is not MessagePack is shown as its bytes. */
const char *msgpack_show(struct slice value, char *to, size_t room);
/* Bytes as 0x..., the same way. */
const char *bytes_show(struct slice bytes, char *to, size_t room);

#endif
