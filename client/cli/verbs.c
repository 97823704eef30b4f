/* verbs.c - the one table of verbs: from it come the parser, the help, the subcommands and
 * the shell's commands. */
#include "client/cli/verbs.h"

/* Rows of a table stay as they stand. */
/* clang-format off */
#define RANGE_OPTIONS                                                                        \
    {"gt", "KEY", "keys greater than this"}, {"gte", "KEY", "keys from this one on"},        \
        {"lt", "KEY", "keys less than this"}, {"lte", "KEY", "keys up to this one"},         \
        {"eq", "KEY", "this key"},                                                           \
        {"prefix", "KEY", "keys of several parts that begin with these"},                    \
        {"starts", "KEY", "keys whose (last given) part begins with this text"}

static const struct verb_option range_options[] = {RANGE_OPTIONS, {NULL, NULL, NULL}};

static const struct verb_option scan_options[] = {
    RANGE_OPTIONS,
    {"reverse", NULL, "from the last to the first"},
    {"limit", "N", "so many rows at most"},
    {"offset", "N", "skip so many rows first"},
    {"keys", NULL, "only the keys"},
    {"values", NULL, "only the records"},
    {NULL, NULL, NULL},
};

static const struct verb_option delete_range_options[] = {
    RANGE_OPTIONS,
    {"limit", "N", "so many records at most"},
    {"reverse", NULL, "count the limit from the end"},
    {NULL, NULL, NULL},
};

static const struct verb_option export_options[] = {
    RANGE_OPTIONS,
    {"reverse", NULL, "from the last to the first"},
    {"limit", "N", "so many records at most"},
    {"records", NULL, "lines are records, without their keys"},
    {"rows", NULL, "lines are {\"key\": ..., \"value\": ...}"},
    {NULL, NULL, NULL},
};

static const struct verb_option create_options[] = {
    {"key", "PATH,PATH", "take the key from these fields (see below)"},
    {"generate", NULL, "number the records that come without a key"},
    {"conflict", "none", "the last writer wins, and nobody is refused"},
    {NULL, NULL, NULL},
};

static const struct verb_option import_options[] = {
    {"key", "PATH,PATH", "create the store with this key unless there is one"},
    {"create", NULL, "create the store unless there is one"},
    {"generate", NULL, "create it with numbers for keys"},
    {"transaction", NULL, "all or nothing: one transaction"},
    {"batch", "N", "records of one request (default 500)"},
    {"in-flight", "N", "requests on their way at once (default 16)"},
    {"on-exists", "WHAT", "replace (default), fail, or skip"},
    {"records", NULL, "lines are records (default where the store makes the key)"},
    {"rows", NULL, "lines are {\"key\": ..., \"value\": ...} (default elsewhere)"},
    {NULL, NULL, NULL},
};

static const struct verb_option begin_options[] = {
    {"timeout-after-ms", "N", "the server ends it after this time"},
    {"idle-ms", "N", "the server ends it when nothing came for this time"},
    {NULL, NULL, NULL},
};

#define KEY_HELP                                                                           \
    "PATH is the name of a field; several are a key of several parts; :desc behind one turns\n" \
    "its order round. Fields of fields are JSON: --key '[[\"address\", \"city\"], \"name\"]'."

