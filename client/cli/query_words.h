/* query_words.h - the words that queries are made of. A test compares them with the server's lexer
 * and with docs/query.md. */
#ifndef HOLDFAST_CLI_QUERY_WORDS_H
#define HOLDFAST_CLI_QUERY_WORDS_H

#include "proto/slice.h"

/* In lower case; NULL ends each list. `cast` and `key` stand among the functions. */
extern const char *const query_functions[];
extern const char *const query_keywords[];

/* Whether the word is one, in whatever case. */
bool query_is_keyword(struct slice word);
bool query_is_function(struct slice word);

#endif
