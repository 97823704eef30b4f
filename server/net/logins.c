/* logins.c - see logins.h. */
#include "server/net/logins.h"

static size_t first_place(const struct logins *l, struct peer_key key)
{
    uint64_t hash = hash_pair(hash_pair(key.kind, l->seed), key.number);

    return (size_t)(hash & (LOGIN_PLACES - 1)) / LOGIN_WAYS * LOGIN_WAYS;
}

static bool is_of(const struct login_place *p, struct peer_key key)
{
    return p->failures && p->key.kind == key.kind && p->key.number == key.number;
}

uint64_t logins_delay(const struct logins *l, struct peer_key key, uint64_t now_ms,
                      uint64_t delay_ms)
{
    const struct login_place *p = &l->places[first_place(l, key)];

    for (unsigned i = 0; i < LOGIN_WAYS; i++, p++) {
        uint64_t steps;

        if (!is_of(p, key) || now_ms - p->last_ms > LOGIN_WINDOW_MS ||
            p->failures < LOGIN_FAILURES)
            continue;
        steps = p->failures - LOGIN_FAILURES + 1;
        return delay_ms * (steps < LOGIN_STEPS_MAX ? steps : LOGIN_STEPS_MAX);
    }
    return 0;
}

void logins_note_failure(struct logins *l, struct peer_key key, uint64_t now_ms)
{
    struct login_place *p = &l->places[first_place(l, key)], *best = p;

    l->failed++;
    l->unsaid++;
    for (unsigned i = 0; i < LOGIN_WAYS; i++, p++) {
        if (is_of(p, key)) {
            best = p;
            break;
        }
        if (!p->failures || (best->failures && p->last_ms < best->last_ms))
            best = p;
    }
    if (!is_of(best, key) || now_ms - best->last_ms > LOGIN_WINDOW_MS)
        *best = (struct login_place){.key = key};
    best->failures++;
    best->last_ms = now_ms;
}

bool logins_may_log(struct logins *l, uint64_t now_ms, uint64_t *failures)
{
    if (l->line_ms && now_ms - l->line_ms < LOGIN_LINE_MS)
        return false;
    l->line_ms = now_ms;
    *failures = l->unsaid;
    l->unsaid = 0;
    return true;
}
