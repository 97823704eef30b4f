/* holdfast.h - libholdfast, the C client of Holdfast.
 *
 * The happy path: hf_open a connection; call the blocking forms (hf_put, hf_get,
 * hf_txn_begin ...); hf_close it. Below them lies the pipelined form: begin a
 * request with hf_call_begin, pack its parameters, end it with hf_call_end or
 * hf_call_end_callback, and many may be on their way at once; hf_wait and
 * hf_poll bring their answers. Whenever the library waits, it reads while it
 * writes, so a server that stops reading until we read cannot stop us both.
 *
 * Records, keys and results are MessagePack (github.com/msgpack/msgpack). hf_packf and the
 * hf_pack_ functions write it, hf_unpackf, hf_read_ and hf_field read it. For programs that use
 * msgpack-c there is holdfast_msgpack.h.
 *
 * Errors: functions that can fail return HF_OK or a code below; the whole error
 * (name, text, what to do) is then in hf_conn_error. A lost connection is final
 * for the connection, until hf_reconnect.
 *
 * Threads: one connection, one thread at a time. Different connections share
 * nothing. The library sets no signal handlers and raises no SIGPIPE.
 *
 * Whatever is "borrowed until the next call" is valid until the next function
 * that is given the same connection, or a transaction or cursor of it. */
#ifndef HOLDFAST_H
#define HOLDFAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HF_API __attribute__((visibility("default")))
#else
#define HF_API
#endif

#define HF_VERSION_TEXT "0.1.0"
#define HF_ADDRESS_DEFAULT "127.0.0.1:4653"
#define HF_PORT_DEFAULT "4653"

/* The version of the library that is linked, like HF_VERSION_TEXT. */
HF_API const char *hf_version(void);

/* ---- Errors ------------------------------------------------------------ */

/* The numbers never change, and those of errors that only later servers send are here already.
 * Those from 8001 to 8999 are found by the library itself; all
 * others come from the server, and a newer server may send further ones. */
enum hf_code {
    HF_OK = 0,
    HF_BAD_REQUEST = 1001,
    HF_BAD_KEY = 1002,
    HF_NO_STORE = 1003,
    HF_NO_INDEX = 1004,
    HF_NO_TXN = 1005,
    HF_NO_CURSOR = 1006,
    HF_EXISTS = 1007,
    HF_NOT_UNIQUE = 1008,
    HF_READ_ONLY = 1009,
    HF_TXN_FAILED = 1010,
    HF_TOKEN_FENCED = 1011,
    HF_BAD_VALUE = 1012,
    HF_GENERATOR_FULL = 1013,
    HF_BAD_VERSION = 1014,
    HF_NO_SAVEPOINT = 1015,
    HF_NO_BOOKMARK = 1016,
    HF_BAD_QUERY = 1017,
    HF_AUTH_REQUIRED = 2001,
    HF_AUTH_FAILED = 2002,
    HF_FORBIDDEN = 2003,
    HF_CONFLICT = 3001,
    HF_TOO_LARGE = 4001,
    HF_TXN_EXPIRED = 4002,
    HF_QUOTA_EXCEEDED = 4004,
    HF_TXN_KILLED = 4003,
    HF_OVERLOADED = 5001,
    HF_DEADLINE = 5002,
    HF_SHUTDOWN = 5003,
    HF_CANCELLED = 5004,
    HF_LOCK_TIMEOUT = 5005,
    HF_NOT_LEADER = 5006,
    HF_LOG_FAILED = 6001,
    HF_NO_SPACE = 6002,
    HF_CORRUPT = 6003,
    HF_IO = 6004,     /* a file could not be read or written */
    HF_LOCKED = 6005, /* this one and FORMAT end a server that starts; never a reply */
    HF_FORMAT = 6006,
    HF_INTERNAL = 9001,   /* a fault in the server */
    HF_NOMEM = 9002,      /* the server is out of memory */
    HF_CONNECTION = 8001, /* cannot connect, or the connection is lost */
    HF_TIMEOUT = 8002,    /* no answer in time; the connection lives on, but
                           * for hf_wait_all and hf_wait_any */
    HF_PROTOCOL =
        8003, /* the server sent something other than a reply; the connection is ended */
    HF_MISUSE = 8004, /* the library was called as it must not be */
    HF_MEMORY = 8005, /* out of memory in this process */
    HF_END = 8006,    /* no error: there are no more rows */
    HF_ABSENT =
        8007, /* of the functions that read values, from here on: there is none, or nil */
    HF_WRONG_TYPE = 8008,
    HF_OUT_OF_RANGE = 8009, /* it does not fit into what is to hold it */
    HF_MALFORMED = 8010,    /* no whole value of MessagePack */
};

/* "NO_STORE" for HF_NO_STORE; "" for a number that this library does not know. Static. */
HF_API const char *hf_code_name(int code);

/* A run of bytes that somebody else owns. data NULL: none. Where a parameter is
 * called a key or a value, the bytes are one MessagePack value. */
struct hf_bytes {
    const void *data;
    size_t size;
};

#ifdef __cplusplus
#define HF_NONE (hf_bytes{nullptr, 0})
#else
#define HF_NONE ((struct hf_bytes){NULL, 0})
#endif

