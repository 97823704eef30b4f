/* session_request.h - requests of clients, made from a few bytes of a fuzzer's input.
 *
 * A request is right by construction, from the table of methods, unless a way of being wrong is
 * asked for. The same bytes make the same request. */
#ifndef HOLDFAST_TESTS_FUZZ_SESSION_REQUEST_H
#define HOLDFAST_TESTS_FUZZ_SESSION_REQUEST_H

#include "tests/sim/client_model.h"
#include "tests/unit/values.h"

enum request_fault {
    REQUEST_GOOD,
    REQUEST_MISSPELT,     /* the method's name */
    REQUEST_NAME_NO_TEXT, /* a number for it */
    REQUEST_PARAMS_MAP,   /* {"t": t} for its parameters */
    REQUEST_PARAMS_BARE,  /* t alone, no array around it */
    REQUEST_PARAMS_NIL,
    REQUEST_BAD_OPTION,   /* an option that no method knows */
    REQUEST_BAD_VALUE,    /* an option with a value of a type that is not its own */
    REQUEST_DEEP,         /* a parameter nested deeper than the server takes */
    REQUEST_LONG,         /* more elements than the server takes */
    REQUEST_SHORT,        /* the last parameters are missing */
    REQUEST_FAULT_COUNT,
};

/* Methods below this are those that clients call most, each as often as they do. */
#define SESSION_OFTEN 145
#define SESSION_BEGIN 0 /* one of them */
#define SESSION_CREATE_STORE 24 /* another */

struct request_choice {
    uint8_t method, t, store, key, options, extra; /* any values */
    uint32_t open_t; /* a handle that is open, instead of t where one is wanted; 0: none */
    enum request_fault fault;
    bool notification;
    uint32_t msgid;
    uint64_t n;      /* in the value that is written */
    uint32_t cursor; /* that the client has; 0: none */
    uint64_t version; /* of some transaction */
};

/* Append it to out. */
void session_request_make(const struct request_choice *choice, struct buffer *out);

#endif
