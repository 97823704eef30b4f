#include "server/storage/findings.h"

#include "server/base/assert.h"
#include "server/storage/scratch.h"

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

void findings_add(struct findings *s, const struct finding *about, const char *format, ...)
{
    struct finding *n;
    va_list args;

    ASSERT(about->file[0]);
    if (about->is_repaired)
        s->repaired++;
    else
        s->damaged++;
    if (s->count == FINDINGS_MAX ||
        items_grow(s->os, (void **)&s->items, s->count, &s->room, sizeof *s->items) != ERR_OK)
        return;
    n = &s->items[s->count++];
    *n = *about;
    va_start(args, format);
    vsnprintf(n->text, sizeof n->text, format, args);
    va_end(args);
}