struct hf_error {
    int code;                /* an hf_code, or a newer number of the server's */
    bool retryable;          /* the same request may succeed when sent again */
    bool maybe_committed;    /* whether it was applied is not known; do not just repeat it */
    uint32_t retry_after_ms; /* the server's wish; 0: none */
    char name[32];           /* stable, "CONFLICT" for example */
    char class_name[16];     /* "request", "conflict", "limit", "unavailable" ... */
    char message[480];       /* for people; UTF-8, may hold what a server sent: escape it */
    struct hf_bytes details; /* a MessagePack map, or none; borrowed from where the error is */
};

/* ---- Packing MessagePack ------------------------------------------------ */

/* A growing buffer. Set up with hf_pack_init; data and size may be read; the
 * bytes are owned by it. After a failed allocation it takes nothing more and
 * failed stays set until hf_pack_reset. */
struct hf_pack {
    uint8_t *data;
    size_t size;
    size_t capacity;
    bool failed;
};

HF_API void hf_pack_init(struct hf_pack *p);
HF_API void hf_pack_fini(struct hf_pack *p);
HF_API void hf_pack_reset(struct hf_pack *p); /* empty it; the memory stays */

/* Room for size more bytes at the end, for those who write there themselves and add to
 * p->size what they used; NULL (and p->failed) if there is none. Borrowed until the next
 * growth. */
HF_API uint8_t *hf_pack_reserve(struct hf_pack *p, size_t size);

HF_API void hf_pack_nil(struct hf_pack *p);
HF_API void hf_pack_bool(struct hf_pack *p, bool b);
HF_API void hf_pack_int(struct hf_pack *p, int64_t n);
HF_API void hf_pack_uint(struct hf_pack *p, uint64_t n);
HF_API void hf_pack_double(struct hf_pack *p, double d);
HF_API void hf_pack_text(struct hf_pack *p, const char *text);
HF_API void hf_pack_text_bytes(struct hf_pack *p, struct hf_bytes text);
HF_API void hf_pack_binary(struct hf_pack *p, struct hf_bytes bytes);
HF_API void hf_pack_array(struct hf_pack *p, uint32_t count); /* count values follow */
HF_API void hf_pack_map(struct hf_pack *p, uint32_t pairs);   /* pairs keys and values follow */
HF_API void hf_pack_timestamp(struct hf_pack *p, int64_t seconds, uint32_t nanoseconds);
HF_API void hf_pack_ext(struct hf_pack *p, int8_t type, struct hf_bytes payload);
/* Values that are packed already; none is put as nil. */
HF_API void hf_pack_raw(struct hf_pack *p, struct hf_bytes values);

static inline struct hf_bytes hf_pack_bytes(const struct hf_pack *p)
{
    struct hf_bytes bytes = {p->data, p->size};

    return bytes;
}

/* The number of bytes of the one value at the beginning of bytes, any depth; 0 if
 * there is no whole value. */
HF_API size_t hf_value_size(struct hf_bytes bytes);

/* ---- Packing by a format ------------------------------------------------ */

/* Append values as format says them; its arguments follow.
 *
 *     struct hf_pack value = {0};
 *
 *     hf_packf(&value, "{'name': s, 'age': i, 'tags': [s, s]}", "Ann", 30, "new", "vip");
 *     e = hf_put(c, NULL, "people", hf_pack_bytes(&value), HF_NONE, NULL);
 *     hf_pack_fini(&value);
 *
 *   i  int                        s  const char *; NULL is nil
 *   I  int64_t                    t  struct hf_bytes, as text
 *   u  unsigned                   y  struct hf_bytes, as binary
 *   U  uint64_t                   v  struct hf_bytes, packed already; none is nil
 *   d  double                     T  int64_t, unsigned: a timestamp, seconds and nanoseconds
 *   b  bool                       n  nil
 *   'text'  this text             [...]  an array      {key: value, ...}  a map
 *
 * Several values may stand side by side. HF_OK; HF_MISUSE: the format cannot be read, or nests
 * deeper than 64; HF_MEMORY: p->failed is set. After a failure nothing was appended. */
HF_API int hf_packf(struct hf_pack *p, const char *format, ...);

/* ---- Reading MessagePack ------------------------------------------------ */

/* Values that are read are never copied: what comes out borrows from what goes in. Nothing is
 * read beyond the bytes given, whatever they hold and however deep they nest; bytes that are no
 * whole value are HF_MALFORMED. Where a value is taken, what follows it is passed over.
 *
 *     if (hf_unpackf(row.value, "{'name': s, 'age': ?i}", &name, &age) == HF_OK)
 *         printf("%.*s is %d\n", (int)name.size, (const char *)name.data, age);
 */
enum hf_type {
    HF_TYPE_NONE, /* no value, or not MessagePack */
    HF_TYPE_NIL,
    HF_TYPE_BOOL,
    HF_TYPE_INT,
    HF_TYPE_FLOAT,
    HF_TYPE_TEXT,
    HF_TYPE_BINARY,
    HF_TYPE_ARRAY,
    HF_TYPE_MAP,
    HF_TYPE_TIMESTAMP,
    HF_TYPE_EXT,
};

HF_API enum hf_type hf_type(struct hf_bytes value);
HF_API const char *hf_type_name(enum hf_type type); /* "text" and so on; static */

/* Of all of these: HF_OK; HF_ABSENT: the value is none or nil; HF_WRONG_TYPE; HF_OUT_OF_RANGE: a
 * number that *out cannot hold; HF_MALFORMED. *out is left alone unless HF_OK. */
