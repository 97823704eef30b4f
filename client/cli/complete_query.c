/* complete_query.c - the words of a query: keywords, functions, stores, and fields that have
 * been seen. */
#include "client/cli/complete_internal.h"
#include "client/cli/seen.h"

#include <ctype.h>

/* As docs/query.md has them; a test compares. */
static const char *const functions[] = {"abs",
                                        "array_agg",
                                        "array_append",
                                        "array_avg",
                                        "array_concat",
                                        "array_contains",
                                        "array_distinct",
                                        "array_join",
                                        "array_length",
                                        "array_max",
                                        "array_min",
                                        "array_position",
                                        "array_prepend",
                                        "array_remove",
                                        "array_reverse",
                                        "array_slice",
                                        "array_sort",
                                        "array_sum",
                                        "avg",
                                        "cast",
                                        "ceil",
                                        "coalesce",
                                        "concat",
                                        "contains",
                                        "count",
                                        "date_add",
                                        "date_diff",
                                        "date_trunc",
                                        "ends_with",
                                        "exp",
                                        "extract",
                                        "floor",
                                        "greatest",
                                        "hex",
                                        "ifmissing",
                                        "is_number",
                                        "key",
                                        "least",
                                        "left",
                                        "length",
                                        "ln",
                                        "log10",
                                        "lower",
                                        "lpad",
                                        "ltrim",
                                        "map_keys",
                                        "map_length",
                                        "map_merge",
                                        "map_values",
                                        "max",
                                        "min",
                                        "mod",
                                        "now",
                                        "nullif",
                                        "octet_length",
                                        "position",
                                        "power",
                                        "range",
                                        "repeat",
                                        "replace",
                                        "reverse",
                                        "right",
                                        "round",
                                        "rpad",
                                        "rtrim",
                                        "sign",
                                        "split",
                                        "sqrt",
                                        "starts_with",
                                        "substr",
                                        "substring",
                                        "sum",
                                        "to_timestamp",
                                        "trim",
                                        "trunc",
                                        "type_of",
                                        "unhex",
                                        "upper",
                                        NULL};

static const char *const keywords[] = {
    "all",       "analyze", "and",    "as",      "asc",   "at",        "between", "by",
    "case",      "create",  "cross",  "delete",  "desc",  "distinct",  "drop",    "else",
    "end",       "escape",  "exists", "explain", "false", "first",     "from",    "generate",
    "group",     "having",  "if",     "in",      "index", "inner",     "insert",  "into",
    "is",        "join",    "last",   "left",    "like",  "limit",     "missing", "multi",
    "not",       "null",    "nulls",  "offset",  "on",    "or",        "order",   "outer",
    "returning", "select",  "set",    "store",   "then",  "timestamp", "true",    "unique",
    "unnest",    "unset",   "update", "upsert",  "value", "values",    "when",    "where",
    NULL};

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
    for (const char *const *f = functions; *f && !path && typed[0]; f++)
        complete_offer(out, typed, *f);
    for (const char *const *k = keywords; *k && !path; k++)
        complete_offer(out, typed, *k);
}
