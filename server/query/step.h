/* step.h - how a query is answered: a tree of steps, each of which gives rows to the one above.
 *
 * Made by plan.h from a parsed statement and the stores as a transaction sees them; lies in one
 * arena and is not changed afterwards: what a step keeps while it works is in run_state.h. A row
 * is in slots (expr.h); a step puts into the slots that are its own, and those below stay as they
 * are until it is asked for the next row.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_STEP_H
#define HOLDFAST_QUERY_STEP_H

#include "server/query/aggregate.h"
#include "server/query/ast.h"
#include "server/query/expr.h"
#include "server/query/field_set.h"
#include "server/storage/key.h"
#include "server/txn/catalogue.h"

#define PLAN_SOURCES_MAX 32  /* of one select: bits of expr.reads are for all of the query */
#define PLAN_SLOTS_MAX 65535
#define PLAN_APPLIES_MAX 64 /* queries in expressions: bits of expr.applies */

enum step_kind {
    STEP_ONE,      /* one row of nothing */
    STEP_SCAN,     /* records of a store, perhaps by an index */
    STEP_DERIVED,  /* rows of a query in from: input is its plan */
    STEP_UNNEST,   /* for each row of input: the elements of value */
    STEP_JOIN,     /* for each row of input: the rows of inner */
    STEP_HASH,     /* the same by hash: inner is read once, and depends on no row of input */
    STEP_FILTER,   /* rows for which condition holds */
    STEP_APPLY,    /* for each row of input: the answer of the query inner, into slot */
    STEP_GROUP,    /* rows of equal keys become one */
    STEP_PROJECT,  /* outputs into slots */
    STEP_DISTINCT, /* rows whose outputs have not been there before */
    STEP_SORT,     /* by keys; puts outputs into slots */
    STEP_LIMIT,
};

struct step_key { /* of a sort */
    struct expr *value;
    bool is_descending;
    bool nulls_last;
};

struct step_bound { /* of a part of a key */
    struct expr *value; /* NULL: none */
    bool is_open;       /* the value itself is not in */
};

#define SCAN_PATHS_MAX 16 /* ways to read a store that are considered */

struct scan_equal { /* what a part of a key is equal to: a value, or one of several */
    struct expr *value;
    const struct expr *any; /* IN_LIST, IN_VALUE: its values; value is NULL */
};

/* A way to read the records of a store for which all conditions hold: within bounds of its key or
 * of an index. Which way is taken is decided when the values of the bounds are known
 * (run_choose.h). */
struct scan_path {
    struct schema *index; /* of the store; NULL: by the key of the store */
    unsigned part_count;
    unsigned equal_count; /* parts of the key that are known */
    struct scan_equal equal[KEY_PARTS_MAX];
    struct step_bound low, high; /* of the part behind them */
    const struct expr *like;     /* LIKE, CALL of starts_with: it is a text that begins so */
    bool is_elements; /* of a multi index: entries are elements of what is there */
    bool
        is_covered; /* records within the bounds are just those for which all conditions hold */
    bool is_ordered; /* they come in the order that the step above wants */
    bool is_turned;  /* ... backwards */
    bool finds_end;  /* the first one has the least or greatest value that is wanted, */
    bool end_turned; /* ... from the other end */
    bool has_all;    /* entries of the index have all fields that are wanted: no record is read */
    bool has_store_part; /* one of them is a part of the key of the store */
    uint8_t field_parts[FIELDS_MAX]; /* then: the part of the index that each field is, or from
                                        KEY_PARTS_MAX on of the key of the store */
};

struct step_scan {
    struct schema *store; /* borrowed: it stays as long as the anchor sees it */
    uint64_t bit;         /* in expr.reads */
    bool has_record; /* the record is wanted, or a field of it, not its key alone */
    bool has_whole;  /* the record as a whole is, in the step's slot */
    struct field_set *fields; /* that are wanted of it (plan_fields.c), */
    unsigned field_slot;      /* in the slots from here on */
    uint32_t exact_fields;    /* bits of those that are more than compared: keys do not tell
                                 whether a number is an integer or a double */
    uint32_t deep_fields;     /* and of those into which a path goes on */
    bool has_key;
    unsigned key_slot;
    struct scan_path *paths; /* the first one is by the key of the store */
    unsigned path_count;
    struct expr **conditions; /* all hold for each record that is wanted */
    unsigned condition_count;
    bool counts;       /* its records are counted, and nothing else is wanted */
    struct step *sort; /* the sort whose order a path may have; NULL: none */
};