HF_API int hf_read_bool(struct hf_bytes value, bool *out);
HF_API int hf_read_int(struct hf_bytes value, int64_t *out);
HF_API int hf_read_uint(struct hf_bytes value, uint64_t *out);
HF_API int hf_read_double(struct hf_bytes value, double *out); /* an integer, too, if exact */
HF_API int hf_read_text(struct hf_bytes value, struct hf_bytes *out); /* no 0 behind it */
HF_API int hf_read_binary(struct hf_bytes value, struct hf_bytes *out);
HF_API int hf_read_timestamp(struct hf_bytes value, int64_t *seconds, uint32_t *nanoseconds);
HF_API int hf_read_ext(struct hf_bytes value, int8_t *type, struct hf_bytes *payload);
/* Text with a 0 behind it. HF_OUT_OF_RANGE: it does not fit into room bytes, or has a 0 in it. */
HF_API int hf_read_string(struct hf_bytes value, char *out, size_t room);
HF_API bool hf_text_is(struct hf_bytes value, const char *text);

/* How many elements an array has, or pairs a map; 0 for all else. */
HF_API uint32_t hf_length(struct hf_bytes value);

/* The value of a map under that text, or the element of an array, from 0; none if there is
 * none, or value is something else: so calls may be nested, and the reader says HF_ABSENT. */
HF_API struct hf_bytes hf_field(struct hf_bytes map, const char *name);
HF_API struct hf_bytes hf_element(struct hf_bytes array, uint32_t index);

/* All elements or pairs, one after another.
 *
 *     struct hf_walk walk = hf_walk(stores);
 *     struct hf_bytes store;
 *
 *     while (hf_walk_next(&walk, NULL, &store))
 *         count++;
 */
struct hf_walk {
    struct hf_bytes rest; /* what has not come yet */
    uint32_t left;        /* elements or pairs */
    bool of_map;
};

/* Of what is neither an array nor a map, nothing comes. */
HF_API struct hf_walk hf_walk(struct hf_bytes value);
/* False: there are no more. key (may be NULL) gets a map's key; of an array it is none. */
HF_API bool hf_walk_next(struct hf_walk *walk, struct hf_bytes *key, struct hf_bytes *value);

/* Read several values at once. The letters are those of hf_packf, with pointers as arguments:
 * int *, int64_t *, unsigned *, uint64_t *, double *, bool *; s, t and y take struct hf_bytes *
 * (s and t text, y binary), v the value as it stands, T int64_t * and unsigned *. n is a nil and
 * 'text' this text. In a map, keys are 'texts', found in any order; others are passed over. An
 * array has as many elements as are named, or more if the last one is *. A ? before a value:
 * where it is none or nil, its arguments are left alone.
 *
 * HF_OK; HF_ABSENT, HF_WRONG_TYPE, HF_OUT_OF_RANGE, HF_MALFORMED as above; HF_MISUSE: the
 * format. Unless it is HF_OK, no argument has been written to. */
HF_API int hf_unpackf(struct hf_bytes value, const char *format, ...);

/* ---- Connections -------------------------------------------------------- */

struct hf_conn;  /* owned by the caller from hf_open to hf_close */
struct hf_reply; /* an answer that is to come */
struct hf_txn;
struct hf_cursor;

/* All zero is the default of each. */
struct hf_open_options {
    int connect_timeout_ms;   /* 0: 10,000 */
    int timeout_ms;           /* of each blocking form: the server is told it as deadline_ms, and
                              * the library waits half a second longer. 0: it waits 60 s and
                              * the server is told nothing; for create_index, rotate and
                              * amalgamate it waits for ever then. Negative: for ever */
    int keepalive_s;          /* TCP: a connection without traffic is probed after this time, and
                              * lost half a minute later if nobody answers; 0: 30; negative: not */
    unsigned in_flight_max;   /* requests without an answer; more wait; 0: 1,000 */
    size_t request_bytes_max; /* a larger request is HF_TOO_LARGE, unsent; 0: 16 MiB */
    size_t reply_bytes_max;   /* a larger reply is HF_PROTOCOL; 0: 64 MiB */
    const char *database;     /* whose stores the connection names, copied; NULL: "main" */
    const char *user;         /* log in as this user; NULL: as the address says, or not at all */
    const char *password;     /* of the user; both are copied. It is never sent */
    /* TLS; all are copied. NULL: "verify-full" if the address says tls, else "off". "verify-full":
     * the certificate must be signed by whom we trust and be of the host of the address;
     * "verify-ca": of any host; "require": it is not looked at */
    const char *tls;
    const char *tls_ca;          /* a file of certificates in PEM to trust; NULL: the system's */
    const char *tls_name;        /* the name in the certificate; NULL: the host of the address */
    const char *tls_certificate; /* our own, in PEM, where the server asks for one */
    const char *tls_key;         /* its key; NULL: in the same file */
};

/* Connect, and log in if a user is given. address: "host:port", "[ipv6]:port", "host" (port 4653),
 * "unix:/path", "holdfast://[user@]host[:port]" (with %40 for a @ in the user's name) or
 * "holdfast+tls://..." ("tls://..." for short);
 * NULL is HF_ADDRESS_DEFAULT. options may be NULL. NULL on failure, with *error
 * (may be NULL) saying what could not be reached and why: HF_AUTH_FAILED where the user or the
 * password is wrong, or the server could not prove that it knows them. Blocks up to the
 * connect timeout; looking up a name may take longer. */
