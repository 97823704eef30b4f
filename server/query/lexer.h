/* lexer.h - the words of a query.
 *
 * Threads: any; keeps no state, allocates from the arena that it is given. */
#ifndef HOLDFAST_QUERY_LEXER_H
#define HOLDFAST_QUERY_LEXER_H

#include "proto/error.h"
#include "server/storage/arena.h"

#include "proto/slice.h"

struct token {
    uint32_t place, end; /* bytes from the beginning of the text */
    struct slice text;   /* of a name, text, binary, number, parameter: what it means */
};

struct lexer {
    struct slice text;    /* valid UTF-8 */
    struct arena *arena;  /* for texts with doubled quotes, and binaries */
    uint32_t at;
    bool is_behind_point; /* a word is a name there, whatever it says */
    const char *why;      /* of a refusal: a static text */
};

/* The next token; *code is its number in the grammar, 0 at the end. ERR_BAD_QUERY: it is none, and
 * why says why; its place is the token's. ERR_NOMEM. */
enum err lexer_next(struct lexer *l, int *code, struct token *out);

/* How a token of the grammar is written, for people: "select", "(", "a name"; NULL: not told. */
const char *lexer_token_name(int code);

#endif
