/* writer.h - a plan that writes, at work: rows are pulled, and each is written.
 *
 * What a statement reads is the state before it: so where it could meet what it has written
 * itself, all rows are gathered first. The caller has it run as one statement (txn/statement.h).
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_WRITER_H
#define HOLDFAST_QUERY_WRITER_H

#include "server/query/run_state.h"

struct txn;

struct writer_row { /* in memory of the statement */
    struct writer_row *next;
    uint32_t place;      /* in the text */
    struct slice key;    /* MessagePack; none: it is in the document, or encoded is there */
    struct slice encoded; /* update without returning: the key as it is kept */
    struct slice record;  /* update of rows as they are read: the record, until it has waited */
    struct slice bytes;  /* insert: the document; update: the changes; delete: none */
    struct datum before; /* delete with returning: the document */
};

struct writer_written { /* what returning with queries in it is yet to answer for */
    struct writer_written *next;
    struct datum record, key;
};

struct writer_answer { /* a row of returning */
    struct writer_answer *next;
    size_t size;
    uint8_t bytes[]; /* a MessagePack array */
};

struct statement_writer {
    struct query_run *run;
    struct txn *txn;
    struct writer_row *first, *last; /* gathered */
    bool is_ready;  /* it is known whether rows are gathered first */
    bool gathers;
    bool has_gathered;
    struct writer_row *at; /* being written; NULL: none */
    struct writer_row row; /* of rows that are not gathered */
    uint32_t next_value;   /* of plan.rows */
    bool is_asking;        /* its queries */
    bool is_written;       /* and is to be read back */
    struct slice written_key;
    struct field_shape shape; /* of what is returned */
    uint64_t changed;
    struct writer_written *written, *last_written;
    bool is_returning; /* all is written, and the queries are open */
    bool has_record;   /* that is being answered for */
    struct writer_answer *answers, *last_answer;
    uint32_t answer_count;
    uint64_t answer_bytes, answer_max;
};

/* Go on until all is written: ERR_OK. ERR_WAIT: call again; what a write answers. */
enum err writer_run(struct statement_writer *w);

#endif
