/* call.h - a method with its parameters and options, read by the table.
 *
 * Everything is borrowed from the bytes it was read from: read again when those
 * have moved. */
#ifndef HOLDFAST_NET_CALL_H
#define HOLDFAST_NET_CALL_H

#include "proto/methods.h"
#include "proto/msgpack.h"
#include "server/base/failure.h"

struct call_value {
    struct slice raw;  /* MessagePack; none: left out */
    struct slice text; /* NAME, SOURCE (the store), text options; binary options: the payload */
    uint64_t number;   /* NUMBER; options that are numbers or bools */
    bool indexed;      /* SOURCE: it was [store, index] */
};

struct call {
    const struct method *method;
    uint32_t t;     /* METHOD_TAKES_T, begin; 0: autocommit */
    uint64_t given; /* bits of enum method_option that were given */
    struct call_value params[PARAM_ID_COUNT]; /* by their name; those of its method are set */
    struct call_value options[OPTION_ID_COUNT];  /* only those given are set */
    const uint8_t *end; /* where the params end that were read without an error */
};

/* Read params (an array, well-formed) for method. inner: an entry of `run`, which has no t and
 * no deadline, and behind which others may stand; else params are nothing but the array. Also
 * after an error t is set if it could be read. ERR_BAD_REQUEST with f. */
enum err call_read(struct call *c, const struct method *method, struct slice params, bool inner,
                   struct failure *f);

/* The handle that params name, whatever else is wrong with them: their first element, or
 * "t" of a map, or they themselves. 0: none. */
uint32_t call_handle_named(struct slice params);

static inline bool call_has(const struct call *c, enum method_option option)
{
    return (c->given >> option) & 1;
}

/* A number or bool that was given, or standard. */
static inline uint64_t call_number(const struct call *c, enum method_option option,
                                   uint64_t standard)
{
    return call_has(c, option) ? c->options[option].number : standard;
}

enum err call_word_given(const struct call *c, enum method_option option,
                         const char *const *words, unsigned n, unsigned *out,
                         struct failure *f);

/* Which of the words (n of them, the first is the default) a text option has.
 * ERR_BAD_REQUEST. */
static inline enum err call_word(const struct call *c, enum method_option option,
                                 const char *const *words, unsigned n, unsigned *out,
                                 struct failure *f)
{
    *out = 0;
    return call_has(c, option) ? call_word_given(c, option, words, n, out, f) : ERR_OK;
}

/* Read one value as an option of that type would be: used for maps of methods' own. */
enum err call_read_value(struct msgpack_cursor *cursor, enum option_value type,
                         struct call_value *out);

#endif
