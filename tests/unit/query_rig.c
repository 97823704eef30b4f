#include "query_rig.h"

#include <check.h>
#include <stdlib.h>

void query_rig_open(struct query_rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->sim = sim_new(1);
    arena_init(&rig->arena, sim_table(rig->sim));
    rig->m.arena = &rig->arena;
    rig->m.bytes_max = QUERY_RIG_MEMORY_MAX;
}

void query_rig_close(struct query_rig *rig)
{
    for (unsigned i = 0; i < rig->count; i++)
        buffer_fini(&rig->values[i]);
    arena_free(&rig->arena);
    ck_assert_uint_eq(sim_alloc_outstanding(rig->sim), 0);
    sim_free(rig->sim);
}

struct datum query_rig_value(struct query_rig *rig, const char *text)
{
    if (!*text)
        return (struct datum){.type = DATUM_MISSING};
    ck_assert(rig->count < QUERY_RIG_VALUES_MAX);
    rig->values[rig->count] = packed(text);
    return datum_read(buffer_slice(&rig->values[rig->count++]));
}

void query_rig_expect(const struct datum *d, const char *wanted, const char *sentence)
{
    struct buffer expected = packed(wanted);
    size_t size = datum_size(d);
    uint8_t *bytes = malloc(size + 1);

    ck_assert_msg(datum_write(d, bytes) == size, "%s: the size is not what is written",
                  sentence);
    ck_assert_msg(slice_equal(slice_make(bytes, size), buffer_slice(&expected)),
                  "%s is not %s but of type %s", sentence, wanted, datum_type_name(d));
    free(bytes);
    buffer_fini(&expected);
}
