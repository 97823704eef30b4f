/* generated_key.h - putting a generated key into a document at its key path.
 *
 * Threads: any; keeps no state, allocates nothing. */
#ifndef HOLDFAST_TXN_GENERATED_KEY_H
#define HOLDFAST_TXN_GENERATED_KEY_H

#include "server/storage/key.h"

/* Room that the document with the field takes at most. */
size_t generated_key_room(struct slice document, const struct key_part *path);

/* Put into to the document with value (MessagePack) at path, where it has no such field yet; maps
 * on the way are made. Returns what was put; none if something on the way is not a map. */
struct slice generated_key_put(struct slice document, const struct key_part *path,
                               struct slice value, uint8_t *to);

#endif
