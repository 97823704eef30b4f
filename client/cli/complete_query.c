/* complete_query.c - the words of a query: keywords, functions, stores, and fields that have
 * been seen. */
#include "client/cli/complete_internal.h"
#include "client/cli/query_words.h"
#include "client/cli/seen.h"

#include <ctype.h>
#include <strings.h>

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

/* The stores that the query names have fields that it is likely to name. */
static void sample_stores(struct cli *cli, const char *text)
{
    static const char *const before[] = {"from", "join", "into", "update"};
    char word[256], last[COMPLETE_BEFORE_BYTES] = "";

    while (*text) {
        size_t size = 0;

        text += strspn(text, " \t\r\n(),;");
        for (; *text && !strchr(" \t\r\n(),;", *text); text++)
            if (size + 1 < sizeof word)
                word[size++] = *text;
        word[size] = '\0';
        for (size_t i = 0; *text && i < sizeof before / sizeof *before; i++)
            if (strcasecmp(last, before[i]) == 0)
                complete_sample(cli, word);
        snprintf(last, sizeof last, "%.*s", COMPLETE_BEFORE_BYTES - 1, word);
    }
}

/* A word of the language, in capitals where what is typed is; end stands behind it. */
static void offer_word(struct completion *out, const char *typed, const char *word,
                       const char *end)
{
    char text[40];

    snprintf(text, sizeof text, "%s%s", word, end);
    for (char *c = text; isupper((unsigned char)typed[0]) && *c; c++)
        *c = (char)toupper((unsigned char)*c);
    complete_offer(out, typed, text);
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
    sample_stores(cli, text);
    for (unsigned i = 0; (name = seen_name(i)) != NULL; i++)
        complete_offer(out, typed, name);
    for (const char *const *f = query_functions; *f && !path && typed[0]; f++)
        offer_word(out, typed, *f, "(");
    for (const char *const *k = query_keywords; *k && !path; k++)
        offer_word(out, typed, *k, "");
}
