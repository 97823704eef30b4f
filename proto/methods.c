/* methods.c - the table of methods, and how one is found by its name. */
#include "proto/methods.h"

#define BIT(id) (1u << OPTION_ID_##id)
#define T                                   \
    {                                       \
        PARAM_ID_T, "t", PARAM_HANDLE, true \
    }
#define TXN_OPTIONS                                                                 \
    (BIT(ISOLATION) | BIT(READ_ONLY) | BIT(CONFLICT) | BIT(ON_ERROR) | BIT(LABEL) | \
     BIT(DURABILITY) | BIT(TIMEOUT_MS) | BIT(IDLE_MS))
/* Of stores and records: alone, in a transaction, in `run`. */
#define METHOD_READS (METHOD_TAKES_T | METHOD_IN_RUN)
#define METHOD_CHANGES (METHOD_READS | METHOD_WRITES | METHOD_ORDERS)
#define FIRST "0.1.0"
#define NAME(text) text, sizeof text - 1

const struct method_option_info method_options[OPTION_ID_COUNT] = {
#define X(id, name, type, help) [OPTION_ID_##id] = {NAME(name), OPTION_VALUE_##type, help},
    METHOD_OPTION_LIST(X)
#undef X
};

const struct method method_table[METHOD_COUNT] = {
    [METHOD_HELLO] = {NAME("hello"),
                      0,
                      RIGHT_CONNECT,
                      {{PARAM_ID_CLIENT, "client", PARAM_MAP, true}},
                      0,
                      "{server, version, protocol, features, limits}",
                      "identify the client; get the server's version, features and limits",
                      FIRST},
    [METHOD_DESCRIBE] = {NAME("describe"),
                         0,
                         RIGHT_CONNECT,
                         {{0}},
                         0,
                         "list of methods",
                         "list the methods with their parameters and options",
                         FIRST},
    [METHOD_PING] = {NAME("ping"),
                     0,
                     RIGHT_CONNECT,
                     {{0}},
                     0,
                     "\"pong\"",
                     "check that the server responds",
                     FIRST},
    [METHOD_BEGIN] = {NAME("begin"),
                      METHOD_BEGINS,
                      RIGHT_CONNECT,
                      {{PARAM_ID_T, "t", PARAM_HANDLE, false}},
                      TXN_OPTIONS,
                      "{version, snapshot}",
                      "begin a transaction with handle t",
                      FIRST},
    [METHOD_COMMIT] = {NAME("commit"),
                       METHOD_TAKES_T | METHOD_ENDS,
                       RIGHT_CONNECT,
                       {{PARAM_ID_T, "t", PARAM_HANDLE, false}},
                       BIT(TOKEN),
                       "{commit}",
                       "commit the transaction",
                       FIRST},
    [METHOD_ROLLBACK] = {NAME("rollback"),
                         METHOD_TAKES_T | METHOD_ENDS,
                         RIGHT_CONNECT,
                         {{PARAM_ID_T, "t", PARAM_HANDLE, false}},
                         0,
                         "nil",
                         "roll back the transaction",
                         FIRST},
    [METHOD_RUN] = {NAME("run"),
                    METHOD_WRITES | METHOD_ORDERS | METHOD_GOES_ON | METHOD_LARGE,
                    RIGHT_CONNECT,
                    {{PARAM_ID_OPS, "ops", PARAM_LIST, false}},
                    TXN_OPTIONS | BIT(TOKEN),
                    "{results, commit}",
                    "run a list of [method, params without t] in one transaction",
                    FIRST},
    [METHOD_CREATE_STORE] = {NAME("create_store"),
                             METHOD_CHANGES,
                             RIGHT_SCHEMA,
                             {T, {PARAM_ID_NAME, "name", PARAM_NAME, false}},
                             BIT(KEY) | BIT(GENERATE) | BIT(CONFLICT),
                             "nil",
                             "create a store",
                             FIRST},
    [METHOD_DROP_STORE] = {NAME("drop_store"),
                           METHOD_CHANGES,
                           RIGHT_SCHEMA,
                           {T, {PARAM_ID_NAME, "name", PARAM_NAME, false}},
                           0,
                           "nil",
                           "drop a store and all its records",
                           FIRST},
    [METHOD_CLEAR_STORE] = {NAME("clear_store"),
                            METHOD_CHANGES,
                            RIGHT_WRITE,
                            {T, {PARAM_ID_NAME, "name", PARAM_NAME, false}},
                            0,
                            "nil",
                            "delete all records of a store",
                            FIRST},
    [METHOD_RENAME_STORE] = {NAME("rename_store"),
                             METHOD_CHANGES,
                             RIGHT_SCHEMA,
                             {T,
                              {PARAM_ID_NAME, "name", PARAM_NAME, false},
                              {PARAM_ID_NEW, "new", PARAM_NAME, false}},
                             0,
                             "nil",
                             "rename a store",
                             FIRST},
    [METHOD_STORES] = {NAME("stores"),
                       METHOD_READS | METHOD_GOES_ON | METHOD_LARGE,
                       RIGHT_READ,
                       {T},
                       0,
                       "list of {name, key, indexes, records, bytes}",
                       "list the stores",
                       FIRST},
    [METHOD_PUT] = {NAME("put"),
                    METHOD_CHANGES | METHOD_WRITES_ONE,
                    RIGHT_WRITE,
                    {T,
                     {PARAM_ID_STORE, "store", PARAM_NAME, false},
                     {PARAM_ID_VALUE, "value", PARAM_ANY, false},
                     {PARAM_ID_KEY, "key", PARAM_ANY, true}},
                    0,
                    "the key",
                    "insert or replace a record",
                    FIRST},
    [METHOD_INSERT] = {NAME("insert"),
                       METHOD_CHANGES | METHOD_WRITES_ONE,
                       RIGHT_WRITE,
                       {T,
                        {PARAM_ID_STORE, "store", PARAM_NAME, false},
                        {PARAM_ID_VALUE, "value", PARAM_ANY, false},
                        {PARAM_ID_KEY, "key", PARAM_ANY, true}},
                       0,
                       "the key",
                       "insert a record; EXISTS if the key exists",
                       FIRST},
    [METHOD_UPDATE] = {NAME("update"),
                       METHOD_CHANGES | METHOD_WRITES_ONE | METHOD_LARGE,
                       RIGHT_WRITE,
                       {T,
                        {PARAM_ID_STORE, "store", PARAM_NAME, false},
                        {PARAM_ID_KEY, "key", PARAM_ANY, false},
                        {PARAM_ID_CHANGES, "changes", PARAM_LIST, false}},
                       BIT(UPSERT),
                       "the record after it, or nil",
                       "change a record in place: a list of [operator, path, value]",
                       FIRST},
    [METHOD_DELETE] = {NAME("delete"),
                       METHOD_CHANGES | METHOD_WRITES_ONE,
                       RIGHT_WRITE,
                       {T,
                        {PARAM_ID_STORE, "store", PARAM_NAME, false},
                        {PARAM_ID_KEY, "key", PARAM_ANY, false}},
                       0,
                       "true if the record existed",
                       "delete a record",
                       FIRST},
    [METHOD_GET] = {NAME("get"),
                    METHOD_READS | METHOD_LARGE,
                    RIGHT_READ,
                    {T,
                     {PARAM_ID_SOURCE, "source", PARAM_SOURCE, false},
                     {PARAM_ID_KEY, "key", PARAM_ANY, false}},
                    0,
                    "the record, or nil",
                    "read a record",
                    FIRST},
    [METHOD_HAS] = {NAME("has"),
                    METHOD_READS,
                    RIGHT_READ,
                    {T,
                     {PARAM_ID_SOURCE, "source", PARAM_SOURCE, false},
                     {PARAM_ID_KEY, "key", PARAM_ANY, false}},
                    0,
                    "true or false",
                    "check whether a record exists",
                    FIRST},
    [METHOD_GET_MANY] = {NAME("get_many"),
                         METHOD_READS | METHOD_GOES_ON | METHOD_LARGE,
                         RIGHT_READ,
                         {T,
                          {PARAM_ID_SOURCE, "source", PARAM_SOURCE, false},
                          {PARAM_ID_KEYS, "keys", PARAM_LIST, false}},
                         0,
                         "list, with nil for records that do not exist",
                         "read several records",
                         FIRST},
    [METHOD_SCAN] = {NAME("scan"),
                     METHOD_TAKES_T | METHOD_GOES_ON | METHOD_LARGE,
                     RIGHT_READ,
                     {T,
                      {PARAM_ID_SOURCE, "source", PARAM_SOURCE, false},
                      {PARAM_ID_RANGE, "range", PARAM_RANGE, true}},
                     BIT(REVERSE) | BIT(LIMIT) | BIT(OFFSET) | BIT(ONLY) | BIT(PAGE) |
                         BIT(KEEP),
                     "{rows, cursor}",
                     "read a range in key order, page by page",
                     FIRST},
    [METHOD_NEXT] = {NAME("next"),
                     METHOD_CURSOR | METHOD_GOES_ON | METHOD_LARGE,
                     RIGHT_READ,
                     {{PARAM_ID_CURSOR, "cursor", PARAM_NUMBER, false}},
                     BIT(PAGE) | BIT(REVERSE) | BIT(TO) | BIT(UNIQUE),
                     "{rows, cursor}",
                     "read the next page of a scan",
                     FIRST},
    [METHOD_CLOSE] = {NAME("close"),
                      METHOD_CURSOR,
                      RIGHT_READ,
                      {{PARAM_ID_CURSOR, "cursor", PARAM_NUMBER, false}},
                      0,
                      "nil",
                      "close a cursor",
                      FIRST},
    [METHOD_COUNT_RECORDS] = {NAME("count"),
                              METHOD_READS,
                              RIGHT_READ,
                              {T,
                               {PARAM_ID_SOURCE, "source", PARAM_SOURCE, false},
                               {PARAM_ID_RANGE, "range", PARAM_RANGE, true}},
                              0,
                              "records",
                              "count the records of a range",
                              FIRST},
    [METHOD_SIZE] = {NAME("size"),
                     METHOD_READS,
                     RIGHT_READ,
                     {T,
                      {PARAM_ID_SOURCE, "source", PARAM_SOURCE, false},
                      {PARAM_ID_RANGE, "range", PARAM_RANGE, true}},
                     0,
                     "bytes, approximate",
                     "approximate size of a range",
                     FIRST},
    [METHOD_DELETE_RANGE] = {NAME("delete_range"),
                             METHOD_CHANGES,
                             RIGHT_WRITE,
                             {T,
                              {PARAM_ID_STORE, "store", PARAM_NAME, false},
                              {PARAM_ID_RANGE, "range", PARAM_RANGE, false}},
                             BIT(LIMIT) | BIT(REVERSE),
                             "number deleted",
                             "delete the records of a range",
                             FIRST},
    [METHOD_STATUS] =
        {NAME("status"), 0, RIGHT_OPERATE, {{0}}, 0, "a map", "server statistics", FIRST},
    [METHOD_HOLDS] = {NAME("holds"),
                      0,
                      RIGHT_OPERATE,
                      {{0}},
                      0,
                      "list with an entry for each open transaction and autocommit cursor",
                      "open transactions and cursors, and what is retained for them",
                      FIRST},
    [METHOD_CLIENTS] = {NAME("clients"),
                        0,
                        RIGHT_OPERATE,
                        {{0}},
                        0,
                        "list with an entry for each connection",
                        "connected clients",
                        FIRST},
    [METHOD_KILL] = {NAME("kill"),
                     0,
                     RIGHT_OPERATE,
                     {{PARAM_ID_WHAT, "what", PARAM_ANY, false}},
                     0,
                     "nil",
                     "end a transaction (by transaction id), a connection {client: id} or a "
                     "cursor {cursor: [client, cursor]}",
                     FIRST},
    [METHOD_ROTATE] = {NAME("rotate"),
                       0,
                       RIGHT_OPERATE,
                       {{0}},
                       0,
                       "nil",
                       "seal the open stage (memtable)",
                       FIRST},
    [METHOD_AMALGAMATE] =
        {NAME("amalgamate"),
         0,
         RIGHT_OPERATE,
         {{0}},
         0,
         "nil",
         "merge all stages into the data file and free them as far as their readers allow",
         FIRST},
    [METHOD_CREATE_INDEX] = {NAME("create_index"),
                             METHOD_TAKES_T | METHOD_ABSENT,
                             RIGHT_SCHEMA,
                             {T},
                             0,
                             "",
                             "",
                             ""},
    [METHOD_DROP_INDEX] =
        {NAME("drop_index"), METHOD_TAKES_T | METHOD_ABSENT, RIGHT_SCHEMA, {T}, 0, "", "", ""},
    [METHOD_RENAME_INDEX] = {NAME("rename_index"),
                             METHOD_TAKES_T | METHOD_ABSENT,
                             RIGHT_SCHEMA,
                             {T},
                             0,
                             "",
                             "",
                             ""},
    [METHOD_CHECK] =
        {NAME("check"), METHOD_TAKES_T | METHOD_ABSENT, RIGHT_READ, {T}, 0, "", "", ""},
    [METHOD_OUTCOME] = {NAME("outcome"), METHOD_ABSENT, RIGHT_READ, {{0}}, 0, "", "", ""},
    [METHOD_SUBSCRIBE] = {NAME("subscribe"), METHOD_ABSENT, RIGHT_READ, {{0}}, 0, "", "", ""},
};