HF_API struct hf_conn *hf_open(const char *address, const struct hf_open_options *options,
                               struct hf_error *error);

/* What the server keeps of a password, for its methods create_user and alter_user: verifier gets
 * HF_VERIFIER_BYTES at most, with a 0 at the end. HF_OK; HF_MISUSE: it is no password
 * (hf_password_fault says why); HF_OUT_OF_RANGE; HF_MEMORY. */
#define HF_VERIFIER_BYTES 256
HF_API int hf_password_verifier(const char *password, char *verifier, size_t room);
/* What is wrong with a password, in words; NULL: nothing. Static. */
HF_API const char *hf_password_fault(const char *password);

/* Close and free, with every transaction, cursor and reply that is left of it.
 * Requests not yet sent are dropped; callbacks are not called. NULL is allowed. Inside a
 * callback it only ends the connection, as a loss that every request in flight is told: the
 * function that called back returns HF_CONNECTION, and after it hf_close is called again. */
HF_API void hf_close(struct hf_conn *c);

/* Connect again to the same address, after a loss or not. What was in flight
 * fails as lost; transactions of before are HF_NO_TXN from now on and cursors
 * HF_NO_CURSOR; both still want their end called. HF_OK, HF_CONNECTION, HF_MISUSE. */
HF_API int hf_reconnect(struct hf_conn *c);

/* Belong to another database from now on, after each reconnect too. It exists from the first commit
 * in it. HF_BAD_REQUEST: it is not a name, or transactions or cursors of c are open. */
HF_API int hf_use_database(struct hf_conn *c, const char *name);

/* The error of the last function on c that failed. Borrowed until the next call. */
HF_API const struct hf_error *hf_conn_error(const struct hf_conn *c);

/* Where it is connected to, as given. Borrowed as long as c lives. */
HF_API const char *hf_conn_address(const struct hf_conn *c);

/* For an event loop of one's own: wait for hf_conn_events (of poll(2)) on hf_conn_fd,
 * then hf_poll(c, 0). The fd is -1 once the connection is lost. */
HF_API int hf_conn_fd(const struct hf_conn *c);
HF_API short hf_conn_events(const struct hf_conn *c);

/* What the server pushes after `subscribe`. The bytes are borrowed inside the call;
 * method is text, params a packed array. */
typedef void (*hf_pushed_fn)(void *ctx, struct hf_bytes method, struct hf_bytes params);
HF_API void hf_on_pushed(struct hf_conn *c, hf_pushed_fn fn, void *ctx);

/* Have events pushed: names as "doomed" or "doomed,shutdown,warning"; NULL: none any more. They
 * come as $doomed with [t, error], and so on, whenever a function on c reads. */
HF_API int hf_subscribe(struct hf_conn *c, const char *events);

/* Wake those who wait: whenever a function on c waits for the server, it waits for fd to be
 * readable too, and then calls fn, which reads from fd. In fn one may begin and end requests, and
 * call hf_cancel, but not wait. fd may be the end of a pipe that a signal handler writes to; -1:
 * none. */
typedef void (*hf_wake_fn)(void *ctx);
HF_API void hf_on_wake(struct hf_conn *c, int fd, hf_wake_fn fn, void *ctx);

/* Ask the server to end every request in flight that it has not executed: they answer
 * HF_CANCELLED and have changed nothing, and the transactions that they belong to go on. Does not
 * wait. HF_OK, HF_CONNECTION, HF_MEMORY, HF_MISUSE (between hf_call_begin and hf_call_end). */
HF_API int hf_cancel(struct hf_conn *c);

/* As timeout_ms of hf_open_options, from the next request on. */
HF_API void hf_set_timeout(struct hf_conn *c, int timeout_ms);

/* ---- Pipelined requests ------------------------------------------------- */

/* Begin a request of count parameters and return where to pack them. Waits, reading
 * and writing, while in_flight_max requests are out or 4 MiB wait to be sent. Never
 * NULL; failures show in hf_call_end. Between begin and end, only hf_pack_ functions
 * on the result and the three enders below may be called. */
HF_API struct hf_pack *hf_call_begin(struct hf_conn *c, const char *method, uint32_t count);

/* Send it, or queue it to be sent with what follows. *out is owned by the caller
 * until hf_reply_free. HF_OK, HF_CONNECTION, HF_TOO_LARGE, HF_MISUSE (the parameters
 * are not count whole values), HF_MEMORY; after a failure nothing was sent. */
HF_API int hf_call_end(struct hf_conn *c, struct hf_reply **out);

/* The same; fn is called exactly once (unless hf_close comes first), from inside a
 * function on c that reads, and never after a failure here. In fn the reply is
 * borrowed; fn may begin and end further requests, but must not wait: blocking
 * functions are HF_MISUSE there. */
typedef void (*hf_reply_fn)(void *ctx, struct hf_reply *reply);
HF_API int hf_call_end_callback(struct hf_conn *c, hf_reply_fn fn, void *ctx);

/* Forget the request that was begun. */
HF_API void hf_call_cancel(struct hf_conn *c);

/* Wait until the reply is there; its error's code. timeout_ms as in hf_open_options
 * applies: HF_TIMEOUT, and one may wait again. */
