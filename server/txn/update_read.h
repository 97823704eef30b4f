/* update_read.h - a list of changes (update.h), as a client gives it.
 *
 * Threads: any. */
#ifndef HOLDFAST_TXN_UPDATE_READ_H
#define HOLDFAST_TXN_UPDATE_READ_H

#include "proto/msgpack.h"
#include "server/base/failure.h"
#include "server/storage/path.h"

struct update_path {
    unsigned count;
    struct path_step steps[PATH_STEPS_MAX];
};

/* What the changes ask for. */
struct update_needs {
    uint32_t changes;
    size_t growth;     /* bytes that they add to a document at most */
    size_t growth_max; /* ... one of them */
};

enum update_operator {
    UPDATE_SET,
    UPDATE_UNSET,
    UPDATE_ADD,
    UPDATE_MIN,
    UPDATE_MAX,
    UPDATE_APPEND,
    UPDATE_COMMIT,
    UPDATE_OPERATORS
};

struct update_change {
    enum update_operator what;
    uint32_t number;        /* of the change in its list, from 1 */
    struct slice path_text; /* as given */
    struct update_path path;
    struct slice value; /* none: unset and commit take none */
};

/* Read the change at *c and step over it. */
enum err update_change_read(struct msgpack_cursor *c, uint32_t number,
                            struct update_change *out, struct failure *f);
/* e with a text that names the change, its operator and its path. */
COLD enum err update_refuse(struct failure *f, enum err e, const struct update_change *change,
                            const char *format, ...) __attribute__((format(printf, 4, 5)));
/* What a value is in words, by its first token: "a map", "text", ... */
const char *update_kind(const struct msgpack_token *t);

/* Look through the changes without a document. They are well-formed MessagePack already
 * (msgpack_check_document). ERR_BAD_REQUEST, ERR_BAD_VALUE: f says which change, its operator
 * and path. */
enum err update_measure(struct slice changes, struct update_needs *needs, struct failure *f);

/* Bytes of memory for a document of size bytes to which the changes are made. */
size_t update_room(const struct update_needs *needs, size_t size, size_t bytes_max);

/* Bytes that update_put takes at most. */
size_t update_put_room(const struct update_path *path, struct slice value);

#endif