enum apply_kind { APPLY_EXISTS, APPLY_IN, APPLY_VALUE };

struct step_aggregate {
    enum aggregate_kind kind;
    uint32_t place;
    struct expr *argument; /* NULL: of rows */
    bool is_distinct;
    unsigned slot;
};

struct step {
    enum step_kind kind;
    unsigned number; /* of its state */
    uint32_t place;  /* in the text */
    struct step *input, *inner;
    unsigned slot; /* SCAN: the record; DERIVED, UNNEST, APPLY: the value; GROUP, PROJECT, SORT:
                      the first output */
    struct step_scan *scan;
    struct expr *value;     /* UNNEST: the array; APPLY_IN: what is looked for */
    bool has_at;            /* UNNEST: the place is wanted, */
    unsigned at_slot;       /* here */
    struct expr *condition; /* FILTER, JOIN, HASH */
    struct expr **outer_keys, **inner_keys; /* HASH: equal ones, of input and of inner */
    unsigned pair_count;
    struct expr *
        *memo_keys; /* JOIN: the inner rows are kept by them, and depend on nothing else */
    unsigned memo_key_count; /* 0: they are not kept */
    bool is_left;           /* JOIN, UNNEST: where there is none, one of nulls */
    unsigned null_from, null_to; /* of such a one: slots */
    unsigned field_from, field_to; /* JOIN, HASH: and those of the fields of a scan within */
    enum apply_kind apply;
    bool is_negated;
    bool is_fixed; /* APPLY: it depends on no row outside, so once is enough */
    struct expr **outputs;
    unsigned output_count;
    bool is_value;       /* PROJECT: of select value */
    struct slice *names; /* PROJECT: of the outputs */
    struct step_key *keys;
    unsigned key_count;
    struct step_aggregate *aggregates;
    unsigned aggregate_count;
    struct step
        *counts;       /* GROUP: the scan whose records it counts, and does nothing else, if all
                            conditions are in its bounds */
    struct step *ends;   /* GROUP: the scan by a path of which the first value that is not null
                            may decide */
    struct step *ordered; /* SORT: the scan by a path of which rows may come in order */
    bool is_grouped; /* GROUP: there is a group by: no rows, no groups */
    struct expr *limit, *offset; /* LIMIT; of SORT: how many are wanted, as far as known */
};

struct plan_parameter { /* EXPR_PARAMETER by its number */
    struct slice name; /* none: it has a place among the arguments, */
    uint32_t number;   /* from 0 */
    uint32_t at;       /* where it stands in the text first */
};

struct plan_store { /* that the plan reads or writes */
    struct slice name;
    struct schema *schema; /* borrowed, as the anchor of the plan has seen it */
    unsigned rights;       /* that the statement needs on it (guard.h) */
};

struct plan {
    struct arena *arena;
    struct slice text;
    const struct ast_statement *statement;
    struct step *root; /* of select; of writes: what is read */
    unsigned step_count, slot_count, scan_count;
    struct step *applies[PLAN_APPLIES_MAX];
    unsigned apply_count;
    bool keeps_rows; /* rows of scans are copied: they outlive the next call of a cursor */
    /* Of select and returning. */
    unsigned column_count;
    unsigned column_slot;
    struct slice *columns;
    bool is_value;
    struct plan_parameter *parameters;
    uint32_t parameter_count, parameter_room;
    struct plan_store *stores;
    uint32_t store_count, store_room;
    /* Of statements that write. */
    struct schema *target;
    struct step *target_scan; /* of update and delete */
    unsigned target_slot, target_key_slot;
    bool is_direct; /* rows are written as they are read, if that is by the key of the store */
    struct step *write;     /* its place, and its memory */
    struct step
        *returning; /* PROJECT of nothing, or of one row for which queries are asked, when
                               all is written; NULL: there is none */
    struct plan_row *rows;  /* of insert */
    uint32_t row_count;
    struct plan_set *sets;
    uint32_t set_count;
};

struct plan_row { /* a record to be inserted */
    uint32_t place;
    struct expr *value;
    struct expr *key; /* NULL: none is given */
    struct step *queries; /* asks those that are in them; NULL: none are */
};

struct plan_set { /* a change of a record */
    uint32_t place;
    struct value_path path;
    struct expr *value; /* NULL: it is taken out */
};

#endif
