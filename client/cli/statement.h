/* statement.h - what people type or write in a script, taken apart into statements.
 *
 * A verb is a line, which goes on as long as a JSON value in it is open. A query (of the query
 * language) goes on to its semicolon, over any number of lines. */
#ifndef HOLDFAST_CLI_STATEMENT_H
#define HOLDFAST_CLI_STATEMENT_H

#include "client/lib/holdfast.h"
#include "client/cli/json_scan.h"

enum statement_kind {
    STATEMENT_VERB,
    STATEMENT_QUERY,
    STATEMENT_KEPT, /* a query that a backslash ends: it is for the verb behind it, `\watch` */
};

enum statement_state {
    STATEMENT_NONE, /* blanks and comments only */
    STATEMENT_OPEN, /* more of it must come */
    STATEMENT_ONE,
};

struct statements {
    struct hf_pack text; /* what has come and was not taken yet */
    unsigned long line;  /* on which it begins, from 1 */
    /* How far its first statement was looked through. */
    bool begun;
    enum statement_kind kind;
    bool ends_at_line; /* a query behind the verb `query` */
    size_t from, at;   /* offsets in text: its first byte, the next one to look at */
    char quote;        /* within which it is: ' " - * (of comments), j (a JSON value), 0: none */
    size_t json_from;
    struct json_scan json;
};

struct typed_statement {
    enum statement_kind kind;
    char *text;         /* owned; without the semicolon */
    unsigned long line; /* on which it begins */
    bool indented;      /* behind a blank */
    size_t from;        /* where it begins in what was not taken before it, in bytes */
};

void statements_init(struct statements *s);
void statements_fini(struct statements *s);

/* More text, which ends with the end of a line. */
void statements_add(struct statements *s, const char *text);

/* Drop what was not taken yet. */
void statements_drop(struct statements *s);

/* Take the first statement. at_end: nothing more will come, so one that is open ends here.
 * STATEMENT_ONE: *out was filled; free its text. */
enum statement_state statements_take(struct statements *s, bool at_end,
                                     struct typed_statement *out);

/* Whether the text is a query, by its first words. */
bool statement_is_query(const char *text);

/* The text behind `query` or `explain`, where it is not quoted; NULL: the line is another one. The
 * verb stands before it, behind a backslash or not; *verb_size is its length. */
const char *statement_query_behind_verb(const char *text, size_t *verb_size);

#endif
