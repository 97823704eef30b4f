/* verbs.c - the one table of verbs: from it come the parser, the help, the subcommands and
 * the shell's commands. */
#include "client/cli/verbs.h"

/* Rows of a table stay as they stand. */
/* clang-format off */
#define RANGE_OPTIONS                                                                        \
    {"gt", "KEY", "keys after this one"},                                                    \
        {"gte", "KEY", "this key and those after it"},                                       \
        {"lt", "KEY", "keys before this one"},                                               \
        {"lte", "KEY", "this key and those before it"},                                      \
        {"eq", "KEY", "exactly this key"},                                                   \
        {"prefix", "KEY", "multi-part keys that begin with these parts"},                    \
        {"starts", "KEY", "keys whose (last given) part begins with this string"}

#define INDEX_OPTION {"index", "NAME", "use this index: its keys and their order"}

#define FIELDS_OPTION {"fields", "PATH,PATH", "only these fields, in this order"}

static const struct verb_option source_options[] = {INDEX_OPTION, {NULL, NULL, NULL}};
static const struct verb_option get_options[] = {INDEX_OPTION, FIELDS_OPTION, {NULL, NULL, NULL}};

static const struct verb_option range_options[] = {
    INDEX_OPTION,
    RANGE_OPTIONS,
    {NULL, NULL, NULL},
};

static const struct verb_option scan_options[] = {
    INDEX_OPTION,
    RANGE_OPTIONS,
    {"unique", NULL, "only the first row of each index key"},
    {"reverse", NULL, "in descending order"},
    {"limit", "N", "at most N rows"},
    {"offset", "N", "skip the first N rows"},
    FIELDS_OPTION,
    {"keys", NULL, "print keys only"},
    {"values", NULL, "print records only"},
    {NULL, NULL, NULL},
};

static const struct verb_option delete_range_options[] = {
    RANGE_OPTIONS,
    {"all", NULL, "delete all records of the store"},
    {"limit", "N", "at most N records"},
    {"reverse", NULL, "apply the limit from the end"},
    {NULL, NULL, NULL},
};

static const struct verb_option kill_options[] = {
    {"client", "N", "disconnect the client with this number"},
    {"cursor", "M", "with --client: end only this cursor, as shown by `holds`"},
    {"backup", "M", "with --client: end only this backup, as shown by `holds`"},
    {NULL, NULL, NULL},
};

static const struct verb_option update_options[] = {
    {"upsert", NULL, "create the record if it does not exist"},
    {NULL, NULL, NULL},
};

static const struct verb_option export_options[] = {
    RANGE_OPTIONS,
    {"reverse", NULL, "in descending order"},
    {"limit", "N", "at most N records"},
    FIELDS_OPTION,
    {"records", NULL, "write records without their keys"},
    {"rows", NULL, "write lines {\"key\": ..., \"value\": ...}"},
    {NULL, NULL, NULL},
};

static const struct verb_option create_options[] = {
    {"key", "PATH,PATH", "take the key from these fields of the record (see below)"},
    {"generate", NULL, "generate numeric keys for records without one"},
    {"conflict", "none", "no conflict detection: the last writer wins"},
    {NULL, NULL, NULL},
};

static const struct verb_option index_options[] = {
    {"key", "PATH,PATH", "index these fields (default: the path that NAME is)"},
    {"unique", NULL, "refuse a second record with the same index key"},
    {"multi", NULL, "an entry for each element of an array"},
    {"desc", NULL, "in descending order"},
    {"types", "TYPE,TYPE", "index only values of these types (see below)"},
    {"where", "CONDITION", "index only records that satisfy it (see below)"},
    {"online", NULL, "build in the background; `stores` shows the progress"},
    {"wait", NULL, "with --online: wait until the index is ready, or its build has failed"},
    {NULL, NULL, NULL},
};

static const struct verb_option explain_options[] = {
    {"analyze", NULL, "run the query, and show the rows and the time of each step"},
    {NULL, NULL, NULL},
};

static const struct verb_option top_options[] = {
    {"interval", "SECONDS", "between two samples (default 1)"},
    {"times", "N", "stop after N samples"},
    {NULL, NULL, NULL},
};

