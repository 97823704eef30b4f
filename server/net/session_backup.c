/* session_backup.c - see session_backup.h. There are few: a list is enough. */
#include "server/net/session_backup.h"

#include "server/base/assert.h"

#include <stdlib.h>

struct session_backup *session_backup_new(struct session *s, struct backup *core)
{
    struct session_backup *b = calloc(1, sizeof *b);
    struct backup_facts facts;

    if (!b)
        return NULL;
    backup_facts(core, &facts);
    b->number = ++s->next_backup;
    b->session = s;
    b->core = core;
    b->bytes = sizeof *b + (size_t)facts.memory;
    b->used_ms = server_now(s->server);
    account_add(&s->account, ACCOUNT_HANDLES, b->bytes);
    list_push_back(&s->backups, &b->in_session);
    s->server->backup_count++;
    return b;
}

struct session_backup *session_backup_find(const struct session *s, uint64_t number)
{
    LIST_EACH (link, &s->backups) {
        struct session_backup *b = LIST_ENTRY(link, struct session_backup, in_session);

        ASSERT(b->session == s && b->number > 0);
        if (b->number == number)
            return b;
    }
    return NULL;
}

void session_backup_close(struct session_backup *b)
{
    struct session *s = b->session;

    ASSERT(s->server->backup_count > 0);
    s->server->backup_count--;
    list_remove(&b->in_session);
    account_sub(&s->account, ACCOUNT_HANDLES, b->bytes);
    backup_close(b->core);
    free(b);
}

void session_backups_close(struct session *s, uint64_t before_ms)
{
    LIST_EACH_SAFE (link, &s->backups) {
        struct session_backup *b = LIST_ENTRY(link, struct session_backup, in_session);

        ASSERT(b->session == s);
        if (b->used_ms < before_ms)
            session_backup_close(b);
    }
}
