#include "server/storage/findings.h"

#include "server/base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void findings_init(struct findings *s, struct os *os)
{
    memset(s, 0, sizeof *s);
    s->os = os;
}

void findings_fini(struct findings *s)
{
    if (s->os)
        os_free(s->os, s->items, s->room * sizeof *s->items);
    s->items = NULL;
    s->count = s->room = 0;
}

static bool findings_grow(struct findings *s)
{
    size_t room = s->room ? 2 * s->room : 8;
    struct finding *items;

    ASSERT(s->count <= s->room && s->room <= 2 * FINDINGS_MAX);
    if (s->count < s->room)
        return true;
    items = os_alloc(s->os, room * sizeof *items);
    if (!items)
        return false;
    if (s->count)
        memcpy(items, s->items, s->count * sizeof *items);
    os_free(s->os, s->items, s->room * sizeof *s->items);
    s->items = items;
    s->room = room;
    return true;
}

void findings_add(struct findings *s, const struct finding *about, const char *format, ...)
{
    struct finding *n;
    va_list args;

    ASSERT(about->file[0]);
    if (about->is_repaired)
        s->repaired++;
    else
        s->damaged++;
    if (s->count == FINDINGS_MAX || !findings_grow(s))
        return;
    n = &s->items[s->count++];
    *n = *about;
    va_start(args, format);
    vsnprintf(n->text, sizeof n->text, format, args);
    va_end(args);
}
