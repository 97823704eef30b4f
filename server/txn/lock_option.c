#include "server/txn/lock_option.h"

#include "proto/msgpack.h"
#include "server/base/assert.h"

static enum err lock_option_refuse(struct failure *f)
{
    return failure_set(
        f, ERR_BAD_REQUEST,
        "lock: expected \"database\", or a map with shared and exclusive, each a "
        "list of store names");
}

static enum err names_read(struct slice list, uint32_t *count, struct failure *f)
{
    struct msgpack_cursor at = msgpack_open(list);
    struct slice name;

    if (msgpack_read_array(&at, count))
        return lock_option_refuse(f);
    for (uint32_t i = 0; i < *count; i++) {
        if (msgpack_read_text(&at, &name))
            return lock_option_refuse(f);
        if (name.size < 1 || name.size > TEXT_NAME_BYTES_MAX || !msgpack_text_is_utf8(name))
            return failure_set(f, ERR_BAD_REQUEST,
                               "lock: invalid store name: expected 1 to %d bytes of UTF-8",
                               TEXT_NAME_BYTES_MAX);
    }
    ASSERT(at.at <= at.end);
    return ERR_OK;
}

enum err lock_option_read(struct slice option, struct lock_option *out, struct failure *f)
{
    static const char *const modes[] = {"shared", "exclusive"};
    struct msgpack_cursor at = msgpack_open(option);
    struct slice word, list;
    uint32_t pairs;
    enum err e = ERR_OK;

    *out = (struct lock_option){.names = {SLICE_NONE, SLICE_NONE}};
    if (msgpack_read_text(&at, &word) == ERR_OK) {
        out->is_whole = slice_equal(word, slice_text("database"));
        return out->is_whole ? ERR_OK : lock_option_refuse(f);
    }
    at = msgpack_open(option);
    if (msgpack_read_map(&at, &pairs))
        return lock_option_refuse(f);
    for (; pairs && !e; pairs--) {
        unsigned mode = LOCK_SHARED;

        if (msgpack_read_text(&at, &word) || msgpack_skip(&at, MSGPACK_DEPTH_MAX, &list))
            return lock_option_refuse(f);
        while (mode < LOCK_MODES && !slice_equal(word, slice_text(modes[mode])))
            mode++;
        if (mode == LOCK_MODES || !slice_is_none(out->names[mode]))
            return lock_option_refuse(f);
        out->names[mode] = list;
        e = names_read(list, &out->counts[mode], f);
    }
    ASSERT(e || !out->is_whole);
    return e;
}
