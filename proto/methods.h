/* methods.h - every method of the protocol, in one table.
 *
 * The server decodes parameters and options by it, `describe` answers from it,
 * and docs/protocol.md is held against it by a test. Parameters are positional;
 * nil stands for one left out; after the last declared one every method takes a
 * map of options. */
#ifndef HOLDFAST_PROTO_METHODS_H
#define HOLDFAST_PROTO_METHODS_H

#include "proto/slice.h"

#define PROTOCOL_VERSION 1
#define METHOD_PARAMS_MAX 4

enum param_type {
    PARAM_NONE,   /* ends the list */
    PARAM_HANDLE, /* a transaction's handle: 1 to 2^32-1; 0 or nil is autocommit */
    PARAM_NAME,   /* UTF-8 of 1 to 255 bytes */
    PARAM_SOURCE, /* a store's name, or [store, index] */
    PARAM_ANY,    /* any MessagePack value */
    PARAM_RANGE,  /* nil or a map */
    PARAM_LIST,   /* an array */
    PARAM_MAP,    /* a map */
    PARAM_NUMBER, /* an unsigned integer */
    PARAM_BINARY,
    PARAM_TEXT,   /* any UTF-8, of any size */
};

/* What a parameter is, in whatever place its method takes it. */
enum param_id {
    PARAM_ID_T,
    PARAM_ID_CURSOR,
    PARAM_ID_STORE,
    PARAM_ID_SOURCE,
    PARAM_ID_KEY,
    PARAM_ID_VALUE,
    PARAM_ID_KEYS,
    PARAM_ID_CHANGES,
    PARAM_ID_RANGE,
    PARAM_ID_NAME,
    PARAM_ID_NEW,
    PARAM_ID_OPS,
    PARAM_ID_CLIENT,
    PARAM_ID_WHAT,
    PARAM_ID_TOKEN,
    PARAM_ID_EVENTS,
    PARAM_ID_MSGID,
    PARAM_ID_TEXT,
    PARAM_ID_ARGS,
    PARAM_ID_BASE,
    PARAM_ID_BACKUP,
    PARAM_ID_POSITION,
    PARAM_ID_O,
    PARAM_ID_TO,
    PARAM_ID_DATABASE,
    PARAM_ID_MECHANISM,
    PARAM_ID_MESSAGE,
    PARAM_ID_USER,
    PARAM_ID_SETTINGS,
    PARAM_ID_COUNT
};

struct method_param {
    enum param_id id;
    const char *name;
    enum param_type type;
    bool optional;
};

