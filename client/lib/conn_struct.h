/* conn_struct.h - a connection from the inside, and what the files of the library share.
 *
 * A connection has an output queue (requests packed one behind the other), an input
 * buffer (replies as they arrive), and a table of requests in flight. The low bits
 * of a msgid are the slot in that table, the upper bits count how often the slot was
 * used, so that an answer is found without searching and an answer to nothing is
 * seen. connection_pump is the only place that touches the socket. */
#ifndef HOLDFAST_LIB_CONN_STRUCT_H
#define HOLDFAST_LIB_CONN_STRUCT_H

#include "client/lib/clock.h"
#include "client/lib/error.h"
#include "client/lib/frame.h"
#include "client/lib/holdfast.h"
#include "client/lib/secure.h"
#include "client/lib/target.h"
#include "proto/scram.h"

#define CONNECTION_SEND_AT_BYTES (64u << 10)  /* so much is sent without being asked */
#define CONNECTION_QUEUE_BYTES_MAX (4u << 20) /* so much may wait to be sent */
#define CONNECTION_READ_BYTES (64u << 10)     /* room kept free for one read */
#define CONNECTION_GRACE_MS 500               /* waited longer than deadline_ms */
#define CONNECTION_TIMEOUT_MS 60000           /* waited where no timeout is given */
#define CONNECTION_RECEIVE_MS 1000            /* a receive ends by itself, to look at the clock */

struct hf_reply {
    struct hf_conn *conn;           /* borrowed */
    struct hf_reply *next, *before; /* in conn->replies */
    uint32_t id;
    bool done;
    bool abandoned;   /* freed by its owner before it was done */
    bool applies;     /* autocommit write or commit: if lost, who knows */
    bool patient;     /* may take as long as there is data: no timeout unless one is given */
    uint64_t sent_at; /* position behind its last byte in the stream of bytes */
    hf_reply_fn fn;   /* NULL: a future */
    void *ctx;
    struct hf_error error; /* details point into body, or the input inside fn */
    struct slice result;   /* the same */
    uint8_t *body;         /* owned; NULL while borrowing */
};

struct connection_slot {
    struct hf_reply *reply; /* NULL: free */
    uint32_t uses;
};

enum request_applies {
    APPLIES_NEVER,
    APPLIES_AUTOCOMMIT, /* with a t of 0 or nil, which is looked at when it ends */
    APPLIES_ALWAYS,
};

/* Who it is to log in as. Texts are owned. */
struct identity {
    char *user; /* NULL: nobody */
    char *password;
    struct scram_keys keys; /* made of the password */
    char *tls[5];           /* the options of TLS, in their order; NULL: not given */
};

struct hf_conn {
    int fd; /* -1: lost */
    char *address;
    char *database; /* owned; that it is bound to; NULL: the server's default */
    struct endpoint target; /* the address, taken apart; path points into it */
    struct identity identity;
    struct secure *secure; /* owned; NULL: no TLS, or not connected */
    struct hf_open_options options; /* with the defaults filled in */
    struct hf_error error;          /* of the last function that failed */
    struct hf_error lost;           /* why fd is -1 */

    struct hf_pack out; /* requests; those before out_sent are with the kernel */
    size_t out_sent;
    uint64_t sent_total;  /* bytes given to the kernel over this connection's life */
    bool building;        /* between hf_call_begin and an ender */
    size_t building_from; /* offset in out of the request being built */
    uint32_t building_count;
    enum request_applies building_applies; /* by its method */
    bool building_patient;                 /* likewise */
    size_t building_params;   /* offset in out of its first parameter */

    uint8_t *in; /* owned; in_from to in_to is not understood yet */
    size_t in_from, in_to, in_capacity;
    struct frame_scan scan; /* of the frame at in_from */
    bool dispatching;       /* inside a callback: no waiting */

    struct connection_slot *slots; /* slot_count, a power of two */
    uint32_t *free_slots;          /* a stack of free_count */
    uint32_t slot_count, free_count;
    unsigned in_flight;
    unsigned patient_in_flight; /* of them */
    uint64_t answered;        /* requests, so far */
    uint64_t moves;           /* times that bytes went out or came in */
    struct hf_reply *replies; /* every reply that is not freed */
    struct hf_reply *spare;   /* one to use again */
    struct hf_reply *last;    /* of the last blocking form: results borrow from it, */
    struct hf_pack joined;    /* or from this: a list that came in several answers */

