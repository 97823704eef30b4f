/* model.h - what Holdfast promises, in the simplest code that can say it.
 *
 * A few stores of a few keys; each key has the list of all its committed versions,
 * each store the list of commits at which it was made, cleared or dropped. Reading
 * at a commit is looking through a list; who loses to whom follows from the lists. */
#ifndef HOLDFAST_TESTS_SIM_MODEL_H
#define HOLDFAST_TESTS_SIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_STORES 4
#define MODEL_KEYS 48
#define MODEL_INDEXES 3 /* names of indexes of a store */

struct model_version {
    uint64_t commit;
    uint64_t version; /* of the transaction */
    uint64_t value;   /* 0: deleted */
};

struct model_history {
    struct model_version *versions; /* oldest first */
    size_t count, room;
};

struct model {
    struct model_history keys[MODEL_STORES][MODEL_KEYS];
    struct model_history stores[MODEL_STORES]; /* value: 0 dropped, else there is one */
    struct model_history indexes[MODEL_STORES][MODEL_INDEXES]; /* value: its kind, 0: none */
    bool last_writer_wins[MODEL_STORES];
    uint64_t last_commit; /* the greatest that made something */
};

void model_init(struct model *m);
void model_fini(struct model *m);

void model_put(struct model *m, unsigned store, unsigned key, uint64_t value, uint64_t commit,
               uint64_t version);
/* The store was made (1), cleared (2) or dropped (0) by a commit. */
void model_change_store(struct model *m, unsigned store, uint64_t value, uint64_t commit,
                        uint64_t version);

/* The store's index of that name is of that kind from a commit on; 0: there is none. */
void model_change_index(struct model *m, unsigned store, unsigned index, uint64_t kind,
                        uint64_t commit, uint64_t version);
/* The definition of a store has changed, and its records are as they were. */
void model_touch_store(struct model *m, unsigned store, uint64_t commit, uint64_t version);
uint64_t model_index(const struct model *m, unsigned store, unsigned index, uint64_t commit);

/* What a snapshot sees; 0: nothing. *decided gets the commit that decided it, 0 for none. */
uint64_t model_get(const struct model *m, unsigned store, unsigned key, uint64_t commit,
                   uint64_t *decided);
bool model_has_store(const struct model *m, unsigned store, uint64_t commit);

/* The newest version committed after a snapshot; NULL: none. */
const struct model_version *model_newer(const struct model *m, unsigned store, unsigned key,
                                        uint64_t snapshot);
const struct model_version *model_newer_store(const struct model *m, unsigned store,
                                              uint64_t snapshot);

/* Forget every commit after upto: a crash took them. */
void model_cut(struct model *m, uint64_t upto);

#endif
