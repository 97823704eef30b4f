#include "tests/sim/model.h"

#include <stdlib.h>
#include <string.h>

void model_init(struct model *m)
{
    memset(m, 0, sizeof *m);
}

void model_fini(struct model *m)
{
    for (unsigned s = 0; s < MODEL_STORES; s++) {
        free(m->stores[s].versions);
        for (unsigned i = 0; i < MODEL_INDEXES; i++)
            free(m->indexes[s][i].versions);
        for (unsigned k = 0; k < MODEL_KEYS; k++)
            free(m->keys[s][k].versions);
    }
}

static void history_add(struct model_history *h, struct model_version v)
{
    if (h->count == h->room) {
        h->room = h->room ? 2 * h->room : 8;
        h->versions = realloc(h->versions, h->room * sizeof *h->versions);
        if (!h->versions)
            abort();
    }
    h->versions[h->count++] = v;
}

static const struct model_version *history_at(const struct model_history *h, uint64_t commit)
{
    for (size_t i = h->count; i-- > 0;) {
        if (h->versions[i].commit <= commit)
            return &h->versions[i];
    }
    return NULL;
}

static const struct model_version *history_newer(const struct model_history *h,
                                                 uint64_t snapshot)
{
    const struct model_version *v = h->count ? &h->versions[h->count - 1] : NULL;

    return v && v->commit > snapshot ? v : NULL;
}

void model_put(struct model *m, unsigned store, unsigned key, uint64_t value, uint64_t commit,
               uint64_t version)
{
    history_add(&m->keys[store][key], (struct model_version){commit, version, value});
    m->last_commit = commit;
}

void model_change_store(struct model *m, unsigned store, uint64_t value, uint64_t commit,
                        uint64_t version)
{
    history_add(&m->stores[store], (struct model_version){commit, version, value});
    m->last_commit = commit;
    for (unsigned k = 0; k < MODEL_KEYS; k++) {
        uint64_t decided;

        if (model_get(m, store, k, commit, &decided))
            history_add(&m->keys[store][k], (struct model_version){commit, version, 0});
    }
}

void model_change_index(struct model *m, unsigned store, unsigned index, uint64_t kind,
                        uint64_t commit, uint64_t version)
{
    history_add(&m->indexes[store][index], (struct model_version){commit, version, kind});
    m->last_commit = commit;
}

void model_touch_store(struct model *m, unsigned store, uint64_t commit, uint64_t version)
{
    history_add(&m->stores[store], (struct model_version){commit, version, 1});
    m->last_commit = commit;
}

uint64_t model_index(const struct model *m, unsigned store, unsigned index, uint64_t commit)
{
    const struct model_version *v = history_at(&m->indexes[store][index], commit);

    return v ? v->value : 0;
}

uint64_t model_get(const struct model *m, unsigned store, unsigned key, uint64_t commit,
                   uint64_t *decided)
{
    const struct model_version *v = history_at(&m->keys[store][key], commit);

    *decided = v ? v->commit : 0;
    return v ? v->value : 0;
}

bool model_has_store(const struct model *m, unsigned store, uint64_t commit)
{
    const struct model_version *v = history_at(&m->stores[store], commit);

    return v && v->value;
}

const struct model_version *model_newer(const struct model *m, unsigned store, unsigned key,
                                        uint64_t snapshot)
{
    return m->last_writer_wins[store] ? NULL : history_newer(&m->keys[store][key], snapshot);
}

const struct model_version *model_newer_store(const struct model *m, unsigned store,
                                              uint64_t snapshot)
{
    return history_newer(&m->stores[store], snapshot);
}

static void history_cut(struct model_history *h, uint64_t upto)
{
    while (h->count && h->versions[h->count - 1].commit > upto)
        h->count--;
}

void model_cut(struct model *m, uint64_t upto)
{
    for (unsigned s = 0; s < MODEL_STORES; s++) {
        history_cut(&m->stores[s], upto);
        for (unsigned i = 0; i < MODEL_INDEXES; i++)
            history_cut(&m->indexes[s][i], upto);
        for (unsigned k = 0; k < MODEL_KEYS; k++)
            history_cut(&m->keys[s][k], upto);
    }
    m->last_commit = upto;
}