HF_API int hf_wait(struct hf_reply *reply);

HF_API bool hf_reply_is_done(const struct hf_reply *reply);

/* Valid once it is done; borrowed until hf_reply_free, or the callback's end. */
HF_API const struct hf_error *hf_reply_error(const struct hf_reply *reply);
HF_API struct hf_bytes hf_reply_result(const struct hf_reply *reply);

/* NULL is allowed. If it is not done, its answer is read and dropped later. */
HF_API void hf_reply_free(struct hf_reply *reply);

/* Wait until all that was queued is with the kernel. HF_OK, HF_CONNECTION, HF_PROTOCOL;
 * HF_TIMEOUT as hf_wait_all. */
HF_API int hf_flush(struct hf_conn *c);

/* Write and read what is possible, waiting up to timeout_ms (-1: no limit) for the
 * first event. HF_OK also if nothing came; HF_CONNECTION, HF_PROTOCOL. */
HF_API int hf_poll(struct hf_conn *c, int timeout_ms);

/* Wait for every request in flight, or for one of them. HF_OK (also if there is none),
 * HF_CONNECTION, HF_PROTOCOL; HF_TIMEOUT when no byte has come or gone for timeout_ms of
 * hf_open_options: the connection is lost then, as every request in flight is told. */
HF_API int hf_wait_all(struct hf_conn *c);
HF_API int hf_wait_any(struct hf_conn *c);

HF_API unsigned hf_in_flight(const struct hf_conn *c);

/* ---- The blocking forms ------------------------------------------------- */

/* Of all of them: HF_OK, the server's error, HF_CONNECTION, HF_TIMEOUT, HF_TOO_LARGE,
 * HF_MISUSE, HF_PROTOCOL, HF_MEMORY. Results are borrowed until the next call. t is a
 * transaction of c, or NULL: the one call is a transaction of its own. Each leaves
 * *result alone when it fails. */

/* Any method; params is one packed array. With timeout_ms the server is told a deadline_ms
 * where the method is known to this library and the caller gives none. */
HF_API int hf_call(struct hf_conn *c, const char *method, struct hf_bytes params,
                   struct hf_bytes *result);

/* Methods of the server: results as PROTOCOL describes them, packed. */
HF_API int hf_hello(struct hf_conn *c, const char *client, struct hf_bytes *result);
HF_API int hf_ping(struct hf_conn *c);
/* *result gets a packed list of maps, by name: {name, version, stores, bytes}. It is read in pages,
 * each as of its own moment. */
HF_API int hf_databases(struct hf_conn *c, struct hf_bytes *result);
/* Drop a database with all of its stores, once nobody is attached to it. *version (may be NULL)
 * gets the one that it had; 0: it did not exist, or was never upgraded. */
HF_API int hf_drop_database(struct hf_conn *c, const char *name, uint64_t *version);
HF_API int hf_describe(struct hf_conn *c, struct hf_bytes *result);
HF_API int hf_status(struct hf_conn *c, struct hf_bytes *result);
HF_API int hf_holds(struct hf_conn *c, struct hf_bytes *result);
HF_API int hf_kill(struct hf_conn *c, uint64_t version);
HF_API int hf_rotate(struct hf_conn *c);
HF_API int hf_amalgamate(struct hf_conn *c);
/* Takes long; HF_OK also where it has found damage: see "ok" in the result. */
HF_API int hf_check_data(struct hf_conn *c, struct hf_bytes *result);

struct hf_store_options {
    struct hf_bytes key;   /* a packed key path or list of parts; none: explicit keys */
    bool generate;         /* number records that come without a key */
    bool last_writer_wins; /* conflict: "none" */
};

HF_API int hf_create_store(struct hf_conn *c, struct hf_txn *t, const char *store,
                           const struct hf_store_options *options);
HF_API int hf_drop_store(struct hf_conn *c, struct hf_txn *t, const char *store);
HF_API int hf_clear_store(struct hf_conn *c, struct hf_txn *t, const char *store);
HF_API int hf_rename_store(struct hf_conn *c, struct hf_txn *t, const char *store,
                           const char *name);
/* *result gets a packed list of maps, by name: {name, key, indexes, records, bytes ...}. */
HF_API int hf_stores(struct hf_conn *c, struct hf_txn *t, struct hf_bytes *result);

struct hf_index_options {
    struct hf_bytes key;   /* a packed key path or list of parts, as of a store; required */
    bool unique;           /* HF_NOT_UNIQUE for a second record with the same index key */
    bool multi;            /* an entry for each element of an array */
    const char *types;     /* which values are keys, as "text" or "number,timestamp": nil, boolean,
                            * number, timestamp, text, binary, array; NULL: all of them */
    struct hf_bytes where; /* a packed condition: only records that meet it; none: all */
    bool online;           /* answer at once and build in the background; hf_stores shows the
                            * state. Refused by servers that cannot (HF_BAD_REQUEST) */
};

/* Make an index over the records there are, in t like everything else. HF_EXISTS,
 * HF_NO_STORE, HF_NOT_UNIQUE (two records have one key; nothing is done). */
HF_API int hf_create_index(struct hf_conn *c, struct hf_txn *t, const char *store,
                           const char *index, const struct hf_index_options *options);
HF_API int hf_drop_index(struct hf_conn *c, struct hf_txn *t, const char *store,
                         const char *index);