static const struct verb_option watch_options[] = {
    {"times", "N", "stop after N times"},
    {NULL, NULL, NULL},
};

static const struct verb_option describe_options[] = {
    {"store", NULL, "NAME is a store, even if a method has the same name"},
    {NULL, NULL, NULL},
};

static const struct verb_option import_options[] = {
    {"key", "PATH,PATH", "create the store with this key if it does not exist"},
    {"create", NULL, "create the store with explicit keys if it does not exist"},
    {"generate", NULL, "create it with generated numeric keys"},
    {"transaction", NULL, "import everything in one transaction: all or nothing"},
    {"batch", "N", "records per request (default 500)"},
    {"in-flight", "N", "concurrent requests (default 16)"},
    {"on-exists", "WHAT", "replace (default), fail or skip"},
    {"types", "NAME:TYPE,...", "of columns: text, boolean, integer, number, timestamp, json"},
    {"records", NULL, "read lines as records (default unless keys are explicit)"},
    {"rows", NULL, "read lines {\"key\": ..., \"value\": ...} (default for explicit keys)"},
    {NULL, NULL, NULL},
};

static const struct verb_option backup_options[] = {
    {"base", "OLDDIR", "only what has changed since the backup in OLDDIR"},
    {"rate", "SIZE", "at most this many bytes per second, such as 20MB"},
    {NULL, NULL, NULL},
};

static const struct verb_option restore_options[] = {
    {"wal", "WALDIR,WALDIR", "then replay the WAL segments in these directories"},
    {"to-commit", "N", "up to commit N"},
    {"before-commit", "N", "up to the commit before N"},
    {"to-time", "TIME", "up to this time, such as 2026-01-31T12:00:00Z"},
    {NULL, NULL, NULL},
};

static const struct verb_option user_options[] = {
    {"role", "ROLE,ROLE", "its roles, replacing the previous ones (see below)"},
    {"new-password-file", "FILE", "take the user's password from the first line of FILE"},
    {"password", NULL, "with alter: prompt for a new password"},
    {"no-password", NULL, "with add: the user cannot log in with a password"},
    {"uid", "N", "clients on the Unix socket that run as this user id are logged in as this "
                 "user; none: remove it"},
    {NULL, NULL, NULL},
};

static const struct verb_option quota_options[] = {
    {"bytes", "N", "maximum size of keys, values and index entries: 500MB, 2GiB; none: no limit"},
    {"stores", "N", "maximum number of stores; none: no limit"},
    {"transactions", "N", "maximum number of open transactions; none: no limit"},
    {NULL, NULL, NULL},
};

static const struct verb_option begin_options[] = {
    {"wait-ms", "N", "maximum time to wait for locks; 0: do not wait"},
    {"timeout-after-ms", "N", "maximum lifetime of the transaction"},
    {"idle-ms", "N", "maximum time without a request"},
    {"write-bytes", "N", "maximum size of its writes"},
    {"read-bytes", "N", "maximum size of its read set (serializable)"},
    {"held-bytes", "N", "maximum retained for it while others commit"},
    {NULL, NULL, NULL},
};

static const struct verb_option put_options[] = {
    {"key", "KEY", "the key, instead of the argument KEY"},
    {NULL, NULL, NULL},
};

#define KEY_HELP                                                                                 \
    "PATH is a field name, address.city for a nested field, or tags[0] for an array element;\n"  \
    "several, separated by commas, make a multi-part key. A part that ends in :desc sorts in\n"  \
    "descending order. Write other names as JSON: --key '[[\"a.b\", \"c\"], \"d,e\"]'."

