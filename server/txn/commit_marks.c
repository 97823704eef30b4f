#include "server/txn/commit_marks.h"

#include "server/base/assert.h"
#include "server/base/bytes.h"

struct commit_mark *commit_mark_new(struct os *os, const struct update *u)
{
    struct commit_mark *mark = os_alloc(os, sizeof *mark);

    ASSERT(u->commit_count <= UPDATE_COMMITS_MAX);
    if (!mark)
        return NULL;
    mark->next = NULL;
    mark->value = NULL;
    mark->count = u->commit_count;
    memcpy(mark->offsets, u->commits, sizeof mark->offsets);
    return mark;
}

void commit_mark_free(struct os *os, struct commit_mark *mark)
{
    ASSERT(mark && mark->count <= UPDATE_COMMITS_MAX);
    os_free(os, mark, sizeof *mark);
}

void commit_marks_add(struct commit_marks *m, struct commit_mark *mark, const uint8_t *value)
{
    ASSERT(!mark->next && mark->count <= UPDATE_COMMITS_MAX);
    ASSERT((m->newest == NULL) == (m->count == 0));
    mark->value = value;
    mark->next = m->newest;
    m->newest = mark;
    m->count++;
}

void commit_marks_find(const struct commit_marks *m, const uint8_t *value, struct update *u)
{
    ASSERT((m->newest == NULL) == (m->count == 0));
    for (const struct commit_mark *mark = m->newest; mark; mark = mark->next) {
        if (mark->value != value)
            continue;
        u->commit_count = mark->count;
        memcpy(u->commits, mark->offsets, sizeof u->commits);
        return;
    }
}

void commit_marks_fill(const struct commit_marks *m, uint64_t commit)
{
    for (const struct commit_mark *mark = m->newest; mark; mark = mark->next) {
        for (unsigned i = 0; i < mark->count; i++) {
            /* it is the write-set's own memory, and nobody else's yet */
            uint8_t *at = (uint8_t *)(uintptr_t)mark->value + mark->offsets[i];

            ASSERT(*at == 0xcf);
            bytes_put_be64(at + 1, commit);
        }
    }
}

void commit_marks_back(struct commit_marks *m, struct os *os, const struct commit_mark *mark)
{
    while (m->newest != mark) {
        struct commit_mark *newest = m->newest;

        ASSERT(newest && m->count);
        m->newest = newest->next;
        m->count--;
        commit_mark_free(os, newest);
    }
}

void commit_marks_forget(struct commit_marks *m, struct os *os)
{
    commit_marks_back(m, os, NULL);
    ASSERT(!m->newest && !m->count);
}
