#include "client/cli/query_words.h"

#include <stddef.h>
#include <strings.h>

const char *const query_functions[] = {"abs",
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

const char *const query_keywords[] = {
    "all",       "analyze", "and",    "as",      "asc",   "at",        "between", "by",
    "case",      "create",  "cross",  "delete",  "desc",  "distinct",  "drop",    "else",
    "end",       "escape",  "exists", "explain", "false", "first",     "from",    "generate",
    "group",     "having",  "if",     "in",      "index", "inner",     "insert",  "into",
    "is",        "join",    "last",   "left",    "like",  "limit",     "missing", "multi",
    "not",       "null",    "nulls",  "offset",  "on",    "or",        "order",   "outer",
    "returning", "select",  "set",    "store",   "then",  "timestamp", "true",    "unique",
    "unnest",    "unset",   "update", "upsert",  "value", "values",    "when",    "where",
    NULL};

static bool has(const char *const *words, struct slice word)
{
    for (; *words; words++)
        if (strlen(*words) == word.size &&
            strncasecmp(*words, (const char *)word.data, word.size) == 0)
            return true;
    return false;
}

bool query_is_keyword(struct slice word)
{
    return has(query_keywords, word);
}

bool query_is_function(struct slice word)
{
    return has(query_functions, word);
}