HF_API int hf_rename_index(struct hf_conn *c, struct hf_txn *t, const char *store,
                           const char *index, const char *name);

/* Insert or replace. key is none where the store takes it from the record or makes it;
 * *stored (may be NULL) gets the key. */
HF_API int hf_put(struct hf_conn *c, struct hf_txn *t, const char *store, struct hf_bytes value,
                  struct hf_bytes key, struct hf_bytes *stored);
/* The same, but HF_EXISTS if there is one. */
HF_API int hf_insert(struct hf_conn *c, struct hf_txn *t, const char *store,
                     struct hf_bytes value, struct hf_bytes key, struct hf_bytes *stored);
struct hf_update_options {
    bool upsert; /* make the record if there is none */
};

/* Change a record in place. changes is a packed list of [operator, path, value]: "set", "add",
 * "min", "max", "append", and "unset" and "commit" without a value. *value (may be NULL) gets
 * the record after it, or none. By itself it never loses to others; options may be NULL. */
HF_API int hf_update(struct hf_conn *c, struct hf_txn *t, const char *store,
                     struct hf_bytes key, struct hf_bytes changes,
                     const struct hf_update_options *options, struct hf_bytes *value);
/* *existed (may be NULL) gets whether there was one. */
HF_API int hf_delete(struct hf_conn *c, struct hf_txn *t, const char *store,
                     struct hf_bytes key, bool *existed);
/* *value gets the record, or none. */
HF_API int hf_get(struct hf_conn *c, struct hf_txn *t, const char *store, struct hf_bytes key,
                  struct hf_bytes *value);
HF_API int hf_has(struct hf_conn *c, struct hf_txn *t, const char *store, struct hf_bytes key,
                  bool *has);
/* keys is a packed array; *values gets a packed array, nil where there is none. */
HF_API int hf_get_many(struct hf_conn *c, struct hf_txn *t, const char *store,
                       struct hf_bytes keys, struct hf_bytes *values);

/* Which keys; bounds that are none are left out, so all zero is everything. */
struct hf_range {
    struct hf_bytes gt, gte, lt, lte; /* greater or less than; or equal */
    struct hf_bytes eq;
    struct hf_bytes prefix; /* keys of several parts: the first ones */
    struct hf_bytes starts; /* the same, the last given being the beginning of a text */
};

/* range may be NULL: all. */
HF_API int hf_count(struct hf_conn *c, struct hf_txn *t, const char *store,
                    const struct hf_range *range, uint64_t *records);
HF_API int hf_size(struct hf_conn *c, struct hf_txn *t, const char *store,
                   const struct hf_range *range, uint64_t *bytes);

/* The same by an index: key, keys and range are those of the index. A get takes the first
 * match, the record with the least key of its own; hf_index_count counts entries. For scans,
 * and for the keys of what was found, there is `index` of struct hf_scan_options. index NULL
 * is the store itself, as in the functions above. */
HF_API int hf_index_get(struct hf_conn *c, struct hf_txn *t, const char *store,
                        const char *index, struct hf_bytes key, struct hf_bytes *value);
HF_API int hf_index_has(struct hf_conn *c, struct hf_txn *t, const char *store,
                        const char *index, struct hf_bytes key, bool *has);
HF_API int hf_index_get_many(struct hf_conn *c, struct hf_txn *t, const char *store,
                             const char *index, struct hf_bytes keys, struct hf_bytes *values);
/* The same with an answer for each key: *answers gets a packed array of nil (there is none),
 * [record] or [nil, error], for as many of the first keys as fit, at least one. An error of a key
 * is none of t. Ask again for the keys that are left; in a transaction they are read as of the
 * same commit. */
HF_API int hf_get_each(struct hf_conn *c, struct hf_txn *t, const char *store,
                       const char *index, struct hf_bytes keys, struct hf_bytes *answers);
HF_API int hf_index_count(struct hf_conn *c, struct hf_txn *t, const char *store,
                          const char *index, const struct hf_range *range, uint64_t *entries);
HF_API int hf_index_size(struct hf_conn *c, struct hf_txn *t, const char *store,
                         const char *index, const struct hf_range *range, uint64_t *bytes);

struct hf_delete_range_options {
    uint64_t limit; /* 0: none */
    bool reverse;   /* count the limit from the end */
};

/* range is required: one without bounds is everything, NULL is refused (BAD_REQUEST). */
HF_API int hf_delete_range(struct hf_conn *c, struct hf_txn *t, const char *store,
                           const struct hf_range *range,
                           const struct hf_delete_range_options *options, uint64_t *deleted);

/* ---- Transactions ------------------------------------------------------- */

enum hf_durability {
    HF_DURABILITY_DEFAULT,  /* as the server's option `durability` says; as delivered, sync */
    HF_DURABILITY_SYNC,     /* a commit is answered when it is on the disk */
    HF_DURABILITY_INTERVAL, /* at once; it is on the disk within the server's `interval` */
};

