/* function.h - a function of queries: its name, its arguments, a line of help.
 *
 * docs/query.md says what each answers. A function gets its arguments as values; null or
 * missing in one of them makes null, unless it takes nulls.
 *
 * Threads: any, with a memory of its own each. */
#ifndef HOLDFAST_QUERY_FUNCTION_H
#define HOLDFAST_QUERY_FUNCTION_H

#include "server/query/datum.h"

#define FUNCTION_MANY 255 /* as the most of arguments: there is no bound */

struct function_call {
    struct datum_memory *m;
    const char *name;         /* of the function, for messages */
    const struct datum *args; /* borrowed */
    unsigned count;
    int64_t now_seconds; /* when the statement began */
    uint32_t now_nanoseconds;
};

enum function_stop {
    STOP_NEVER,          /* all arguments are evaluated */
    STOP_AT_VALUE,       /* coalesce: none behind the first that is not null */
    STOP_AT_NOT_MISSING, /* ifmissing: none behind the first that is not missing */
};

struct query_function {
    const char *name;
    const char *parameters; /* for people: "t, from [, count]" */
    const char *help;       /* a line */
    uint8_t least, most;    /* arguments; most may be FUNCTION_MANY */
    bool takes_nulls;
    bool reads_clock;   /* else its value depends on its arguments alone */
    enum function_stop stop; /* the caller evaluates from the left; arguments behind that one it
                              * leaves out of the call */
    enum datum_fault (*run)(const struct function_call *c, struct datum *out);
};

/* Call it. c->count is one that it takes, but for arguments that were left out by stop. */
enum datum_fault query_function_call(const struct query_function *f, struct function_call *c,
                                     struct datum *out);

#endif
