/* field_names.c - see field_names.h. */
#include "server/query/field_names.h"

#include "server/base/text.h"
#include "server/query/datum.h"
#include "server/storage/key.h"
#include "server/txn/estimate.h"
#include "server/txn/op.h"

#define NEAR_EDITS_MAX 3 /* a name that is nearer is suggested */

bool field_names_have(const struct field_names *f, struct slice name)
{
    for (unsigned i = 0; i < f->count; i++)
        if (slice_equal(f->names[i], name))
            return true;
    return false;
}

struct slice field_names_near(const struct field_names *f, struct slice name,
                              unsigned *distance)
{
    struct slice nearest = SLICE_NONE;

    *distance = NEAR_EDITS_MAX;
    for (unsigned i = 0; i < f->count; i++) {
        unsigned edits = text_distance(name, f->names[i]);

        if (edits < *distance && edits < f->names[i].size) {
            *distance = edits;
            nearest = f->names[i];
        }
    }
    return nearest;
}

static enum err take_names(struct op *op, struct arena *arena, struct slice record,
                           struct field_names *out)
{
    struct datum d = datum_read(record), name, value;
    struct datum_walk walk = datum_fields(&d);

    while (datum_next_field(&walk, &name, &value)) {
        uint8_t *kept;

        if (name.type != DATUM_TEXT || field_names_have(out, name.bytes))
            continue;
        out->is_full = out->count == FIELD_SAMPLE_NAMES;
        if (out->is_full)
            return ERR_OK;
        kept = arena_alloc(arena, name.bytes.size + 1);
        if (!kept)
            return failure_set(&op->failure, ERR_NOMEM, "out of memory for the query");
        if (name.bytes.size)
            memcpy(kept, name.bytes.data, name.bytes.size);
        out->names[out->count++] = slice_make(kept, name.bytes.size);
    }
    return ERR_OK;
}

static enum err take_records(struct op *op, struct cursor *c, struct arena *arena,
                             struct field_names *out)
{
    enum err e = ERR_OK;

    while (!e && out->records < FIELD_SAMPLE_RECORDS && !out->is_full) {
        struct cursor_row row;

        e = cursor_next(op, c, &row);
        if (!e)
            e = take_names(op, arena, row.value, out);
        out->records += !e;
    }
    return e == ERR_END ? ERR_OK : e;
}

enum err field_names_sample(struct op *op, struct cursor *anchor, struct schema *store,
                            struct arena *arena, struct field_names *out)
{
    struct cursor_options options = {.limit = FIELD_SAMPLE_RECORDS, .only_values = true};
    struct key_range all;
    struct cursor *c;
    enum err e;

    *out = (struct field_names){0};
    if (estimate_notes_reads(anchor))
        return ERR_OK;
    out->names = arena_alloc(arena, FIELD_SAMPLE_NAMES * sizeof *out->names);
    if (!out->names)
        return failure_set(&op->failure, ERR_NOMEM, "out of memory for the query");
    all.empty = false;
    all.from_size = all.to_size = 0;
    e = cursor_open_over(op, anchor, store, &all, &options, &c);
    if (e)
        return e;
    e = take_records(op, c, arena, out);
    cursor_close(c);
    return e;
}
