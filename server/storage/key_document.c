/* key_document.c - the key that a document carries in its fields.
 *
 * The outermost map is walked once for all parts, since a document has many
 * fields and its key usually lies in the first ones; deeper steps are walked for
 * each part alone. A document was checked when it came: no field is there twice. */
#include "server/storage/key_internal.h"

#include "server/base/assert.h"

/* Read a map's head. ERR_NOT_FOUND: it is not a map, so it has no fields. */
static enum err map_enter(struct msgpack_cursor *c, uint32_t *pairs)
{
    struct msgpack_token t;

    if (msgpack_read(c, &t))
        return ERR_BAD_KEY;
    if (t.type != MSGPACK_MAP)
        return ERR_NOT_FOUND;
    *pairs = t.count;
    return ERR_OK;
}

/* Read a field's name; none if the map's key is no text. */
static enum err name_read(struct msgpack_cursor *c, struct slice *name)
{
    ASSERT(c->at <= c->end);
    *name = SLICE_NONE;
    if (!msgpack_at_end(c) && !msgpack_read_text(c, name))
        return ERR_OK;
    return msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL) ? ERR_BAD_KEY : ERR_OK;
}

/* Move c from a map to the value of its field. */
static enum err field_find(struct msgpack_cursor *c, struct slice field)
{
    uint32_t pairs;
    enum err e = map_enter(c, &pairs);

    for (uint32_t i = 0; i < pairs && !e; i++) {
        struct slice name;

        e = name_read(c, &name);
        if (!e && !slice_is_none(name) && slice_equal(name, field))
            return ERR_OK;
        if (!e && msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL))
            e = ERR_BAD_KEY;
    }
    return e ? e : ERR_NOT_FOUND;
}

/* Move c from an array to the element at a place. */
static enum err place_find(struct msgpack_cursor *c, size_t place)
{
    struct msgpack_token t;

    if (msgpack_read(c, &t))
        return ERR_BAD_KEY;
    if (t.type != MSGPACK_ARRAY || t.count <= place)
        return ERR_NOT_FOUND;
    while (place-- > 0) {
        if (msgpack_skip(c, MSGPACK_DEPTH_MAX, NULL))
            return ERR_BAD_KEY;
    }
    return ERR_OK;
}

/* Go down by all steps of a part from first on. */
static enum err steps_follow(struct msgpack_cursor *c, const struct key_part *part,
                             unsigned first)
{
    enum err e = ERR_OK;

    for (unsigned i = first; i < part->step_count && !e; i++)
        e = key_step_is_place(part->steps[i]) ? place_find(c, part->steps[i].size)
                                              : field_find(c, part->steps[i]);
    return e;
}

static bool begins_with_name(const struct key_part *part)
{
    return part->step_count && !key_step_is_place(part->steps[0]);
}

/* Point found[i] at the value of the first step of part i, for all parts; those that
 * are missing stay as they are. */
static enum err first_steps_find(const struct key_spec *spec, struct slice document,
                                 struct msgpack_cursor *found)
{
    struct msgpack_cursor c = msgpack_open(document);
    unsigned missing = 0;
    uint32_t pairs;
    enum err e;

    for (unsigned i = 0; i < spec->part_count; i++)
        missing += begins_with_name(&spec->parts[i]);
    if (!missing)
        return ERR_OK;
    e = map_enter(&c, &pairs);
    if (e == ERR_NOT_FOUND)
        return ERR_OK; /* no map: those stay as they are */

    ASSERT(spec->part_count > 0 && spec->part_count <= KEY_PARTS_MAX);
    for (uint32_t pair = 0; !e && pair < pairs && missing; pair++) {
        struct slice name;

        e = name_read(&c, &name);
        if (e)
            break;
        ASSERT(spec->parts[0].step_count > 0);
        for (unsigned i = 0; i < spec->part_count; i++) {
            if (!found[i].at && !slice_is_none(name) && begins_with_name(&spec->parts[i]) &&
                slice_equal(name, spec->parts[i].steps[0])) {
                ASSERT(missing > 0);
                found[i] = c;
                missing--;
            }
        }
        if (missing && msgpack_skip(&c, MSGPACK_DEPTH_MAX, NULL))
            e = ERR_BAD_KEY;
    }
    return e;
}

enum err key_of_document(const struct key_spec *spec, struct slice document, uint8_t *to,
                         size_t *size, unsigned *part, const char **why)
{
    struct msgpack_cursor found[KEY_PARTS_MAX];
    struct key_writer w = {to, to + KEY_BYTES_MAX};
    const char *reason = "the document is not valid MessagePack";
    unsigned i = 0;
    enum err e;

    ASSERT(!spec->is_explicit);
    for (unsigned n = 0; n < spec->part_count; n++)
        found[n] = (struct msgpack_cursor){NULL, NULL};
    e = first_steps_find(spec, document, found);
    for (; !e && i < spec->part_count; i++) {
        const struct key_part *p = &spec->parts[i];

        if (begins_with_name(p)) {
            e = found[i].at ? steps_follow(&found[i], p, 1) : ERR_NOT_FOUND;
        } else {
            found[i] = msgpack_open(document);
            e = steps_follow(&found[i], p, 0);
        }
        if (!e)
            e = key_part_encode(&found[i], p->descending, &w, &reason);
        if (e)
            break;
    }
    if (!e) {
        ASSERT(i == spec->part_count && w.at <= w.end);
        *size = (size_t)(w.at - to);
        return ERR_OK;
    }
    if (part)
        *part = i;
    if (why)
        *why = e == ERR_NOT_FOUND ? "the document lacks a field of the key" : reason;
    return e;
}
