/* json_internal.h - JSON being read, and the values that JSON lacks (json_typed.c). */
#ifndef HOLDFAST_CLI_JSON_INTERNAL_H
#define HOLDFAST_CLI_JSON_INTERNAL_H

#include "client/cli/json.h"

struct json_parser {
    const uint8_t *begin, *at, *end;
    struct hf_pack *out;
    const char *why; /* NULL: no error so far */
    const uint8_t *where;
    unsigned nesting;
    bool plain; /* a dollar sign means nothing */
    bool operators; /* JSON_OPERATORS */
    char unknown[120]; /* the message about a type that is not known */
};

/* false: for the caller to return. The first error is the one that is told. */
static inline bool json_fail(struct json_parser *p, const uint8_t *where, const char *why)
{
    if (!p->why) {
        p->why = why;
        p->where = where;
    }
    return false;
}

static inline void json_skip_space(struct json_parser *p)
{
    while (p->at < p->end &&
           (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

/* The packed key of an object's only pair begins with a dollar sign: make what it stands
 * for of the pair, which lies in out behind a head of one byte at head_at. */
bool json_finish_typed(struct json_parser *p, size_t head_at, const uint8_t *where);

/* Before an object: if its first key is a type's name, the levels that do not count. */
int json_typed_levels(const struct json_parser *p);

#endif