const struct verb verbs[] = {
    {"get", "STORE KEY", VERB_BOTH, verb_get, "Print a record, or null if there is none",
     NULL, "get packages '[\"libuv1-dev\",\"amd64\"]'", NULL},
    {"has", "STORE KEY", VERB_BOTH, verb_has, "Print whether there is a record", NULL,
     "has users alice", NULL},
    {"get-many", "STORE KEY...", VERB_BOTH, verb_get_many,
     "Print several records as a list, with null where there is none", NULL,
     "get-many users alice bob", NULL},
    {"put", "STORE VALUE [KEY]", VERB_BOTH, verb_put,
     "Insert or replace a record and print its key",
     "KEY is given for stores whose key is not in the record.",
     "put users '{\"name\": \"Alice\"}' alice", NULL},
    {"insert", "STORE VALUE [KEY]", VERB_BOTH, verb_insert,
     "Insert a record and print its key; refused if there is one", NULL,
     "insert users '{\"name\": \"Alice\"}' alice", NULL},
    {"delete", "STORE KEY", VERB_BOTH, verb_delete,
     "Delete a record and print whether there was one", NULL, "delete users alice", NULL},
    {"delete-range", "STORE", VERB_BOTH, verb_delete_range,
     "Delete the records of a range and print how many", NULL,
     "delete-range log --lt '{\"$timestamp\": \"2026-01-01T00:00:00Z\"}'", delete_range_options},
    {"scan", "STORE", VERB_BOTH, verb_scan, "Print records in the order of their keys",
     "In a pipe each row is {\"key\": ..., \"value\": ...} on a line; with --keys or --values the\n"
     "bare key or record.",
     "scan packages --gte '[\"libuv\"]' --limit 5", scan_options},
    {"count", "STORE", VERB_BOTH, verb_count, "Print how many records there are", NULL,
     "count packages --prefix '[\"libuv1-dev\"]'", range_options},
    {"size", "STORE", VERB_BOTH, verb_size, "Print about how many bytes records take", NULL,
     "size packages", range_options},
    {"run", "[OPS]", VERB_BOTH, verb_run,
     "Run several operations as one transaction and print the results",
     "OPS is a JSON list of [METHOD, [PARAMETER, ...]] as in the protocol, without the\n"
     "transaction; left out or -, it is read from standard input.",
     "run '[[\"put\", [\"users\", {\"name\": \"Bob\"}, \"bob\"]], "
     "[\"get\", [\"users\", \"alice\"]]]'",
     NULL},

    {"stores", "", VERB_BOTH, verb_stores, "List the stores", NULL, "stores", NULL},
    {"create-store", "NAME", VERB_BOTH, verb_create_store, "Create a store",
     "Without --key or --generate, each record is given its key beside it.\n" KEY_HELP,
     "create-store packages --key Package,Architecture", create_options},
    {"drop-store", "STORE", VERB_BOTH, verb_drop_store, "Drop a store and all that is in it",
     NULL, "drop-store packages", NULL},
    {"clear-store", "STORE", VERB_BOTH, verb_clear_store, "Delete all records of a store", NULL,
     "clear-store packages", NULL},
    {"rename-store", "STORE NAME", VERB_BOTH, verb_rename_store, "Rename a store", NULL,
     "rename-store packages bookworm", NULL},

    {"import", "STORE [FILE]", VERB_BOTH, verb_import,
     "Put the lines of a file of JSON (or of standard input) into a store",
     "Lines go in batches, each a transaction of its own, many on their way at once; with\n"
     "--transaction all or none go in. An error names the line, and how much is surely in.\n"
     KEY_HELP,
     "import packages packages.ndjson --key Package,Architecture", import_options},
    {"export", "STORE [FILE]", VERB_BOTH, verb_export,
     "Write the records of a store to a file (or standard output), a line of JSON each",
     "All are of one moment, whatever is written meanwhile.", "export packages packages.ndjson",
     export_options},

    {"status", "", VERB_BOTH, verb_status, "Show what the server is doing", NULL, "status",
     NULL},
    {"holds", "", VERB_BOTH, verb_holds, "List open transactions and what is held for them",
     NULL, "holds", NULL},
    {"kill", "VERSION", VERB_BOTH, verb_kill, "End somebody's transaction",
     "VERSION is the number that `holds` shows.", "kill 36", NULL},
    {"rotate", "", VERB_BOTH, verb_rotate, "Seal the open stage", NULL, "rotate", NULL},
    {"amalgamate", "", VERB_BOTH, verb_amalgamate, "Merge sealed stages into the primary", NULL,
     "amalgamate", NULL},
    {"ping", "", VERB_BOTH, verb_ping, "See whether the server answers", NULL, "ping", NULL},
    {"describe", "[METHOD]", VERB_BOTH, verb_describe, "List the methods of the protocol", NULL,
     "describe put", NULL},
    {"hello", "", VERB_BOTH, verb_hello, "Show the server's version and limits", NULL, "hello",
     NULL},

    {"begin", "[WORD]...", VERB_SHELL, verb_begin, "Begin a transaction",
     "Words: serializable or snapshot (default); read-only; greatest-version (lose to newer\n"
     "transactions that are open); continue (an error such as EXISTS does not end it);\n"
     "interval (do not wait for the disk).",
     "begin serializable read-only", begin_options},
    {"commit", "", VERB_SHELL, verb_commit, "Commit the transaction", NULL, "commit", NULL},
    {"rollback", "", VERB_SHELL, verb_rollback, "Undo the transaction", NULL, "rollback", NULL},
    {"use", "STORE", VERB_SHELL, verb_use, "Let . stand for a store", NULL, "use packages",
     NULL},
    {"exit", "", VERB_SHELL, verb_exit, "Leave; an open transaction is undone", NULL, "exit",
     NULL},
    {"help", "[VERB]", VERB_BOTH, verb_help, "Explain a verb, or list them", NULL, "help scan",
     NULL},
    {NULL, NULL, VERB_BOTH, NULL, NULL, NULL, NULL, NULL},
};

/* clang-format on */

const struct verb *verb_find(const char *name)
{
    for (const struct verb *v = verbs; v->name; v++) {
        if (strcmp(v->name, name) == 0)
            return v;
    }
    return strcmp(name, "quit") == 0 ? verb_find("exit") : NULL;
}
