#include "server/txn/generated_key.h"

#include "server/base/assert.h"

size_t generated_key_room(struct slice document, const struct key_part *path)
{
    size_t room = document.size + MSGPACK_HEAD_MAX * 2;

    ASSERT(path->step_count > 0 && path->step_count <= KEY_STEPS_MAX);
    for (unsigned i = 0; i < path->step_count; i++)
        room += path->steps[i].size + MSGPACK_HEAD_MAX * 3;
    ASSERT(room > document.size);
    return room;
}

static uint8_t *generated_key_copy(uint8_t *at, struct slice bytes)
{
    memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

/* The field where nothing of the rest of the path is there: nested new maps. */
static uint8_t *generated_key_new(uint8_t *at, const struct slice *steps, unsigned count,
                                  struct slice value)
{
    ASSERT(count > 0 && count <= KEY_STEPS_MAX);
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            at += msgpack_put_map_head(at, 1);
        at += msgpack_put_text(at, steps[i]);
    }
    return generated_key_copy(at, value);
}

/* One level: copies the map at c with the field added below it. Depth is bounded by
 * the number of steps. NULL: no map. */
static uint8_t *generated_key_level(uint8_t *at, struct msgpack_cursor *c,
                                    const struct slice *steps, unsigned count,
                                    struct slice value)
{
    struct msgpack_cursor look;
    uint32_t pairs;
    bool found = false;

    ASSERT(count > 0);
    if (msgpack_read_map(c, &pairs) != ERR_OK)
        return NULL;
    look = *c;
    for (uint32_t i = 0; i < pairs && !found; i++) {
        struct msgpack_cursor text = look;
        struct slice name;

        found = msgpack_read_text(&text, &name) == ERR_OK && slice_equal(name, steps[0]);
        msgpack_skip(&look, MSGPACK_DEPTH_MAX, NULL);
        msgpack_skip(&look, MSGPACK_DEPTH_MAX, NULL);
    }
    at += msgpack_put_map_head(at, pairs + (found ? 0 : 1));
    for (uint32_t i = 0; i < pairs; i++) {
        struct msgpack_cursor text = *c;
        struct slice name, whole;
        bool is_it = msgpack_read_text(&text, &name) == ERR_OK && slice_equal(name, steps[0]);

        msgpack_skip(c, MSGPACK_DEPTH_MAX, &whole);
        at = generated_key_copy(at, whole);
        if (is_it && count > 1) {
            at = generated_key_level(at, c, steps + 1, count - 1, value);
            if (!at)
                return NULL;
        } else {
            msgpack_skip(c, MSGPACK_DEPTH_MAX, &whole);
            at = generated_key_copy(at, whole);
        }
    }
    return found ? at : generated_key_new(at, steps, count, value);
}

struct slice generated_key_put(struct slice document, const struct key_part *path,
                               struct slice value, uint8_t *to)
{
    struct msgpack_cursor c = msgpack_open(document);
    uint8_t *end = generated_key_level(to, &c, path->steps, path->step_count, value);

    ASSERT(value.size > 0);
    ASSERT(!end || end > to);
    return end ? slice_make(to, (size_t)(end - to)) : SLICE_NONE;
}
