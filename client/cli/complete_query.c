/* complete_query.c - the words of a query: keywords, functions, stores, and fields that have
 * been seen. */
#include "client/cli/complete_internal.h"
#include "client/cli/query_words.h"
#include "client/cli/seen.h"

#include <ctype.h>

/* The word before the cursor, and the keyword before that in lower case. */
static const char *last_word(const char *text, char before[COMPLETE_BEFORE_BYTES])
{
    const char *end = text + strlen(text), *word = end, *at;
    size_t size = 0;

    while (word > text && (isalnum((unsigned char)word[-1]) || word[-1] == '_'))
        word--;
    for (at = word; at > text && isspace((unsigned char)at[-1]);)
        at--;
    end = at;
    while (at > text && isalpha((unsigned char)at[-1]))
        at--;
    for (; at < end && size + 1 < COMPLETE_BEFORE_BYTES; at++)
        before[size++] = (char)tolower((unsigned char)*at);
    before[size] = '\0';
    return word;
}

void complete_query(struct cli *cli, const char *text, struct completion *out)
{
    static const char *const of_stores[] = {"from", "join", "into", "update", "store", "on"};
    char before[COMPLETE_BEFORE_BYTES];
    const char *typed = last_word(text, before), *name;
    bool store = false, path = typed > text && typed[-1] == '.';

    out->typed = strlen(typed);
    for (size_t i = 0; i < sizeof of_stores / sizeof *of_stores; i++)
        store = store || strcmp(before, of_stores[i]) == 0;
    if (store && !path)
        complete_names(cli, out, typed, NULL);
    if (store && strcmp(before, "on") != 0)
        return;
    for (unsigned i = 0; (name = seen_name(i)) != NULL; i++)
        complete_offer(out, typed, name);
    for (const char *const *f = query_functions; *f && !path && typed[0]; f++)
        complete_offer(out, typed, *f);
    for (const char *const *k = query_keywords; *k && !path; k++)
        complete_offer(out, typed, *k);
}