/* Names differ in length and first byte so much that this beats a hash. */
static bool is_named(struct slice name, const char *known, size_t known_size)
{
    return name.size == known_size && (char)name.data[0] == known[0] &&
           memcmp(name.data, known, known_size) == 0;
}

const struct method *method_find(struct slice name)
{
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        const struct method *m = &method_table[i];

        if (is_named(name, m->name, m->name_size))
            return m;
    }
    return NULL;
}

enum method_option method_option_find(struct slice name)
{
    unsigned i = 0;

    while (i < OPTION_ID_COUNT &&
           !is_named(name, method_options[i].name, method_options[i].name_size))
        i++;
    return (enum method_option)i;
}

const char *param_type_name(enum param_type type)
{
    static const char *const names[] = {
        [PARAM_NONE] = "none",     [PARAM_HANDLE] = "handle", [PARAM_NAME] = "name",
        [PARAM_SOURCE] = "source", [PARAM_ANY] = "any",       [PARAM_RANGE] = "range",
        [PARAM_LIST] = "list",     [PARAM_MAP] = "map",       [PARAM_NUMBER] = "number",
        [PARAM_BINARY] = "binary",
    };

    return names[type];
}

const char *option_value_name(enum option_value type)
{
    static const char *const names[] = {
        [OPTION_VALUE_NUMBER] = "number", [OPTION_VALUE_TEXT] = "text",
        [OPTION_VALUE_BOOL] = "bool",     [OPTION_VALUE_BINARY] = "binary",
        [OPTION_VALUE_ANY] = "any",
    };

    return names[type];
}
