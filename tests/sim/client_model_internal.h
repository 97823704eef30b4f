/* client_model_internal.h - what the files of client_model share. */
#ifndef HOLDFAST_TESTS_SIM_CLIENT_MODEL_INTERNAL_H
#define HOLDFAST_TESTS_SIM_CLIENT_MODEL_INTERNAL_H

#include "proto/methods.h"
#include "server/base/text.h"
#include "tests/sim/client_model.h"
#include "tests/unit/values.h"

#define MODEL_NEVER UINT64_MAX
#define MODEL_UNKNOWN UINT64_MAX /* a value without a number */

/* One change of one cell, or of all cells of a store. */
struct model_effect {
    int store;        /* -1: none that is looked at */
    int key;          /* -1: any, and unknown which */
    uint64_t n;       /* 0: the record is gone */
    bool whole_store; /* key does not count */
    bool key_told;    /* the answer tells the key */
};

struct model_write {
    uint64_t n;
    uint64_t start, end;
    bool interval; /* a crash may take it back */
};

struct model_cell {
    struct model_write *writes;
    unsigned count;
    bool is_unknown;
};

struct model_txn {
    uint64_t version; /* 0: not told */
    struct text_label label;
    bool carry_on, interval;
    bool end_sent;
    bool failed;         /* an error that dooms has been answered, at: */
    uint64_t failed_at;
    bool failed_late;    /* a deadline: what was executed already is not undone */
    bool is_unknown;     /* its handle was begun twice */
    bool is_untold;      /* nobody will say what became of its commit */
    bool is_cancelled;   /* a request of it has been asked to end, and not to keep it */
    struct model_effect *pending;
    unsigned pending_count;
};

#define MODEL_CANCEL_DOOMS 1u /* which counts as an error in its transaction */
#define MODEL_CANCEL_KEEPS 2u /* and which does not */

struct model_request {
    uint32_t msgid;
    uint64_t sent;
    const struct method *method; /* NULL: there is none of that name */
    struct model_txn *txn;       /* NULL: none, or not known */
    uint32_t t;
    unsigned cancels; /* MODEL_CANCEL_ flags: it has been asked to end */
    bool is_begin, is_commit, is_end, has_token, interval;
    bool reads_cell; /* an autocommit get of */
    bool is_told;    /* somebody else has been told what it wrote, before its own answer came */
    int store, key;
    struct model_effect *effects;
    unsigned effect_count;
};

struct model_handle {
    uint32_t t;
    struct model_txn *txn;
};

struct model_cursor {
    uint32_t number;
    struct model_txn *txn; /* NULL: outside of one */
};

struct model_client {
    struct model *model;
    uint64_t frame_bytes_max;
    const char *const *hidden; /* M-6; NULL: it may see everything */
    uint32_t said; /* bits of those that it has sent itself: it may be told what it has said */
    bool is_broken; /* it has sent what ends a connection, or may */
    bool is_refused_early; /* refused_msgid has been answered before it was sent to its end */
    uint64_t refused_msgid;
    bool is_unread; /* where its next message begins is unknown */
    bool eof, is_over;
    bool is_elsewhere; /* perhaps in another database: what it reads and writes is not judged */
    bool is_asked;   /* it may be sent what concerns its openers, and its drops */
    bool lost_track; /* an end of a transaction failed, so that it may still be open */
    struct buffer out; /* sent, and not a whole message yet */
    struct buffer in;
    struct model_request **requests;
    unsigned request_count;
    struct model_handle *handles;
    unsigned handle_count;
    struct model_cursor *cursors;
    unsigned cursor_count;
};

struct model {
    uint64_t now;
    struct model_client **clients;
    unsigned client_count;
    struct model_txn **txns;
    unsigned txn_count;
    struct {
        uint8_t name[TEXT_NAME_BYTES_MAX];
        size_t size;
    } stores[MODEL_STORES];
    unsigned store_count;
    struct model_cell cells[MODEL_STORES][MODEL_KEYS];
    bool is_blind;      /* M-5 cannot be judged any more */
    struct buffer said; /* all that was ever sent */
};

__attribute__((format(printf, 1, 2), noreturn)) void model_fail(const char *format, ...);

/* With MODEL_SAY in the environment each message is shown. */
void model_say(const struct model_client *c, const char *direction,
               const msgpack_object *message);

/* array, with room for one more than count. */
void *model_more(void *array, unsigned count, size_t size);

/* -1: not one that is looked at. */
int model_store_of(struct model *m, const msgpack_object *name);
int model_key_of(const msgpack_object *key);
/* MODEL_UNKNOWN: it has none. */
uint64_t model_value_of(const msgpack_object *value);
/* NULL: no map, or no such field. */
const msgpack_object *model_field(const msgpack_object *map, const char *name);

void model_apply(struct model *m, const struct model_effect *effects, unsigned count,
                 uint64_t start, uint64_t end, bool interval);
void model_pend(struct model_txn *t, const struct model_effect *e);
void model_judge_read(struct model *m, int store, int key, uint64_t n, uint64_t asked);
void model_remove_request(struct model_client *c, unsigned at);

/* client_model_answer.c */
void model_judge_answer(struct model_client *c, const msgpack_object *message);

#endif
