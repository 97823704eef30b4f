/* inject.h - putting a generated key into a document at its key path.
 *
 * Threads: any; keeps no state, allocates nothing. */
#ifndef HOLDFAST_TXN_INJECT_H
#define HOLDFAST_TXN_INJECT_H

#include "server/store/key.h"

/* Room that the document with the field takes at most. */
size_t inject_room(struct slice document, const struct key_part *path);

/* Put into to the document with value (MessagePack) at path, where it has no such field yet; maps
 * on the way are made. Returns what was put; none if something on the way is no map. */
struct slice inject_field(struct slice document, const struct key_part *path,
                          struct slice value, uint8_t *to);

#endif