struct hf_begin_options {
    bool serializable; /* isolation; default snapshot */
    bool read_only;
    bool greatest_version;  /* conflict; default first committer */
    bool on_error_continue; /* after EXISTS and the like one can go on */
    enum hf_durability durability;
    bool no_wait;           /* hf_txn_begin does not wait: an error shows in the next call */
    const char *label;      /* for people; NULL: none */
    uint32_t timeout_ms;    /* life; 0: the server's */
    uint32_t idle_ms;       /* 0: the server's */
    /* Limits in bytes of its own, within the server's; 0: none. */
    uint64_t write_bytes;   /* of its writes; then HF_TOO_LARGE */
    uint64_t
        read_bytes; /* of what is kept of its reads (serializable); then HF_TOO_LARGE, where
                             * the server would merge reads beyond its own limit */
    uint64_t held_bytes;    /* retained for it while others commit; then HF_TXN_EXPIRED */
    /* Locks: it begins when it has them, and gets no HF_CONFLICT in what it has exclusively. */
    const char *const *lock_shared;    /* names of stores, ended by NULL; NULL: none */
    const char *const *lock_exclusive; /* likewise */
    bool lock_database;                /* all of them, exclusively */
    bool try_lock;                     /* HF_LOCK_TIMEOUT at once where it would have to wait */
    uint32_t wait_ms;                  /* for the locks, then HF_LOCK_TIMEOUT; 0: no limit but
                                        * timeout_ms of the connection */
};

/* options may be NULL. *out is owned by the caller until commit or rollback. */
HF_API int hf_txn_begin(struct hf_conn *c, const struct hf_begin_options *options,
                        struct hf_txn **out);

/* ---- Opening and upgrading a database. An opener, o, is a number of one's own from 1; it is asked
 * ($versionchange, by hf_on_pushed) before the database is upgraded or dropped. Openers go with
 * their connection. ---- */

struct hf_attached {
    uint64_t version; /* of the database */
    bool may_upgrade; /* it is not attached: hf_upgrade is expected, within the server's time */
};
/* version 0: whichever the database has. HF_BAD_VERSION: it has a greater one. */
HF_API int hf_attach(struct hf_conn *c, uint32_t o, uint64_t version, struct hf_attached *out);
/* A transaction with nobody else in the database, whose commit gives it that version. Waits until
 * all others have detached; what is pushed meanwhile is handed on. */
HF_API int hf_upgrade(struct hf_conn *c, uint32_t o, uint64_t to,
                      const struct hf_begin_options *options, struct hf_txn **out);
/* o's handlers have run; o is an opener no more. */
HF_API int hf_versionchange_seen(struct hf_conn *c, uint32_t o);
HF_API int hf_detach(struct hf_conn *c, uint32_t o);

/* Commit and free t, whatever the answer: after any error but one with maybe_committed,
 * nothing of it was applied. token: 16 random bytes of your own, by which hf_outcome finds it;
 * NULL: none. *commit (may be NULL) gets the commit's number, 0 if nothing was written. */
HF_API int hf_txn_commit(struct hf_txn *t, const uint8_t *token, uint64_t *commit);

/* Roll back and free t. HF_OK if it was rolled back already. NULL is allowed. */
HF_API int hf_txn_rollback(struct hf_txn *t);

/* Savepoints, as in SQL: set one; undo what t has written since the newest of that name, which
 * stays set; forget it and those set after it, and keep what was written. HF_NO_SAVEPOINT. */
HF_API int hf_savepoint(struct hf_txn *t, const char *name);
HF_API int hf_rollback_to(struct hf_txn *t, const char *name);
HF_API int hf_release(struct hf_txn *t, const char *name);

/* The error that commit would give now, HF_OK if none; it changes nothing. */
HF_API int hf_txn_check(struct hf_txn *t);

/* The number on the wire, for requests one packs oneself. 0 for NULL: autocommit. The
 * library gives out numbers up to 2^31 - 1; those above are the caller's own. */
HF_API uint32_t hf_txn_handle(const struct hf_txn *t);
/* Given by the server at begin; 0 while a begin with no_wait is not answered. */
HF_API uint64_t hf_txn_version(const struct hf_txn *t);
HF_API uint64_t hf_txn_snapshot(const struct hf_txn *t);

enum hf_outcome {
    HF_OUTCOME_UNKNOWN, /* the token may have been forgotten */
    HF_OUTCOME_COMMITTED,
    HF_OUTCOME_NOT_COMMITTED, /* and it never will be: such a commit is HF_TOKEN_FENCED now */
};

/* What became of the commit with that token of 16 bytes. snapshot is that of its transaction
 * (hf_txn_snapshot); 0: not known, then the answer is more often that it is not known. *commit (may
 * be NULL) gets the number of the commit, else 0. */
HF_API int hf_outcome(struct hf_conn *c, const uint8_t *token, uint64_t snapshot,
                      enum hf_outcome *outcome, uint64_t *commit);

/* Several operations as one transaction in one round trip. ops is a packed list of
 * [method, params without t]; options may be NULL (no_wait means nothing here). *result
 * gets the packed map {results, commit}. */
HF_API int hf_run(struct hf_conn *c, struct hf_bytes ops,
                  const struct hf_begin_options *options, struct hf_bytes *result);

/* ---- The retry loop ----------------------------------------------------- */

/* Work in t with the functions above; HF_OK to have it committed, the code of a failed
 * call to have that judged, or a negative number of one's own to give up. It may
 * run several times, each time in a new transaction. It must not end t. */
typedef int (*hf_transact_fn)(struct hf_conn *c, struct hf_txn *t, void *ctx);

