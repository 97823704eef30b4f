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
#define SESSION_CANCEL 240 /* from here on: requests that end others */
#define SESSION_BEGIN 0 /* one of them */
#define SESSION_CREATE_STORE 24 /* another */

/* What of the request has a word of its own, by which it is found where it should not be. */
enum request_hidden { HIDDEN_STORE = 1, HIDDEN_LABEL = 2, HIDDEN_KEY = 4, NEAR_STORE = 8 };
#define HIDDEN_STORE_WORD "hidden-store"
#define NEAR_STORE_WORD "hidden-stor" /* one letter off: the other must not be suggested */
#define HIDDEN_LABEL_WORD "hidden-label"
#define HIDDEN_KEY_WORD "hidden-key"
#define HIDDEN_VALUE_WORD "hidden-value" /* of records of the hidden store */

struct request_choice {
    uint8_t method, t, store, key, options, extra; /* any values */
    uint32_t open_t; /* a handle that is open, instead of t where one is wanted; 0: none */
    enum request_fault fault;
    bool notification;
    uint32_t msgid;
    uint64_t n;      /* in the value that is written */
    uint32_t cursor; /* that the client has; 0: none */
    uint32_t waiting; /* the msgid of a request that is not answered; 0: none */
    uint64_t version; /* of some transaction */
    unsigned hidden;  /* bits of enum request_hidden */
};

/* Users of different rights. None may see the hidden store, or labels of others; who may not
 * read any of main's stores sees none of its keys either. */
#define SESSION_USERS 3
#define SESSION_GRANTS 3
struct session_user {
    const char *name;
    struct {
        const char *database, *store, *rights; /* r, w, s */
    } grants[SESSION_GRANTS];
    bool reads;
};
extern const struct session_user session_users[SESSION_USERS];

/* Those of the grants whose bits which has, as create_user takes them. */
void session_put_grants(struct dice *d, const struct session_user *user, uint8_t which,
                        struct buffer *out);

/* Append it to out. */
void session_request_make(const struct request_choice *choice, struct buffer *out);

#endif
