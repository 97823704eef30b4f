/* key_document.c - the key that a document carries in its fields.
 *
 * The outermost map is walked once for all parts, since a document has many
 * fields and its key usually lies in the first ones; deeper steps are walked for
 * each part alone. A document was checked when it came: no field is there twice. */
#include "server/storage/key_internal.h"

#include "server/base/assert.h"

/* Read a map's head. ERR_NOT_FOUND: it is no map, so it has no fields. */
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

/* Point found[i] at the value of the first step of part i, for all parts; those that
 * are missing stay as they are. */
static enum err first_steps_find(const struct key_spec *spec, struct slice document,
                                 struct msgpack_cursor *found)
{
    struct msgpack_cursor c = msgpack_open(document);
    unsigned missing = spec->part_count;
    uint32_t pairs;
    enum err e = map_enter(&c, &pairs);

    ASSERT(spec->part_count > 0 && spec->part_count <= KEY_PARTS_MAX);
    for (uint32_t pair = 0; !e && pair < pairs && missing; pair++) {
        struct slice name;

        e = name_read(&c, &name);
        if (e)
            break;
        ASSERT(spec->parts[0].step_count > 0);
        for (unsigned i = 0; i < spec->part_count; i++) {
            if (!found[i].at && !slice_is_none(name) &&
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

        if (!found[i].at)
            e = ERR_NOT_FOUND;
        for (unsigned step = 1; !e && step < p->step_count; step++)
            e = field_find(&found[i], p->steps[step]);
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