struct hf_transact_options {
    struct hf_begin_options begin;
    unsigned attempts_max;   /* 0: 10 */
    unsigned retry_losses;   /* after so many HF_CONFLICTs it locks what it wrote; 0: 4 */
    uint32_t time_max_ms;    /* no attempt begins later; 0: 30,000 */
    uint32_t delay_first_ms; /* bound of the first pause; doubles each time; 0: 5 */
    uint32_t delay_max_ms;   /* 0: 1,000 */
    bool no_reconnect;       /* after a loss do not connect again */
    uint64_t seed;           /* of the jitter; 0: from the system */
};

/* Run fn in a transaction and commit it; after a retryable error roll back, pause for a random
 * time (anywhere from 0 to the bound: full jitter) and do it again. Where the answer to a commit
 * is lost, it asks the server what became of it, by a token that goes with each commit: so it
 * never repeats what was committed, and an error with maybe_committed remains only if the server
 * cannot be reached in time or has forgotten. After retry_losses conflicts it begins with the
 * stores that fn wrote locked exclusively, so that it comes to its end. HF_OK, fn's negative
 * number, or the last error. Blocks. */
HF_API int hf_transact(struct hf_conn *c, const struct hf_transact_options *options,
                       hf_transact_fn fn, void *ctx, uint64_t *commit);

/* ---- A pool that threads share ------------------------------------------ */

struct hf_pool; /* every function but hf_pool_close may be called by any thread at any time */

struct hf_pool_options {
    struct hf_open_options open; /* of each connection */
    unsigned connections_max;    /* 0: 8 */
    int wait_ms;                 /* hf_pool_take: how long for one to be free; 0: 10,000; negative:
                                  * for ever */
};

/* address and options as of hf_open; connects once, so that a wrong address is told here. NULL on
 * failure, with *error. */
HF_API struct hf_pool *hf_pool_open(const char *address, const struct hf_pool_options *options,
                                    struct hf_error *error);

/* A connection for this thread alone, until hf_pool_give: one that is free, else a new one, else
 * the next that is given back. One that was lost while it was free is connected again. NULL:
 * *error (may be NULL) is HF_TIMEOUT, HF_CONNECTION or HF_MEMORY. */
HF_API struct hf_conn *hf_pool_take(struct hf_pool *pool, struct hf_error *error);

/* Give it back. Transactions and cursors that are still open, and requests in flight, end with the
 * connection, which is closed then, as one that was lost is. NULL is allowed. */
HF_API void hf_pool_give(struct hf_pool *pool, struct hf_conn *c);

/* hf_transact on a connection of the pool. *error (may be NULL) gets what went wrong, details
 * left out. */
HF_API int hf_pool_transact(struct hf_pool *pool, const struct hf_transact_options *options,
                            hf_transact_fn fn, void *ctx, uint64_t *commit,
                            struct hf_error *error);

/* Close and free, once every connection has been given back: it waits for them. NULL is
 * allowed. */
HF_API void hf_pool_close(struct hf_pool *pool);

/* ---- Cursors ------------------------------------------------------------ */

struct hf_scan_options {
    const char *index; /* rows in the order of this index; NULL: by the records' keys */
    bool reverse;
    bool unique; /* of each index key the first row only; limit and offset count these */
    bool keys_only;
    bool values_only;
    bool has_limit; /* whether limit counts: a limit of 0 gives no rows */
    uint64_t limit;
    uint64_t offset;
    uint32_t page;    /* rows in a page; 0: the server's */
    bool fetch_ahead; /* ask for the next page while this one is read, in a read-write
                          * transaction too (then rows ahead do not show later writes);
                          * outside of one it is always done */
    bool keep;        /* the cursor stays after its last row, for hf_cursor_seek */
};

/* Bytes are borrowed until the next call of hf_cursor_next or hf_cursor_close; other
 * calls on the connection leave them alone. */
struct hf_row {
    struct hf_bytes index_key; /* of a scan by an index; else none, and none with values_only */
    struct hf_bytes key;       /* none with values_only */
    struct hf_bytes value;     /* none with keys_only */
};

/* Start a scan and wait for its first page. range and options may be NULL. Outside of a
 * transaction all rows are of one snapshot. *out is owned until hf_cursor_close. */
HF_API int hf_cursor_open(struct hf_conn *c, struct hf_txn *t, const char *store,
                          const struct hf_range *range, const struct hf_scan_options *options,
                          struct hf_cursor **out);
/* HF_OK and a row, HF_END, or an error, which stays. */
HF_API int hf_cursor_next(struct hf_cursor *cursor, struct hf_row *row);
struct hf_seek_options {
    struct hf_bytes key;        /* packed; of a scan by an index, an index key */
    struct hf_bytes
        record_key; /* packed: by an index, the place of that one record; none: any */
    bool reverse;               /* from there to the beginning; else to the end */
    uint64_t skip;              /* rows to pass over first */
};
/* Go on from the first row at or beyond the key, in the direction given; within the range of the
 * scan. Waits for the page there. HF_NO_CURSOR: it has ended (keep); HF_BAD_KEY. An error but
 * HF_TIMEOUT stays. */
HF_API int hf_cursor_seek(struct hf_cursor *cursor, const struct hf_seek_options *options);
/* Does not wait. NULL is allowed. */
HF_API void hf_cursor_close(struct hf_cursor *cursor);

#ifdef __cplusplus
}
#endif

#endif
