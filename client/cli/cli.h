/* cli.h - the state of one run of `holdfast`, and what verbs are.
 *
 * A verb is one row of the table in verbs.c: its name, its arguments and options (from
 * which the parser and the help are made), and a function. The same verbs are subcommands
 * and lines of the shell. */
#ifndef HOLDFAST_CLI_CLI_H
#define HOLDFAST_CLI_CLI_H

#include "client/lib/holdfast.h"
#include "proto/slice.h"

#include <stdio.h>

/* Exit codes, of subcommands and of a script that the shell reads. */
enum cli_exit {
    CLI_OK = 0,
    CLI_USAGE = 1,      /* the command line or an input file is wrong; nothing was asked */
    CLI_CONNECTION = 2, /* no server, it went away, or there was no answer in time */
    CLI_REFUSED = 3,    /* the server refused */
    CLI_CONFLICT = 4,   /* another transaction was first; running it again may help */
};

enum cli_mode {
    CLI_MODE_AUTO, /* tables on a terminal, JSON elsewhere */
    CLI_MODE_JSON,
    CLI_MODE_TABLE,
    CLI_MODE_VERTICAL, /* field by field */
    CLI_MODE_CSV,      /* RFC 4180, with a header */
    CLI_MODE_TSV,
    CLI_MODE_MARKDOWN,
    CLI_MODE_MSGPACK, /* values as they are, one behind the other */
};

#define CLI_MODES "auto, table, vertical, json, csv, tsv, markdown or msgpack"

struct verb;

#define CLI_INPUTS_MAX 64

/* What -c or -f gives. */
struct cli_input {
    bool is_file;
    const char *text; /* statements, or the file's path */
};

struct cli {
    const struct verb *verbs; /* the table; the last has no name. The only way to it, since
                               * it knows every function of a verb */

    /* From the command line and the environment. */
    const char *address;
    const char *database; /* NULL: "main" */
    int timeout_ms;
    const char *user;          /* to log in as; NULL: as the address says, or nobody */
    const char *password_file; /* NULL: it is asked for */
    const char *tls, *tls_ca, *tls_certificate, *tls_key; /* as in struct hf_open_options */
    const char *label;         /* NULL: none */
    enum cli_mode mode;
    const char
        *format;     /* --format of a verb that reads or writes files; NULL: by their names */
    unsigned style;  /* JSON_PLAIN (of json.h), or 0 */
    bool keep_going; /* a script goes on after an error */
    bool single_transaction; /* all of a script is one */
    unsigned attempts;       /* of it; 0: as hf_transact */
    bool yes;        /* ask nothing */
    bool read_only;  /* refuse what writes */
    struct cli_input inputs[CLI_INPUTS_MAX];
    unsigned input_count;

    FILE *in, *out, *err;
    bool out_is_terminal, err_is_terminal;
    bool colour;       /* results and messages may be coloured */
    const char *where; /* begins messages: "holdfast", or "line 3" of a script */

    struct hf_conn *conn; /* owned; opened by the first verb that needs it */
    char *bound;          /* owned; the database that it belongs to; NULL: "main" */
    char *shell_database; /* owned; of lines that say nothing else; NULL: that of the start */
    struct hf_txn *txn;   /* owned; the shell's open transaction */
    bool txn_continue;    /* begun with on_error continue */
    bool txn_failed;      /* only commit or rollback are left to do */
    char *store;          /* owned; what "." stands for (verb `use`), NULL: nothing */
    enum cli_mode shell_mode; /* of lines that say nothing else */
    FILE *terminal;           /* where out goes when `output` names no file; NULL: out is it */
    bool expand_auto; /* rows that do not fit the terminal are printed field by field */
    bool timing;
    bool in_shell;
    bool interactive; /* of the shell: statements are typed */
    char *kept;       /* owned; the last statement, for `watch` and `explain` */
    unsigned script_depth;
    unsigned notices; /* pushed by the server so far */
    const char *at_prompt; /* what a message prints first, to clear the line; NULL: nothing */
    void (*on_connect)(struct cli *cli); /* NULL: nothing more is to be done */
    bool leaving; /* verb `exit` */
};

#define ARGS_MAX 1024
#define VERB_OPTIONS_MAX 16

/* One option of a verb. */
struct verb_option {
    const char *name;  /* without the dashes; NULL ends a list */
    const char *value; /* what it takes, for the help; NULL: nothing */
    const char *help;
};

struct args;

#define VERB_BOTH 0u
#define VERB_SHELL 1u  /* not a subcommand */
#define VERB_WRITES 2u /* refused with --read-only */
#define VERB_DESTROYS 4u /* never suggested for a word that is not nearly it */
#define VERB_LABEL 8u    /* takes --label */
#define VERB_FILES 32u    /* --format is that of the file */
#define VERB_DIRECT 16u  /* what it prints never goes through a pager */

struct verb {
    const char *name;
    const char *arguments; /* "STORE VALUE [KEY]": brackets for what may be left out, "..."
                            * behind the last for any number */
    unsigned kind;         /* VERB_ flags */
    int (*run)(struct cli *cli, const struct args *args); /* a cli_exit */
    const char *help;                                     /* one line */
    const char *more; /* further lines of `help VERB`; NULL: none */
    const char *example;
    const struct verb_option *options; /* NULL: none */
};

/* What was given. Texts are borrowed from the command line. */
struct args {
    const struct verb *verb;
    const char *positional[ARGS_MAX];
    unsigned count;
    const char *options[VERB_OPTIONS_MAX]; /* by the index in verb->options; "" for those
                                            * without a value; NULL: not given */
};

/* The option's text, NULL if it was not given. name is one of the verb's. */
const char *args_option(const struct args *args, const char *name);
/* Likewise as a number. False: a message was printed. */
bool args_number(struct cli *cli, const struct args *args, const char *name, uint64_t *number);

/* A message on cli->err, escaped, with cli->where before it. Returns CLI_USAGE. */
int cli_usage(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The error of the last call on cli->conn, as a message; the exit code for it. */
int cli_failed(struct cli *cli);
/* The same for any error; prefix (may be "") stands before the name. */
int cli_report(struct cli *cli, const char *prefix, const struct hf_error *error);
/* The exit code for an error whose details are still there: a failed transaction counts as
 * what failed it. */
int cli_exit_of(const struct hf_error *error);

/* The database in use. */
const char *cli_database(const struct cli *cli);

/* Connect unless connected. CLI_OK, or what to exit with; a message was printed. */
int cli_connect(struct cli *cli);

/* The text of an argument called KEY, VALUE or the like, packed into out: JSON, or, if it is
 * no JSON and does not look like it, the text itself. False: a message was printed. */
bool cli_parse(struct cli *cli, const char *what, const char *text, struct hf_pack *out);

/* The same with a style of json.h. */
bool cli_parse_as(struct cli *cli, const char *what, const char *text, unsigned style,
                  struct hf_pack *out);

/* The store an argument names: itself, "." for that of `use`, or a JSON string. NULL: a
 * message was printed. name has 256 bytes. */
const char *cli_store(struct cli *cli, const char *text, char *name);

/* The same for a name of another kind, which kind ("index") says in messages; a dot is no
 * abbreviation there. */
const char *cli_name(struct cli *cli, const char *kind, const char *text, char *name);

bool cli_tables(const struct cli *cli); /* whether to print what people read */
/* The mode of that name; false: there is none. */
bool cli_mode_named(const char *name, enum cli_mode *mode);

#endif
