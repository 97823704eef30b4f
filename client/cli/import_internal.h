/* import_internal.h - an import: lines come in (import.c), requests go out (import_send.c).
 *
 * Lines are gathered into batches, each a transaction of its own that is kept until its
 * answer has come, so that it can be sent again. Memory is bounded by batches on their way
 * times bytes of a batch, whatever the size of the file. Within one transaction (of
 * --transaction, or the shell's) each record is a request of its own instead. */
#ifndef HOLDFAST_CLI_IMPORT_INTERNAL_H
#define HOLDFAST_CLI_IMPORT_INTERNAL_H

#include "client/cli/cli.h"
#include "client/cli/progress.h"
#include "client/cli/reader.h"

#define IMPORT_BATCH_RECORDS_MAX 10000
#define IMPORT_BATCH_BYTES_MAX (1u << 20) /* a batch that has so much is full */
#define IMPORT_IN_FLIGHT_MAX 256
#define IMPORT_ATTEMPTS_MAX 10          /* for a batch that others conflict with */
#define IMPORT_LOSSES_MAX 4             /* after so many conflicts its attempts lock the store */
#define IMPORT_DEPTH_OF_RUN 5           /* lists around a record in a request `run` */
#define IMPORT_DEPTH_ALONE 2            /* and in one of its own */
#define IMPORT_AROUND_BYTES 128          /* heads and names around the records of a request */
#define IMPORT_AROUND_ELEMENTS 16
#define IMPORT_RECORD_BYTES 16 /* around a record in `run`, besides the store's name */
#define IMPORT_RECORD_ELEMENTS 4
#define IMPORT_HANDLE_FIRST 0x80000000u /* the caller's own handles begin here */

enum import_on_exists { IMPORT_REPLACE, IMPORT_FAIL, IMPORT_SKIP };

struct import;

/* What the server takes, as `hello` says. */
struct import_limits {
    uint64_t frame_bytes, elements, depth;
    uint64_t key_bytes, result_bytes;
    uint64_t requests, transactions; /* of one connection */
};

/* A record that is to be sent. Bytes are borrowed. */
struct import_line {
    struct slice value, key; /* key none: the store makes it */
    uint64_t line, line_end; /* from and to which it stands */
    uint64_t elements;       /* of both */
    bool deep;         /* deeper than `run` takes */
};

struct import_record {
    struct import_batch *batch;
    size_t value_at, value_size; /* in batch->bytes */
    size_t key_at, key_size;     /* size 0: the store makes the key */
    uint64_t line, line_end;
};

struct import_batch {
    struct import *import;
    enum { BATCH_FREE, BATCH_FILLING, BATCH_SENT, BATCH_AGAIN, BATCH_DONE } state;
    struct hf_pack bytes;          /* owned */
    struct import_record *records; /* owned; room for a full batch */
    unsigned count;
    uint64_t frame_bytes, elements; /* of its request, at most */
    uint64_t result_bytes;          /* of the answer, at most */
    bool alone;                     /* one record, in a request of its own */
    uint64_t order; /* batches are numbered as they are begun */
    unsigned attempts;
    unsigned losses;                /* of them, those that met a conflict */
    unsigned skipped;            /* of this attempt */
    uint32_t pause_ms;           /* BATCH_AGAIN: wait so long first */
    bool failed;                 /* of this attempt, by a record */
    struct hf_error begin_error; /* of this attempt, where it has a begin */
};

struct import {
    struct cli *cli;
    const char *store;
    const char *file; /* as messages name it */
    struct import_limits limits;
    struct reader reader;
    struct hf_pack row; /* a record of columns without its key */
    struct progress progress;
    enum import_on_exists on_exists;
    bool rows;    /* lines are {"key": ..., "value": ...} */
    bool keyed;   /* the store takes the key from the record */
    bool created; /* the store was made for this import, outside of a transaction */
    unsigned batch_max, in_flight_max;

    struct hf_txn *txn; /* NULL: batches; borrowed from the shell or own_txn */
    bool own_txn;       /* ends with the import */

    struct import_batch *batches; /* in_flight_max of them; in one transaction only records
                                   * of the first, as slots of requests on their way */
    uint64_t batch_orders;        /* given out so far */
    uint32_t *free_slots;         /* in one transaction */
    unsigned free_slot_count;

    uint64_t read; /* records given to import_send_record */
    uint64_t sure; /* surely in (in one transaction: taken by the server) */
    uint64_t skipped;
    uint64_t sure_line;  /* all up to this line are in, or were skipped */
    uint64_t sure_later; /* records in of lines after that one */
    uint64_t sent_line;  /* the last line that was sent */
    uint64_t unknown;    /* records of which it is not known */

    bool failed;             /* the first error of a line, or of all: */
    uint64_t failed_line;    /* 0: of no line */
    uint64_t failed_line_to; /* beyond failed_line: it is one of these */
    struct hf_error error;   /* without details but an index; code 0: said already */
    int exit_code;
};

/* ---- For `load`: records that another has read, into a store that is there. ---- */

/* im is filled; file is what messages name. False: no memory, or the connection is lost. */
bool import_begin(struct import *im, struct cli *cli, const char *store, const char *file);
/* False: it has failed; import_end says how. */
bool import_take(struct import *im, struct import_line *line);
/* Wait for all that is on its way. A cli_exit; a message was printed. */
int import_end(struct import *im);

/* ---- What sends (import_send.c) ---- */

/* Make room for in_flight_max batches. False: no memory. */
bool import_send_init(struct import *im);
void import_send_fini(struct import *im);

/* Whether the server takes a request of this record alone. */
bool import_send_fits(const struct import *im, const struct import_line *line);

/* Send a record that fits, or keep it with others. False: the import has failed. */
bool import_send_record(struct import *im, const struct import_line *line);

/* Send what is kept and wait for every answer. False: the import has failed. */
bool import_send_end(struct import *im);

/* Wait for every answer, and send nothing more. */
void import_send_stop(struct import *im);

/* Keep the first failure, by line. */
void import_fail(struct import *im, uint64_t line, const struct hf_error *error);

#endif