const struct verb verbs[] = {
    {"get", "STORE KEY", VERB_BOTH, verb_get, "Print a record, or null if it does not exist",
     "With --index, the matching record with the least key.",
     "get packages '[\"libuv1-dev\",\"amd64\"]'", get_options},
    {"has", "STORE KEY", VERB_BOTH, verb_has, "Print whether a record exists", NULL,
     "has users alice@example.org --index email", source_options},
    {"get-many", "STORE KEY...", VERB_BOTH, verb_get_many,
     "Print several records as a list, with null for those that do not exist", NULL,
     "get-many users alice bob", source_options},
    {"put", "STORE VALUE [KEY]", VERB_WRITES, verb_put,
     "Insert or replace a record and print its key",
     "The value comes first, then the key: put STORE VALUE KEY or put STORE VALUE --key KEY.\n"
     "A key is given only to stores with explicit keys.",
     "put users '{\"name\": \"Alice\"}' --key alice", put_options},
    {"insert", "STORE VALUE [KEY]", VERB_WRITES, verb_insert,
     "Insert a record and print its key; fails if the key exists",
     "The value comes first, then the key: insert STORE VALUE KEY or insert STORE VALUE "
     "--key KEY.\n"
     "A key is given only to stores with explicit keys.",
     "insert users '{\"name\": \"Alice\"}' --key alice", put_options},
    {"update", "STORE KEY CHANGE...", VERB_WRITES, verb_update,
     "Change a record in place and print it, or null if it does not exist",
     "The changes are made in order, all or none:\n"
     "  set PATH=VALUE      replace or add a value; set is the default\n"
     "  add PATH=NUMBER     add to a number; a missing one is 0\n"
     "  min PATH=VALUE      keep the lesser of the two\n"
     "  max PATH=VALUE      keep the greater of the two\n"
     "  append PATH=VALUE   add an element to an array, or text to text\n"
     "  unset PATH          remove a field, or an element of an array\n"
     "  commit PATH         put in the commit number\n"
     "Several may follow one word: set name=Ann age=30 add logins=1. PATH is a field name,\n"
     "address.city for a nested field, or tags[0] for an element of an array; others are JSON:\n"
     "'[\"a.b\"]=1', and [] is the record itself.",
     "update users alice address.city=Rome add logins=1", update_options},
    {"delete", "STORE KEY", VERB_WRITES | VERB_DESTROYS, verb_delete,
     "Delete a record and print whether it existed", NULL, "delete users alice", NULL},
    {"delete-range", "STORE", VERB_WRITES | VERB_DESTROYS, verb_delete_range,
     "Delete the records of a range and print their number", NULL,
     "delete-range log --lt '{\"$timestamp\": \"2026-01-01T00:00:00Z\"}'", delete_range_options},
    {"scan", "STORE", VERB_BOTH, verb_scan, "Print records in key order",
     "In a pipe, each row is one line {\"key\": ..., \"value\": ...}; with --index, \"index\"\n"
     "comes first, the index key; with --keys or --values, the bare key or record.",
     "scan packages --starts '[\"libuv\"]' --limit 5", scan_options},
    {"count", "STORE", VERB_BOTH, verb_count, "Print the number of records", NULL,
     "count packages --prefix '[\"libuv1-dev\"]'", range_options},
    {"size", "STORE", VERB_BOTH, verb_size, "Print the approximate size in bytes", NULL,
     "size packages", range_options},
    {"run", "[OPS]", VERB_WRITES | VERB_LABEL, verb_run,
     "Run several operations in one transaction and print the results",
     "OPS is a JSON list of [METHOD, [PARAMETER, ...]] as in the protocol, without the\n"
     "transaction handle. If OPS is missing or -, it is read from standard input.",
     "run '[[\"put\", [\"users\", {\"name\": \"Bob\"}, \"bob\"]], "
     "[\"get\", [\"users\", \"alice\"]]]'",
     NULL},

    {"stores", "", VERB_BOTH, verb_stores, "List the stores", NULL, "stores", NULL},
    {"create-store", "NAME", VERB_WRITES, verb_create_store, "Create a store",
     "Without --key or --generate, every put names its key explicitly.\n" KEY_HELP,
     "create-store packages --key Package,Architecture", create_options},
    {"drop-store", "STORE", VERB_WRITES | VERB_DESTROYS, verb_drop_store,
     "Drop a store and all its records",
     NULL, "drop-store packages", NULL},
    {"clear-store", "STORE", VERB_WRITES | VERB_DESTROYS, verb_clear_store,
     "Delete all records of a store", NULL,
     "clear-store packages", NULL},
    {"rename-store", "STORE NAME", VERB_WRITES, verb_rename_store, "Rename a store", NULL,
     "rename-store packages bookworm", NULL},

    {"create-index", "STORE NAME", VERB_WRITES, verb_create_index,
     "Create an index on a store",
     "Without --key, NAME is the path that is indexed: create-index users email. A record has no\n"
     "entry where the path is missing or its value cannot be a key.\n"
     KEY_HELP
     "\n'[{\"any\": [\"mobile\", \"phone\"]}]' takes the first of the paths that exists.\n"
     "TYPE is nil, boolean, number, timestamp, text, binary or array. CONDITION is JSON on fields\n"
     "of the record: '{\"state\": \"open\", \"age\": {\"$gte\": 18}}'; with $eq, $ne, $gt, $gte,\n"
     "$lt, $lte, $exists, $and and $or.\n"
     "Without --online, the index is made in one transaction, which fails if others write the\n"
     "store meanwhile; with it, others continue to write, and the index is usable once it is "
     "ready.",
     "create-index users email --unique", index_options},
    {"drop-index", "STORE NAME", VERB_WRITES | VERB_DESTROYS, verb_drop_index,
     "Drop an index", NULL,
     "drop-index users email", NULL},
    {"rename-index", "STORE NAME NEW", VERB_WRITES, verb_rename_index, "Rename an index", NULL,
     "rename-index users email mail", NULL},

    {"import", "STORE [FILE]", VERB_WRITES | VERB_DIRECT | VERB_LABEL | VERB_FILES, verb_import,
     "Import a file of records, or standard input, into a store",
     "FILE is NDJSON, JSON (an array, or a sequence of values), CSV or TSV with a header, or\n"
     "MessagePack, by its extension or --format; gzip is decompressed. Column types are inferred\n"
     "from the first rows, or given: --types zip:text. Records are sent in batches; each\n"
     "batch is one transaction, and several are in flight at once. With --transaction, all\n"
     "records are imported or none. An error names the line and how many records were committed.\n"
     KEY_HELP,
     "import packages packages.ndjson --key Package,Architecture", import_options},
    {"export", "STORE [FILE]", VERB_FILES | VERB_DIRECT, verb_export,
     "Export the records of a store to a file or standard output",
     "FILE is NDJSON, JSON (an array), CSV, TSV or MessagePack, optionally compressed (.gz), by\n"
     "its extension or --format. The export is one consistent snapshot. An existing file is\n"
     "replaced only when the new one is complete.", "export packages packages.csv.gz",
     export_options},
    {"dump", "[FILE]", VERB_DIRECT, verb_dump,
     "Write a whole database as text: stores, indexes and records",
     "The dump is a snapshot of the database in use. `load` loads it into an empty database of\n"
     "this server or another one, of the same or a later version. Each line is a method of the\n"
     "protocol with its parameters. A FILE that ends in .gz is compressed. `backup` copies the\n"
     "files of the whole server instead: it is faster and includes all databases, but can be\n"
     "restored only by a server with the same file format.",
     "dump shop.dump.gz", NULL},
    {"load", "FILE", VERB_WRITES | VERB_DIRECT, verb_load,
     "Load a dump into a database",
     "Nothing is loaded if the file is incomplete or one of its stores already exists.",
     "load shop.dump.gz", NULL},
    {"query", "TEXT [ARGS]", VERB_BOTH, verb_query,
     "Run a query: select, insert, update, delete, create, drop",
     "ARGS is a JSON list of the values of $1, $2, ..., or an object with those of $name. In the\n"
     "shell, TEXT is the rest of the line, without quotes; a semicolon may end it.",
     "query 'select name, age from users where age > $1 order by age' '[30]'", NULL},

    {"backup", "DIR", VERB_BOTH, verb_backup,
     "Back up the database, as of one commit, into a new directory",
     "The server stays available. The backup is verified as it arrives, and read back once it is\n"
     "written. With --base, it contains only the changes since the backup in OLDDIR, which is\n"
     "then needed to restore it.", "backup /backups/monday", backup_options},
    {"verify-backup", "DIR", VERB_BOTH, verb_verify_backup,
     "Read a backup and check every page of it", NULL, "verify-backup /backups/monday", NULL},
    {"restore", "FROM [DATA]", VERB_WRITES | VERB_DIRECT, verb_restore,
     "Restore a backup into a new data directory, or load a dump",
     "If FROM is a directory made by `backup`: restore DIR DATA, without a server. If it is a\n"
     "file written by `dump`, restore FILE is the same as load FILE. A directory is restored by\n"
     "running holdfastd --restore on this machine; DATA must be empty or missing, and not in\n"
     "use. The bases of an incremental backup are found automatically.",
     "restore /backups/monday /var/lib/holdfast/data", restore_options},

    {"user", "ACTION [NAME]", VERB_BOTH, verb_user, "Add, alter, drop or list users",
     "ACTION is add, alter, drop or list. From the first user on, clients on TCP have to log\n"
     "in. A password is asked for at the terminal, twice, or taken from a file.\n"
     "ROLE is admin, or read, write and schema joined by +, on all stores of the database main\n"
     "or on those that a pattern names: read+write:orders, read:log_*, schema:DATABASE/STORES.",
     "user add ann --role read+write:orders,read:log_*", user_options},
    {"status", "", VERB_BOTH, verb_status, "Show server statistics", NULL, "status",
     NULL},
    {"top", "", VERB_DIRECT, verb_top,
     "Show live statistics: rates, latency, stages and holds",
     "q or Ctrl-C ends it. The plots show the last 60 samples; the rates are per second.",
     "top --interval 2", top_options},
    {"holds", "", VERB_BOTH, verb_holds, "List open transactions and scans, and what is "
     "retained for them",
     NULL, "holds", NULL},
    {"clients", "", VERB_BOTH, verb_clients, "List the clients and the memory of each",
     NULL, "clients", NULL},
    {"explain", "[TEXT] [ARGS]", VERB_BOTH, verb_explain,
     "Show the plan of a query: what is read, and by which index",
     "In the shell, TEXT is the rest of the line; without it, the last query. With --analyze,\n"
     "the query is run, and each step shows its rows and time.",
     "explain 'select * from users where email = $1' '[\"ann@example.org\"]'", explain_options},
    {"kill", "[TXID]", VERB_WRITES | VERB_DESTROYS, verb_kill,
     "Abort a transaction, disconnect a client, or end a cursor or a backup",
     "TXID is the transaction id, which `holds` shows as \"version\"; `clients` shows the\n"
     "numbers of clients.", "kill 36", kill_options},
    {"databases", "", VERB_BOTH, verb_databases, "List the databases",
     "A database exists from the first commit in it: holdfast --database NAME create-store STORE.",
     "databases", NULL},
    {"drop-database", "NAME", VERB_WRITES, verb_drop_database,
     "Drop a database and all its stores",
     "Waits until programs that have it open (attach) have closed it; they are notified.",
     "drop-database shop", NULL},
    {"quota", "NAME", VERB_WRITES, verb_quota,
     "Limit what a database may hold, or show its limits",
     "The database need not exist. Limits that are not given stay as they are; none removes one.",
     "quota shop --bytes 2GiB --stores 100", quota_options},
    {"rotate", "", VERB_WRITES, verb_rotate, "Seal the open in-memory stage", NULL, "rotate", NULL},
    {"amalgamate", "", VERB_WRITES, verb_amalgamate, "Merge sealed stages into the data file", NULL,
     "amalgamate", NULL},
    {"check-data", "", VERB_BOTH, verb_check_data,
     "Check every page, record, index and WAL batch of the data directory",
     "The check runs in the background of other requests and can take long; `holds` shows its\n"
     "progress. The exit code is 3 if damage is found.", "check-data", NULL},
    {"ping", "", VERB_BOTH, verb_ping, "Check that the server responds", NULL, "ping", NULL},
    {"describe", "[NAME]", VERB_BOTH, verb_describe,
     "Show a store with its key and indexes, or a method of the protocol",
     "Without NAME, list the methods. A method takes precedence over a store of the same name.",
     "describe users", describe_options},
    {"call", "METHOD [PARAMETER]...", VERB_BOTH, verb_call, "Call any method of the protocol",
     "Parameters are JSON, in the order that `describe METHOD` shows; null as the transaction\n"
     "handle means that the call is a transaction of its own.",
     "call count null users '{\"starts\": \"a\"}'", NULL},
    {"hello", "", VERB_BOTH, verb_hello, "Show the server's version and limits", NULL, "hello",
     NULL},

    {"begin", "[WORD]...", VERB_SHELL | VERB_DIRECT | VERB_LABEL, verb_begin, "Begin a transaction",
     "Words: serializable or snapshot (default); read-only; greatest-version (newer open\n"
     "transactions win conflicts); continue (errors such as EXISTS do not abort it); interval\n"
     "or sync (the commit does not wait for the disk, or does; default: as the server is\n"
     "configured). lock STORE,... locks these stores exclusively,\n"
     "share STORE,... keeps others from locking them exclusively, lock-database locks all\n"
     "stores. The transaction begins when it has its locks; in stores that it has locked\n"
     "exclusively it meets no conflict.",
     "begin lock accounts,audit", begin_options},
    {"commit", "", VERB_SHELL, verb_commit, "Commit the transaction", NULL, "commit", NULL},
    {"rollback", "", VERB_SHELL, verb_rollback, "Roll back the transaction", NULL, "rollback",
     NULL},
    {"savepoint", "NAME", VERB_SHELL, verb_savepoint,
     "Set a savepoint in the transaction", NULL, "savepoint a", NULL},
    {"rollback-to", "NAME", VERB_SHELL, verb_rollback_to,
     "Undo the writes since the savepoint, which stays set", NULL, "rollback-to a", NULL},
    {"release", "NAME", VERB_SHELL, verb_release,
     "Release the savepoint and keep the writes", NULL, "release a", NULL},
    {"use", "STORE", VERB_SHELL, verb_use, "Set the store that \".\" refers to", NULL,
     "use packages", NULL},
    {"database", "NAME", VERB_SHELL, verb_database, "Change to another database",
     "It need not exist yet: the first commit in it creates it.", "database shop", NULL},
    {"timing", "[on|off]", VERB_SHELL, verb_timing, "Print how long each line takes",
     "Also \\timing.", "timing on", NULL},
    {"format", "NAME", VERB_SHELL, verb_format, "Set how results are printed",
     "NAME is " CLI_MODES ".",
     "format vertical", NULL},
    {"output", "[FILE]", VERB_SHELL | VERB_DIRECT, verb_output,
     "Send results to a file; without FILE, back to the terminal", "Also \\o FILE.",
     "output \"report.json\"", NULL},
    {"expand", "[on|off|auto]", VERB_SHELL, verb_expand,
     "Print rows field by field; with auto, only those that do not fit the terminal", "Also \\x.",
     "expand auto", NULL},
    {"watch", "[SECONDS]", VERB_SHELL | VERB_DIRECT, verb_watch,
     "Repeat the last query or verb until Ctrl-C",
     "SECONDS is the pause (default 2). Also after a query, instead of its semicolon:\n"
     "select count(*) from users \\watch 5.",
     "watch 5", watch_options},
    {"include", "FILE", VERB_SHELL | VERB_DIRECT, verb_include,
     "Run the queries and verbs of a file",
     "Also \\i FILE.", "include report.hf", NULL},
    {"clear", "", VERB_SHELL | VERB_DIRECT, verb_clear, "Clear the screen", NULL, "clear", NULL},
    {"exit", "", VERB_SHELL | VERB_DIRECT, verb_exit,
     "Leave the shell; an open transaction is rolled back",
     NULL, "exit", NULL},
    {"help", "[VERB]", VERB_BOTH, verb_help, "Show help on a verb, or list all verbs", NULL,
     "help scan",
     NULL},
    {NULL, NULL, VERB_BOTH, NULL, NULL, NULL, NULL, NULL},
};

/* clang-format on */