/* X(id, name, type, help); type as a value of an options map. */
#define METHOD_OPTION_LIST(X)                                                              \
    X(DEADLINE_MS, "deadline_ms", NUMBER,                                                  \
      "time limit in ms, after which the request fails with DEADLINE")                           \
    X(ISOLATION, "isolation", TEXT, "\"snapshot\" (default) or \"serializable\"")          \
    X(READ_ONLY, "read_only", BOOL, "true: writes fail with READ_ONLY")                       \
    X(CONFLICT, "conflict", TEXT,                                                          \
      "of begin: \"first-committer\" (default) or \"greatest-version\"; of create_store: " \
      "\"none\" (the last writer wins)")                                                   \
    X(ON_ERROR, "on_error", TEXT, "\"fail\" (default) or \"continue\"")                    \
    X(LABEL, "label", TEXT, "name of the transaction, shown in holds and conflicts")       \
    X(DURABILITY, "durability", TEXT, "\"sync\" (default) or \"interval\"")                \
    X(TIMEOUT_MS, "timeout_ms", NUMBER, "maximum lifetime of the transaction, ms")         \
    X(IDLE_MS, "idle_ms", NUMBER, "maximum time between requests, ms")                     \
    X(WRITE_BYTES, "write_bytes", NUMBER, "maximum size of the transaction's writes")      \
    X(READ_BYTES, "read_bytes", NUMBER,                                                    \
      "maximum size of its read set, if it is serializable; omitted: reads are merged")    \
    X(HELD_BYTES, "held_bytes", NUMBER,                                                    \
      "maximum retained for it while others commit; omitted: no limit of its own")         \
    X(TOKEN, "token", BINARY, "16 bytes chosen by the client")                             \
    X(SNAPSHOT, "snapshot", NUMBER, "a commit number known before the commit was sent")    \
    X(KEY, "key", ANY, "key path, or list of key parts; omitted: explicit keys")           \
    X(GENERATE, "generate", BOOL, "true: generate numeric keys for records without one")   \
    X(REVERSE, "reverse", BOOL, "true: in descending order")                               \
    X(LIMIT, "limit", NUMBER, "maximum number of rows; of stores or databases, in a page") \
    X(OFFSET, "offset", NUMBER, "number of rows to skip")                                  \
    X(ONLY, "only", TEXT, "\"keys\" or \"values\"")                                        \
    X(PAGE, "page", NUMBER, "maximum number of rows in this page")                         \
    X(TO, "to", ANY, "continue from this key (inclusive)")                                 \
    X(KEEP, "keep", BOOL, "true: the cursor stays open after the last row")                \
    X(UPSERT, "upsert", BOOL, "true: create the record if it does not exist")                \
    X(UNIQUE, "unique", BOOL,                                                                \
      "of scan and next: true: only the first row of each index key; of create_index: true: "  \
      "no two records have the same index key")                                              \
    X(SKIP, "skip", NUMBER, "number of rows to skip (with unique: of index keys)")             \
    X(MULTI, "multi", BOOL, "true: an entry for each element of an array")                   \
    X(TYPES, "types", ANY, "list of the value types to index; omitted: all")          \
    X(WHERE, "where", ANY, "condition; only records that satisfy it are indexed")          \
    X(ONLINE, "online", BOOL,                                                                \
      "true: return at once and build the index in the background; `stores` shows its state")  \
    X(FROM, "from", TEXT, "of stores and databases: the first name of the page")       \
    X(ANALYZE, "analyze", BOOL,                                                               \
      "true: run the query and show the rows and time of each "                               \
      "step")                                                                                 \
    X(PLAN, "plan", NUMBER,                                                                  \
      "for tests: other than 0, a number that selects one of the plans with the same rows")     \
    X(LOCK, "lock", ANY,                                                                     \
      "{shared: [stores], exclusive: [stores]} or \"database\": wait for these locks, then "     \
      "begin")                                                                                   \
    X(WAIT_MS, "wait_ms", NUMBER,                                                             \
      "maximum wait for the lock, or for the database to be free, ms; 0: do not wait")           \
    X(VERSION, "version", NUMBER, "of attach: the version wanted; omitted: whichever it has")    \
    X(EACH, "each", BOOL,                                                                      \
      "true: each key has an answer of its own: nil, [record] or [nil, error]")                 \
    X(REST, "rest", NUMBER,                                                                    \
      "with each: handle of a read-only transaction in which the keys left can be read")

enum method_option {
#define X(id, name, type, help) OPTION_ID_##id,
    METHOD_OPTION_LIST(X)
#undef X
        OPTION_ID_COUNT
};

enum option_value {
    OPTION_VALUE_NUMBER,
    OPTION_VALUE_TEXT,
    OPTION_VALUE_BOOL,
    OPTION_VALUE_BINARY,
    OPTION_VALUE_ANY
};

struct method_option_info {
    const char *name;
    size_t name_size; /* bytes */
    enum option_value type;
    const char *help;
};
extern const struct method_option_info method_options[OPTION_ID_COUNT];

/* What a method is, for whoever calls it; nobody compares methods by name. */
enum method_flag {
    METHOD_TAKES_T = 1 << 0,    /* the first parameter is a handle */
    METHOD_CURSOR = 1 << 1,     /* the first parameter is a cursor */
    METHOD_WRITES = 1 << 2,     /* it changes the database */
    METHOD_WRITES_ONE = 1 << 3, /* it changes one record, or none */
    METHOD_ORDERS = 1 << 4,     /* outside of a transaction what comes behind it waits for it */
    METHOD_BEGINS = 1 << 5,     /* it begins a transaction under the handle t */
    METHOD_ENDS = 1 << 6,       /* it ends the transaction t, whatever is wrong with it */
    METHOD_IN_RUN = 1 << 7,     /* may stand in the list of `run` */
    METHOD_GOES_ON = 1 << 8,    /* what it has put stays while it waits */
    METHOD_LARGE = 1 << 9,      /* its answer may be large: not begun when there is no room */
    METHOD_ASKS = 1 << 11,      /* it learns nothing: what t has come to is told again */
    METHOD_AT_ONCE = 1 << 12,   /* it waits for nothing that came before it */
    METHOD_GIVES_UP = 1 << 13,  /* where t still waits to begin, it ends that */
    METHOD_OPENER = 1 << 16,    /* the first parameter is an opener, and no handle */
    METHOD_DATABASE =
        1 << 17, /* it is about its database as a whole, not about a store in it */
    METHOD_MAKES_STORE = 1 << 18, /* the store `new`, if it has that parameter, else `name`, is
                                     not there yet */
    METHOD_TELLS_COMMIT = 1 << 15, /* by itself its answer may hold the number of its commit */
    METHOD_STRANGERS = 1 << 14, /* may be called before the login */
    METHOD_ABSENT = 1 << 10,    /* known, and not there yet: BAD_REQUEST, not in `describe` */
};

