/* written.h - what a transaction has written: its keys among the intents, and its stores.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_TXN_WRITTEN_H
#define HOLDFAST_TXN_WRITTEN_H

#include "server/storage/stage.h"

struct schema;
struct txn;
struct txns;
struct txn_store;

enum err written_init(struct txns *all); /* ERR_NOMEM */
void written_fini(struct txns *all);
void written_remove_intents(struct txn *t);
void written_remove_intent(struct txn *t, struct record *r);
enum err written_note_store(struct txn *t, struct schema *schema);
void written_forget_stores(struct txn *t);
/* Forget the stores written since; NULL: all. */
void written_forget_stores_since(struct txn *t, struct txn_store *since);
struct txn_store *written_store_of(const struct txn *t, uint32_t number); /* NULL: none */
void written_become_large(struct txn *t);

#endif
