#include "server/query/function_table.h"

#include "server/base/text.h"
#include "server/query/function_internal.h"

#define NAME_BYTES_MAX 24
#define NEAR_EDITS_MAX 3

const struct query_function *query_function_at(unsigned i)
{
    const struct query_function *const tables[] = {functions_of_values, functions_of_text,
                                                   functions_of_numbers, functions_of_time,
                                                   functions_of_arrays};

    for (unsigned t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (const struct query_function *f = tables[t]; f->name; f++) {
            if (i-- == 0)
                return f;
        }
    }
    return NULL;
}

const struct query_function *query_function_find(struct slice name, const char **near)
{
    uint8_t lower[NAME_BYTES_MAX];
    const struct query_function *f;
    unsigned nearest = NEAR_EDITS_MAX;
    struct slice folded;

    *near = NULL;
    folded = slice_make(lower, name.size < sizeof lower ? name.size : sizeof lower);
    for (size_t i = 0; i < folded.size; i++)
        lower[i] =
            name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] | 0x20 : name.data[i];
    for (unsigned i = 0; (f = query_function_at(i)); i++) {
        unsigned edits;

        if (folded.size == name.size && slice_equal(folded, slice_text(f->name)))
            return f;
        edits = text_distance(folded, slice_text(f->name));
        if (edits < nearest && edits < strlen(f->name)) {
            nearest = edits;
            *near = f->name;
        }
    }
    return NULL;
}