/* What a user must have been granted to call it; of READ, WRITE and SCHEMA, on the store that it
 * names. */
enum method_right {
    RIGHT_CONNECT, /* whoever has logged in */
    RIGHT_READ,
    RIGHT_WRITE,
    RIGHT_UPDATE,  /* READ and WRITE: what it answers is what was there */
    RIGHT_SCHEMA,  /* making, changing and removing stores */
    RIGHT_OPERATE, /* looking after the server, ending what others do */
};

enum method_id {
    METHOD_HELLO,
    METHOD_DESCRIBE,
    METHOD_PING,
    METHOD_BEGIN,
    METHOD_COMMIT,
    METHOD_ROLLBACK,
    METHOD_RUN,
    METHOD_CREATE_STORE,
    METHOD_DROP_STORE,
    METHOD_CLEAR_STORE,
    METHOD_RENAME_STORE,
    METHOD_STORES,
    METHOD_PUT,
    METHOD_INSERT,
    METHOD_UPDATE,
    METHOD_DELETE,
    METHOD_GET,
    METHOD_HAS,
    METHOD_GET_MANY,
    METHOD_SCAN,
    METHOD_NEXT,
    METHOD_CLOSE,
    METHOD_COUNT_RECORDS, /* `count` */
    METHOD_SIZE,
    METHOD_DELETE_RANGE,
    METHOD_STATUS,
    METHOD_HOLDS,
    METHOD_CLIENTS,
    METHOD_KILL,
    METHOD_ROTATE,
    METHOD_AMALGAMATE,
    METHOD_CHECK_DATA,
    METHOD_CREATE_INDEX,
    METHOD_DROP_INDEX,
    METHOD_RENAME_INDEX,
    METHOD_SAVEPOINT,
    METHOD_ROLLBACK_TO,
    METHOD_RELEASE,
    METHOD_CHECK,
    METHOD_OUTCOME,
    METHOD_SUBSCRIBE,
    METHOD_QUERY,
    METHOD_EXPLAIN,
    METHOD_CANCEL,
    METHOD_DATABASES,
    METHOD_BACKUP,
    METHOD_BACKUP_READ,
    METHOD_BACKUP_CLOSE,
    METHOD_ATTACH,
    METHOD_UPGRADE,
    METHOD_VERSIONCHANGE_SEEN,
    METHOD_DETACH,
    METHOD_DROP_DATABASE,
    METHOD_LOGIN_BEGIN,
    METHOD_LOGIN_END,
    METHOD_CREATE_USER,
    METHOD_ALTER_USER,
    METHOD_DROP_USER,
    METHOD_USERS,
    METHOD_SET_QUOTA,
    METHOD_COUNT
};

struct method {
    const char *name;
    size_t name_size;                                  /* bytes */
    unsigned flags;                                    /* enum method_flag */
    enum method_right right;
    struct method_param params[METHOD_PARAMS_MAX + 1]; /* ends with PARAM_NONE */
    uint64_t options;   /* bits of enum method_option, besides deadline_ms */
    const char *result; /* in words */
    const char *help;   /* a line */
    const char *since;  /* the server's version */
};
extern const struct method method_table[METHOD_COUNT]; /* by enum method_id */

/* NULL: there is none of that name. */
const struct method *method_find(struct slice name);

/* OPTION_ID_COUNT: there is none of that name. */
enum method_option method_option_find(struct slice name);

/* "handle", "name", "source", ... as `describe` says it. */
const char *param_type_name(enum param_type type);
const char *option_value_name(enum option_value type);

#endif
