/* records_internal.h - what the files that read and write records share.
 *
 * Each answers with op's failure set, as records.h says. Threads: loop only. */
#ifndef HOLDFAST_TXN_RECORDS_INTERNAL_H
#define HOLDFAST_TXN_RECORDS_INTERNAL_H

#include "server/txn/records.h"
#include "server/txn/snapshot.h"

struct schema;

/* Begin a write of a record in t (NULL: by itself, see auto_write_one): *schema is the store's
 * definition. ERR_READ_ONLY, ERR_NO_STORE, ...; ERR_WAIT: op->needs_txn. */
enum err record_begin_write(struct op *op, struct txn *t, struct slice store,
                            struct schema **schema);

/* What a write in t sees; t NULL: what is committed. */
struct view record_view(const struct op *op, struct txn *t);

/* t (may be NULL) writes one record if it is an autocommit: it commits before anybody else runs.
 * is_conditional: it holds only for what it has found. */
void record_is_single(const struct op *op, struct txn *t, bool is_conditional);

/* The key of a request, encoded. ERR_BAD_KEY, ERR_TOO_LARGE. */
enum err record_encode_key(struct op *op, const struct schema *s, struct slice key,
                           uint8_t encoded[KEY_BYTES_MAX], size_t *size);
/* ERR_TOO_LARGE: so many bytes are over key-size, which is for what is written: larger keys may be
 * there from before it was lowered. */
enum err record_check_new_key(struct op *op, const struct schema *s, size_t size);
/* ERR_BAD_KEY: the key, or the record that it is in, is not one of the store. what and why
 * are said where no failure is set yet; key may be none. */
COLD enum err record_refuse_key(struct op *op, const struct schema *s, struct slice key,
                                const char *what, const char *why);

/* The record of an encoded key in the view, none if there is none; t (may be NULL) has read
 * it. */
enum err record_read(struct op *op, struct txn *t, const struct view *v, const struct schema *s,
                     struct slice key, struct slice *value);

/* Write a record under its key, which a generator of the store takes note of. */
enum err record_write(struct op *op, struct txn *t, struct schema *s, struct slice key,
                      struct slice value, bool is_generated);

/* Whether bytes from a client can be kept as a document. ERR_WAIT: it takes more turns, call
 * again; refused begins the text of the failure. To be forgotten before op checks another. */
enum err record_check_document(struct op *op, struct slice document, const char *refused);
void record_forget_check(struct op *op);

/* Close op->cursor and forget how far the walk over a range has come. */
void records_range_forget(struct op *op);
/* Count what t sees of a store in the bounds; works over several turns (op->cursor), and ends what
 * it has begun unless it answers ERR_WAIT. Who does not call again calls records_range_forget. */
enum err records_count_in(struct op *op, struct txn *t, struct schema *s,
                          const struct key_range *bounds, uint64_t *records, uint64_t *bytes);
/* The same of a snapshot; t is NULL, or it is t's. */
enum err records_count_at(struct op *op, struct txn *t, struct snapshot *snapshot,
                          struct schema *s, const struct key_range *bounds, uint64_t *records);

#endif
