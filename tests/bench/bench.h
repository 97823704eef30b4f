/* bench.h - what the load tool, its workloads and its drivers share.
 *
 * A peer is one system in one configuration. A server peer is a child process on
 * a private port and directory, driven by one epoll client (client.h); a peer in
 * process brings a loop of its own (driver.run). Both do the same operations on
 * the same records and fill the same measure, so that the tables compare them.
 *
 * Threads: the tool's main thread, unless a comment says otherwise. */
#ifndef HOLDFAST_TESTS_BENCH_BENCH_H
#define HOLDFAST_TESTS_BENCH_BENCH_H

#include "tests/bench/histogram.h"
#include "tests/bench/process.h"
#include "tests/bench/records.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The index workloads have four stores of so many records at most. A record has five numbers,
 * the first of them its own number, and a value. The stores have no index, one, four (each
 * over one of the other numbers, all new with each put), and one over the first. */
#define BENCH_INDEXED_RECORDS 100000
#define BENCH_NUMBERS 5
#define INDEXED_BY_FIRST 9

#define BENCH_WORK_BATCH_MAX 1000 /* records in one OP_LOAD */

enum op_kind {
    OP_GET,
    OP_PUT,    /* insert or replace */
    OP_SCAN,   /* rows records from a key on, ascending */
    OP_FULL,   /* the whole store, in pages of 1,000, one after another */
    OP_TXN,    /* read two records, write both, commit */
    OP_MODIFY, /* read a record, write it back: two requests, no transaction */
    OP_LOAD,   /* put batch records */
    OP_INSERT, /* in a mix: a put of the next new key */
    OP_INDEX_PUT,  /* put a record with five numbers into a store with work.indexes indexes */
    OP_INDEX_GET,  /* the record whose first number is the key */
    OP_INDEX_SCAN, /* rows records in the order of their first numbers, from the key on */
    OP_ADD,        /* add 1 to the one counter */
    OP_KINDS,
};

/* How much a write waits for before it counts as done. */
enum bench_durability { SYNCED, UNSYNCED };

/* How many trips to the server a transaction takes. A driver that cannot make
 * six makes one for each step that it has, and says so in its configuration. */
enum txn_shape { TXN_SIX, TXN_TWO, TXN_ONE };

/* At snapshot a transaction loses to whoever wrote what it writes, at serializable also
 * to whoever wrote what it read. A peer that has one level only takes no heed. */
enum isolation { ISOLATION_SNAPSHOT, ISOLATION_SERIALIZABLE };

/* One operation at work. The runner fills the first part, the driver the second. */
struct work {
    enum op_kind kind;
    unsigned indexes; /* INDEX_PUT: how many, or INDEXED_BY_FIRST */
    enum bench_durability durability;
    enum txn_shape shape;
    enum isolation isolation;
    unsigned rows;             /* SCAN */
    unsigned batch;            /* LOAD: records */
    uint64_t key[2];           /* record numbers; TXN: read, ascending; SCAN: the first */
    uint64_t write_key[2];     /* TXN: written, ascending; mostly the same */
    uint64_t *load_keys;       /* LOAD: batch record numbers; the runner's memory */
    uint64_t random;           /* noise for values; the runner's stream */

    unsigned trip;             /* number of the round trip that is under way */
    uint32_t counter[2];       /* TXN, MODIFY: what was read */
    uint64_t got_rows;         /* GET, SCAN, FULL: records received so far */
    uint64_t cursor;           /* FULL: where to go on; the driver's */
    uint32_t page_rows;        /* SCAN, FULL: in the page that is coming; the driver's */
    char last[RECORD_KEY_BYTES]; /* FULL: the last key received */
    bool refused;              /* the peer said that it lost a conflict */
    bool failed;               /* an answer that should not be */
    bool missing;              /* no such record */
    bool finished;             /* FULL: the last page has come */
};

/* What a runner is asked for. */
struct run_spec {
    enum bench_durability durability;
    enum txn_shape shape;
    enum isolation isolation;
    bool writes_others;   /* TXN: writes two records that it has not read */
    unsigned connections; /* or threads, in process */
    unsigned depth;       /* operations in flight on each */
    unsigned rows;        /* SCAN */
    unsigned indexes;     /* INDEX_PUT */
    unsigned mix[OP_KINDS]; /* share of each kind, in percent */
    enum key_order order;   /* which keys */
    uint64_t records;       /* key space */
    uint64_t load_count;    /* LOAD, PUT: how many in all; 0: by time */
    unsigned load_batch;
    double seconds;         /* how long; 0: until load_count is done */
    bool is_whole;          /* count from the start: nothing is to warm up */
    uint64_t seed;
    uint64_t *inserts;      /* where inserts have got to, shared by runs on one peer */
    /* Called about every 100 ms with the operations so far; false ends the run. May be
     * NULL. */
    bool (*sample)(void *context, double at, uint64_t ops);
    void *context;
};

