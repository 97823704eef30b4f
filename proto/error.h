/* error.h - every error of Holdfast, in one table.
 *
 * The numbers go on the wire and into logs: they never change and are never
 * reused. The names up to ERR_INTERNAL are what clients see; the answers below
 * them are between our own modules and never leave the server. */
#ifndef HOLDFAST_PROTO_ERROR_H
#define HOLDFAST_PROTO_ERROR_H

#include <stdbool.h>

/* X(name, code, class, retryable, message) */
#define ERR_LIST(X)                                                                     \
    X(OK, 0, NONE, false, "done")                                                       \
    X(BAD_REQUEST, 1001, REQUEST, false, "malformed request")               \
    X(BAD_KEY, 1002, REQUEST, false, "invalid key")         \
    X(NO_STORE, 1003, REQUEST, false, "no such store")                 \
    X(NO_INDEX, 1004, REQUEST, false, "no such index")                 \
    X(NO_TXN, 1005, REQUEST, false, "no open transaction has this handle")         \
    X(NO_CURSOR, 1006, REQUEST, false, "no open cursor has this number")           \
    X(EXISTS, 1007, REQUEST, false, "already exists")                                \
    X(NOT_UNIQUE, 1008, REQUEST, false, "duplicate key in a unique index")      \
    X(READ_ONLY, 1009, REQUEST, false, "the transaction is read-only")                  \
    X(TXN_FAILED, 1010, REQUEST, false,                                                      \
      "transaction aborted by an earlier error; roll back and retry")                        \
    X(TOKEN_FENCED, 1011, REQUEST, false, "the token was reported as not committed")    \
    X(BAD_VALUE, 1012, REQUEST, false, "invalid value")                    \
    X(GENERATOR_FULL, 1013, REQUEST, false, "all generated keys have been used")                 \
    X(BAD_VERSION, 1014, REQUEST, false,                                             \
      "the database already has this version or a "                                  \
      "greater one")                                                                 \
    X(BAD_QUERY, 1017, REQUEST, false, "invalid query")                    \
    X(NO_SAVEPOINT, 1015, REQUEST, false, "no savepoint has this name")                    \
    X(AUTH_REQUIRED, 2001, AUTH, false, "log in first")                                    \
    X(AUTH_FAILED, 2002, AUTH, false, "authentication failed")                              \
    X(FORBIDDEN, 2003, AUTH, false, "permission denied")                                    \
    X(CONFLICT, 3001, CONFLICT, true,                                                        \
      "a conflicting transaction committed first; retry from the beginning")                 \
    X(TOO_LARGE, 4001, LIMIT, false, "a size limit is exceeded")                         \
    X(TXN_EXPIRED, 4002, LIMIT, true, "the transaction has expired")            \
    X(QUOTA_EXCEEDED, 4004, LIMIT, false, "a quota of the database is exceeded")        \
    X(TXN_KILLED, 4003, LIMIT, true, "the transaction was ended by an operator")        \
    X(OVERLOADED, 5001, UNAVAIL, true, "the server is overloaded; retry later")   \
    X(DEADLINE, 5002, UNAVAIL, true, "the deadline of the request has passed")          \
    X(SHUTDOWN, 5003, UNAVAIL, true, "the server is shutting down")                     \
    X(CANCELLED, 5004, UNAVAIL, false, "the request was cancelled")                     \
    X(LOCK_TIMEOUT, 5005, UNAVAIL, true, "the lock was not granted in time")               \
    X(LOG_FAILED, 6001, STORAGE, false, "the WAL could not be made durable")            \
    X(NO_SPACE, 6002, STORAGE, true, "the disk is full")                                \
    X(CORRUPT, 6003, STORAGE, false, "a file is damaged")                               \
    X(IO, 6004, STORAGE, false, "a file could not be read or written")                  \
    X(LOCKED, 6005, STORAGE, false, "another server is using this directory")               \
    X(FORMAT, 6006, STORAGE, false,                                                  \
      "the file has a format that this version does not "                            \
      "support")                                                                     \
    X(NOMEM, 9002, INTERNAL, true, "out of memory")                                     \
    X(INTERNAL, 9001, INTERNAL, false, "internal error in the server")                         \
    /* Answers between modules, never sent. */                                          \
    X(WAIT, 9901, NONE, false, "call again when woken")                                 \
    X(NOT_FOUND, 9902, NONE, false, "there is none")                                    \
    X(END, 9903, NONE, false, "there are no more")

enum err {
#define X(name, code, class_name, retryable, message) ERR_##name,
    ERR_LIST(X)
#undef X
        ERR_COUNT
};

enum err_class {
    ERR_CLASS_NONE,
    ERR_CLASS_REQUEST,
    ERR_CLASS_AUTH,
    ERR_CLASS_CONFLICT,
    ERR_CLASS_LIMIT,
    ERR_CLASS_UNAVAIL,
    ERR_CLASS_STORAGE,
    ERR_CLASS_INTERNAL,
};

/* The stable name as it goes on the wire, for example "NO_STORE". */
const char *err_name(enum err e);

/* The fixed number. */
int err_code(enum err e);

/* What to tell a person when nothing better is known. */
const char *err_message(enum err e);

enum err_class err_class(enum err e);

/* The class as it goes on the wire: "request", "auth", "conflict", "limit",
 * "unavailable", "storage", "internal"; "none" for answers. */
const char *err_class_name(enum err e);

/* Whether the same request may succeed when it is sent again. */
bool err_retryable(enum err e);

#endif