    struct hf_txn *txns;       /* open ones */
    struct hf_cursor *cursors; /* open ones */
    uint32_t last_handle;
    uint64_t txn_serials; /* given out so far */
    uint64_t life;        /* connections lost so far: what an earlier one had open is gone */

    hf_pushed_fn pushed;
    void *pushed_ctx;

    int wake_fd; /* -1: none; what is waited for beside fd */
    hf_wake_fn wake;
    void *wake_ctx;
};

/* Connect to c->address; blocks up to the connect timeout. HF_OK, or *error. */
int connection_connect(struct hf_conn *c, struct hf_error *error);

/* The connection is over: every request in flight is answered with code. Returns code. */
int connection_lose(struct hf_conn *c, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Write and read what is possible; wait until until_ms for the first event if there is
 * nothing to do yet (0: do not wait). HF_OK, or the connection's loss. */
int connection_pump(struct hf_conn *c, uint64_t until_ms);

/* Write and read until bytes have moved. When none do for the connection's timeout it is
 * given up: HF_TIMEOUT is the answer of every request in flight. */
int connection_wait(struct hf_conn *c);

/* How long what begins now may take: a blocking form, whose request is patient or not. 0: for
 * ever. */
int connection_wait_ms(const struct hf_conn *c, bool patient);
/* When it must end. */
uint64_t connection_until_ms(const struct hf_conn *c, bool patient);

/* Take one whole response or push off the wire. NULL, or what was sent instead. */
const char *reply_dispatch(struct hf_conn *c, struct slice frame);

struct hf_reply *reply_new(struct hf_conn *c);
/* Finish a reply in flight that got no answer. */
void reply_fail(struct hf_reply *reply, const struct hf_error *error);
/* Unlink and free, whatever its state; its slot must be free. */
void reply_destroy(struct hf_reply *reply);

/* The answer to a blocking form is not what the protocol says: the connection is over, since
 * nothing that comes behind can be trusted. HF_PROTOCOL. */
int connection_distrust(struct hf_conn *c, const char *method);

/* A failed function's way out: keep the error for hf_conn_error. */
int connection_fail(struct hf_conn *c, const struct hf_error *error);

/* ---- What the blocking forms are made of (call.c) ---- */

/* The optional map at the end of a request, gathered before it is known whether there is
 * anything in it. */
struct call_options {
    struct hf_pack pack;
    uint32_t pairs;
    bool verbatim; /* the parameters are whole without it: nothing is added */
};

void call_options_bool(struct call_options *o, const char *name, bool set); /* if set */
void call_options_uint(struct call_options *o, const char *name, uint64_t n);
void call_options_text(struct call_options *o, const char *name, const char *text);
void call_options_raw(struct call_options *o, const char *name, struct hf_bytes value);

/* Begin a request whose parameters are fixed ones, which the caller packs, and the map of
 * options at the end: count is that of the fixed ones, those left out packed as nil. The
 * connection's deadline is added. call_finish takes the options (may be NULL). */
struct hf_pack *call_start(struct hf_conn *c, const char *method, uint32_t count,
                           const struct call_options *options);
/* Put the options, end, send, wait; *result is borrowed until the next call. */
int call_finish(struct hf_conn *c, struct call_options *options, struct hf_bytes *result);
/* The same without waiting. */
int call_send(struct hf_conn *c, struct call_options *options, struct hf_reply **out);

/* Say which database the connection belongs to, where that was asked for; it is new. */
int database_bind(struct hf_conn *c);

/* What is read: a store, or (index not NULL) an index of it. */
struct call_source {
    const char *store, *index;
};

void pack_source(struct hf_pack *p, struct call_source source);

/* A range as the server takes it: nil for NULL. */
void pack_range(struct hf_pack *p, const struct hf_range *range);

/* ---- What hangs on a connection (txn.c, cursor.c) ---- */

/* Free them all, at hf_close. */
void txn_free_all(struct hf_conn *c);
void cursor_free_all(struct hf_conn *c);

#endif
