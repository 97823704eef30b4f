/* run_state.h - what a plan at work keeps: for each step, and for all of it.
 *
 * Nothing here keeps a stack between two calls: what a step has done is in its state, so a call
 * that answers ERR_WAIT is made again and goes on. After RUN_STEPS_A_TURN rows of any step, or the
 * time that so many take as a rule, others have a turn. All memory is of arenas that are counted
 * against query-memory.
 *
 * Invariants, cited by asserts:
 *   M-1 run.bytes is what it was when the run began, and what each step has counted of its arenas,
 *       and its cursor, and the heap of its sort; when all are closed it is what it was.
 *   M-2 a step is asked for a row only while it is open; opening it closes what it had.
 *   M-3 a row that is kept and put back has as many values as the step has slots for them.
 *   M-4 a step that has read all that it keeps (sort, group, hash) reads its input no more.
 *
 * Threads: loop only. */
#ifndef HOLDFAST_QUERY_RUN_STATE_H
#define HOLDFAST_QUERY_RUN_STATE_H

#include "server/query/step.h"
#include "server/txn/cursor.h"

#define RUN_STEPS_A_TURN 1000
#define RUN_NS_A_TURN 50000 /* about; looked at after each */
#define RUN_STEPS_A_LOOK 32
#define RUN_BYTES_A_STEP 1024 /* looking at so many bytes takes as long as a step */
#define RUN_CURSOR_BYTES (18u << 10) /* what a cursor takes, about */

struct apply_values;
struct field_names;
struct sort_rows;
struct group_rows;
struct hash_rows;
struct memo;
struct scan_choice;

struct scan_list { /* the values of a part, encoded, in order, without doubles */
    struct slice *values;
    uint32_t count, at;
};

struct scan_ranges { /* of one opening of a scan; zeroed, then by ranges_begin */
    const struct scan_path *path;
    struct scan_list *lists; /* for each equal part; NULL: each has one value */
    unsigned used;           /* equal parts that are used */
    uint64_t count;          /* of ranges */
    bool is_loose;           /* they hold more than the bounds say */
    bool is_empty;           /* no value can be in them */
};

struct step_state {
    bool is_open;
    bool has_row;  /* of input */
    bool has_given; /* JOIN: a row for it; ONE, UNNEST: its rows */
    bool has_ended;
    struct cursor *cursor;
    struct arena arena; /* of the row at hand, or of all that the step keeps */
    uint64_t counted;   /* of its bytes, in run.bytes */
    struct datum_memory memory, row_memory;
    struct datum_walk walk; /* UNNEST */
    int64_t at;
    uint64_t left, skip;      /* LIMIT */
    struct sort_rows *sort;   /* SORT, in the arena */
    struct group_rows *group; /* GROUP, likewise */
    struct hash_rows *hash;   /* HASH, likewise */
    struct memo *memo;        /* JOIN, likewise */
    struct value_set distinct;
    /* SCAN: */
    struct slice row_key, row_record; /* of the row at hand, borrowed from the cursor */
    struct field_shape *shape; /* in the run's arena; NULL: no fields are wanted */
    const struct scan_path *path; /* that it goes by; stays over openings. NULL: not decided */
    const struct scan_path *now;  /* by which this opening goes; NULL: not prepared */
    struct scan_choice *choice;   /* in the run's arena */
    struct scan_ranges ranges;    /* of this opening; lists in the arena */
    bool is_checked;              /* the path can be used with the values at hand */
    bool is_total;                /* each record has an entry in its index */
    bool is_turned;               /* it goes backwards */
    bool is_counting;             /* a count goes on, */
    uint64_t rows_counted;        /* which is so far */
    /* For explain: */
    bool has_estimate;
    uint64_t estimate; /* records within the bounds of a scan; else of its store */
    uint64_t guess;    /* rows that are expected, of a scan at each opening */
    struct field_names
        *sample;       /* of the records of a scan, in the run's arena; NULL: there is none */
    uint64_t rows;     /* given */
    uint64_t spent_ns; /* by it and by those below it; so are: */
    uint64_t pages_asked, pages_loaded;
    /* APPLY: */
    bool is_asked, has_found;
    enum datum_truth truth;
    struct datum looked_for;
    struct apply_values *values;
    struct arena row_arena;   /* of steps that keep much: of the row at hand */
    uint64_t row_counted;
};

struct query_run {
    /* step_next of run.h, for steps that pull from others */
    enum err (*next)(struct query_run *r, const struct step *s);
    void (*open)(struct query_run *r, const struct step *s); /* step_open */
    const struct plan *plan; /* borrowed */
    struct os *os;
    struct op *op;     /* of the call at hand */
    struct cursor *anchor; /* borrowed: whose snapshot it reads */
    struct arena *arena;   /* of what stays as long as the run */
    uint64_t plan_seed;    /* not 0: scans take any way that gives the same rows */
    struct expr_run expr;
    struct step_state *states; /* in the run's arena */
    uint64_t bytes;            /* of all arenas, the plan's included, and cursors */
    uint64_t bytes_first;      /* so many of it before any step was at work */
    uint64_t bytes_max;        /* query-memory */
    unsigned steps;            /* in this turn, */
    unsigned look_at;          /* so many of which the clock is looked at; */
    uint64_t turn_ns;          /* when it began */
    bool measures;             /* rows and time of each step are counted */
    uint64_t seed;             /* of hash tables */
};

/* A turn begins. */
void run_turn(struct query_run *r);
enum err run_look(struct query_run *r);
/* One unit of work; ERR_WAIT: others have a turn. */
static inline enum err run_step(struct query_run *r)
{
    return ++r->steps < r->look_at ? ERR_OK : run_look(r);
}
/* So many bytes are looked at, or were made, besides. */
void run_charge(struct query_run *r, uint64_t bytes);
/* Memory of the step for the row at hand, empty. */
struct datum_memory *run_row_memory_anew(struct query_run *r, struct step_state *st);
static inline struct datum_memory *run_row_memory(struct query_run *r, struct step_state *st)
{
    if (st->row_arena.bytes || !st->row_memory.arena)
        return run_row_memory_anew(r, st);
    st->row_memory.bytes_max = r->bytes_max > r->bytes ? r->bytes_max - r->bytes : 0;
    return &st->row_memory; /* nothing was made for the last row */
}
/* Memory of the step for what it keeps until it is opened again. */
struct datum_memory *run_kept_memory(struct query_run *r, struct step_state *st);
/* A fault at the step's place. */
COLD enum err run_refuse(struct query_run *r, const struct step *s, struct datum_memory *m,
                         enum datum_fault fault);
/* The step's outputs for the row at hand. */
enum err run_outputs(struct query_run *r, const struct step *s, struct datum_memory *m,
                     struct datum *out);
/* The row of the source within a join, in its slots and those of its fields: how many values it
 * has, put there, put there as nulls, and copied. */
static inline unsigned run_row_values(const struct step *s)
{
    return s->null_to - s->null_from + s->field_to - s->field_from;
}
void run_row_give(struct query_run *r, const struct step *s, const struct datum *values);
void run_row_clear(struct query_run *r, const struct step *s);
enum datum_fault run_row_copy(struct query_run *r, const struct step *s, struct datum_memory *m,
                              struct datum *to);
/* Count what the arenas of the step have grown by; ERR_TOO_LARGE: too much in all. */
enum err run_count(struct query_run *r, const struct step *s);

/* A whole number from 0 of limit or offset; standard where e is NULL. */
enum err run_limit(struct query_run *r, const struct step *s, const struct expr *e,
                   uint64_t standard, uint64_t *out);

#endif