struct measure {
    double seconds;
    uint64_t ops;     /* done, refused ones not counted */
    uint64_t refused;
    uint64_t failed;
    uint64_t missing;
    uint64_t rows;    /* records received or loaded */
    double server_cpu; /* seconds */
    double client_cpu;
    struct histogram latency; /* nanoseconds */
};

/* What is kept open while others write. */
enum hold_kind {
    HOLD_WRITER, /* read-write: has read a record and written one of its own */
    HOLD_READER, /* read-only: has read a record */
};

struct peer;
struct conn;

struct driver {
    const char *name;
    bool (*available)(void); /* can it be run on this machine? */
    /* Make the directory if it is not there, start, wait until it answers, make the
     * store if there is none. False: said why on stderr. */
    bool (*start)(struct peer *p);
    /* kill: as SIGKILL does it. Data stay. */
    void (*stop)(struct peer *p, bool kill);
    /* Make what was written so far durable, as a load must be at its end. */
    void (*settle)(struct peer *p);
    /* Do now what it would do in the background: merge, checkpoint. May be NULL. */
    void (*compact)(struct peer *p);
    /* Let what was written reach the kernel, as a test that kills must. May be NULL. */
    void (*flush)(struct peer *p);
    /* Begin a transaction that stays open. NULL: it has none of that kind. release
     * reads again what a reader has read, or commits, and says what came of it. */
    void *(*hold)(struct peer *p, enum hold_kind kind);
    void (*release)(struct peer *p, void *held, char *end, size_t size);
    unsigned holds; /* BENCH_HOLDS_ bits */
    /* In process: run and measure. NULL: the epoll client does, with the three below. */
    void (*run)(struct peer *p, const struct run_spec *spec, struct measure *out);
    /* The handshake, on a blocking socket. */
    bool (*greet)(struct peer *p, struct conn *c);
    /* Put the bytes of w->trip to c->out; returns the replies to expect, 0: w is done. */
    unsigned (*encode)(struct conn *c, unsigned slot, struct work *w);
    /* Take one reply: its bytes, 0: not whole yet, -1: broken. *slot is the oldest
     * reply's; a peer that answers out of order sets it. */
    long (*decode)(struct conn *c, const uint8_t *data, size_t size, unsigned *slot);
    /* Make the stores of the index workloads, and the counter. NULL: start has. */
    bool (*prepare)(struct peer *p);
    unsigned load_depth, load_batch; /* how it likes to be loaded, on 4 connections */
    bool is_scanning;                /* has ordered scans */
};

struct peer {
    const char *name;
    const char *variant;  /* the driver's: which configuration */
    const char *config;   /* for people */
    const char *host;     /* the peer whose server it uses; NULL: one of its own */
    enum isolation isolation;
    const struct driver *driver;
    unsigned serves;      /* BENCH_SERVES_ bits */
    char directory[256];
    int port;             /* 0: in process */
    pid_t pid;
    uint64_t cache_bytes; /* 0: the driver's default */
    uint64_t stage_bytes; /* what is kept in memory before it is merged; likewise */
    uint64_t inserts;     /* records that are there */
    uint64_t memory_before; /* in process: what the tool had taken by itself */
    bool is_up;
    bool is_lost;         /* its server has ended by itself */
    unsigned complaints;  /* said so far */
    void *state;          /* the driver's */
};

#define BENCH_SERVES_READS 1u
#define BENCH_SERVES_SYNCED 2u
#define BENCH_SERVES_UNSYNCED 4u
#define BENCH_SERVES_LOADS 8u
#define BENCH_SERVES_TXNS 16u /* durable */
#define BENCH_SERVES_INDEXES 32u

#define BENCH_HOLDS_WRITER 1u
#define BENCH_HOLDS_READER 2u

extern const struct driver driver_holdfast, driver_core, driver_redis, driver_tarantool,
    driver_postgres, driver_lmdb, driver_rocksdb;

/* Say on stderr what a peer has answered that it should not; the first few times. */
void peer_complain(struct peer *p, const void *text, size_t size);

/* The source of a run's operations; shared by its connections. */
struct work_source {
    const struct run_spec *spec;
    struct key_stream keys;
    uint64_t loaded; /* LOAD, PUT: records handed out */
};

void work_source_init(struct work_source *s, const struct run_spec *spec);
/* Fill w with the next operation; false: a load has none left. load_keys and random
 * stay the caller's. */
bool work_next(struct work_source *s, struct work *w);

/* The numbers of the record that an INDEX_PUT writes. */
void work_numbers(struct work *w, uint64_t numbers[BENCH_NUMBERS]);

/* Account for an operation that has ended. */
void measure_add(struct measure *m, const struct work *w, uint64_t began_ns, uint64_t ended_ns);
void measure_merge(struct measure *into, const struct measure *from);

#endif
