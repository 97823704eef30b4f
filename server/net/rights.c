/* rights.c - see rights.h. */
#include "server/net/rights.h"

#include "server/base/assert.h"

#include "proto/msgpack.h"

#include <stdlib.h>

static const struct {
    const char *name;
    unsigned right;
} names[] = {{"read", GUARD_READ}, {"write", GUARD_WRITE}, {"schema", GUARD_SCHEMA}};
#define NAME_COUNT (sizeof names / sizeof names[0])

void rights_fini(struct rights *r)
{
    free(r->grants);
    *r = (struct rights){.count = 0};
}

/* ---- patterns ---- */

/* Steps are bounded by the sizes of both multiplied: only the last * is tried again. */
bool pattern_matches(struct slice pattern, struct slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;

    for (;;) {
        bool escaped = p + 1 < pattern.size && pattern.data[p] == '\\';

        if (p < pattern.size && pattern.data[p] == '*') {
            star = ++p;
            from = t;
        } else if (p == pattern.size && t == text.size) {
            return true;
        } else if (p < pattern.size && t < text.size &&
                   pattern.data[p + escaped] == text.data[t]) {
            p += 1 + escaped;
            t++;
        } else if (star != SIZE_MAX && from < text.size) {
            p = star;
            t = ++from;
        } else {
            return false;
        }
    }
}

static struct slice grant_database(const struct grant *g)
{
    return slice_make(g->database, g->database_size);
}

static struct slice grant_store(const struct grant *g)
{
    return slice_make(g->store, g->store_size);
}

unsigned rights_on(const struct rights *r, struct slice database, struct slice store)
{
    unsigned rights = 0;

    ASSERT(!slice_is_none(database));
    if (r->is_admin)
        return GUARD_READ | GUARD_WRITE | GUARD_SCHEMA;
    for (size_t i = 0; i < r->count; i++) {
        const struct grant *g = &r->grants[i];

        if ((g->rights & ~rights) && pattern_matches(grant_database(g), database) &&
            (slice_is_none(store) ? slice_equal(grant_store(g), slice_text("*"))
                                  : pattern_matches(grant_store(g), store)))
            rights |= g->rights;
    }
    return rights;
}

bool rights_see_database(const struct rights *r, struct slice database)
{
    for (size_t i = 0; i < r->count; i++)
        if (pattern_matches(grant_database(&r->grants[i]), database))
            return true;
    return r->is_admin;
}

static unsigned granted(const struct rights *r, const struct grant *like)
{
    unsigned rights = 0;

    for (size_t i = 0; i < r->count; i++)
        if (slice_equal(grant_database(&r->grants[i]), grant_database(like)) &&
            slice_equal(grant_store(&r->grants[i]), grant_store(like)))
            rights |= r->grants[i].rights;
    return rights;
}

bool rights_include(const struct rights *now, const struct rights *before)
{
    if (now->is_admin)
        return true;
    if (before->is_admin)
        return false;
    for (size_t i = 0; i < before->count; i++)
        if (before->grants[i].rights & ~granted(now, &before->grants[i]))
            return false;
    return true;
}

/* ---- as MessagePack ---- */

static bool read_pattern(struct msgpack_cursor *at, uint8_t *to, uint16_t *size)
{
    struct slice text;

    if (msgpack_read_text(at, &text) || text.size > PATTERN_BYTES_MAX ||
        !msgpack_text_is_utf8(text))
        return false;
    memcpy(to, text.data, text.size);
    *size = (uint16_t)text.size;
    return true;
}

static bool read_right(struct msgpack_cursor *at, unsigned *rights)
{
    struct slice name;

    if (msgpack_read_text(at, &name))
        return false;
    for (size_t i = 0; i < NAME_COUNT; i++) {
        if (slice_equal(name, slice_text(names[i].name))) {
            *rights |= names[i].right;
            return true;
        }
    }
    return false;
}

static bool read_grant(struct msgpack_cursor *at, struct grant *g)
{
    uint32_t parts, count;

    g->rights = 0;
    if (msgpack_read_array(at, &parts) || parts != 3 ||
        !read_pattern(at, g->database, &g->database_size) ||
        !read_pattern(at, g->store, &g->store_size) || msgpack_read_array(at, &count) ||
        count < 1 || count > NAME_COUNT || !g->store_size)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!read_right(at, &g->rights))
            return false;
    return true;
}

enum err rights_read_grants(struct msgpack_cursor *at, struct rights *to, const char **why)
{
    uint32_t count;

    *why = "expected grants as a list of [database, store, rights], with rights a list of "
           "\"read\", \"write\" and \"schema\"";
    if (msgpack_read_array(at, &count))
        return ERR_BAD_REQUEST;
    if (count > GRANTS_MAX) {
        *why = "a user has at most 256 grants";
        return ERR_BAD_REQUEST;
    }
    to->grants = count ? calloc(count, sizeof *to->grants) : NULL;
    if (count && !to->grants)
        return ERR_NOMEM;
    for (; to->count < count; to->count++)
        if (!read_grant(at, &to->grants[to->count]))
            return ERR_BAD_REQUEST;
    return ERR_OK;
}

void rights_put_grants(struct net_buffer *b, const struct rights *r)
{
    put_array(b, (uint32_t)r->count);
    for (size_t i = 0; i < r->count; i++) {
        const struct grant *g = &r->grants[i];

        put_array(b, 3);
        put_text(b, grant_database(g));
        put_text(b, grant_store(g));
        put_array(b, (uint32_t)__builtin_popcount(g->rights));
        for (size_t n = 0; n < NAME_COUNT; n++)
            if (g->rights & names[n].right)
                put_word(b, names[n].name);
    }
}
