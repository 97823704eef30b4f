/* rights.h - what a user may do: everything, or what grants allow on databases and stores.
 *
 * A grant names a database and a store by patterns, in which * stands for any characters and \
 * takes the next one as it is, and allows reading, writing, or changing what stores there are. All
 * grants together count. Whoever has no grant on a store may not know that it exists.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_NET_RIGHTS_H
#define HOLDFAST_NET_RIGHTS_H

#include "server/net/net_buffer.h"
#include "server/txn/guard.h"

#define GRANTS_MAX 256 /* of one user */
#define PATTERN_BYTES_MAX 255

struct grant {
    unsigned rights; /* bits of enum guard_right */
    uint16_t database_size, store_size;
    uint8_t database[PATTERN_BYTES_MAX];
    uint8_t store[PATTERN_BYTES_MAX];
};

struct rights {
    bool is_admin; /* everything, users and operators' methods included */
    size_t count;
    struct grant *grants; /* owned */
};

void rights_fini(struct rights *r);

/* Rights on a store (none: on every store, whatever its name), bits of enum guard_right; 0: it may
 * not be seen. */
unsigned rights_on(const struct rights *r, struct slice database, struct slice store);
/* Whether any grant is of the database. */
bool rights_see_database(const struct rights *r, struct slice database);

/* Whether everything that before allows is allowed by now, as far as grants show it one by one:
 * false where something may have been taken away. */
bool rights_include(const struct rights *now, const struct rights *before);

/* A list of [database, store, [rights]], in MessagePack. to is empty. ERR_NOMEM;
 * ERR_BAD_REQUEST: *why says what is wrong, in words. */
enum err rights_read_grants(struct msgpack_cursor *at, struct rights *to, const char **why);
void rights_put_grants(struct net_buffer *b, const struct rights *r);

/* Whether text is one that the pattern means. */
bool pattern_matches(struct slice pattern, struct slice text);

#endif
