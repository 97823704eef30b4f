#include "client/cli/changes.h"
#include "client/cli/json.h"
#include "client/cli/keypath.h"
#include "client/cli/output.h"

static const struct operator
{
    const char *name;
    bool takes_value;
}
operators[] = {
    {"set", true},    {"add", true},    {"min", true},     {"max", true},
    {"append", true}, {"unset", false}, {"commit", false},
};

static const struct operator* operator_find(const char *word)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (strcmp(operators[i].name, word) == 0)
            return &operators[i];
    return NULL;
}

/* Pack the path at the beginning of word; *end gets what follows: an =, or the end. */
static bool take_path(struct cli *cli, const char *word, struct hf_pack *out, const char **end)
{
    struct json_error error;
    size_t used;

    if (word[0] != '[' && word[0] != '"') {
        used = strcspn(word, "=");
        *end = word + used;
        return keypath_path(cli, "PATH", slice_make(word, used), out);
    }
    if (!json_parse_first(slice_text(word), JSON_PLAIN, out, &used, &error)) {
        cli_usage(cli, "PATH, column %lu: %s", error.column, error.message);
        return false;
    }
    *end = word + used;
    return true;
}

static bool take_change(struct cli *cli, const struct operator* how, const char *word,
                        struct hf_pack *out)
{
    const char *end;

    hf_pack_array(out, how->takes_value ? 3 : 2);
    hf_pack_text(out, how->name);
    if (!take_path(cli, word, out, &end))
        return false;
    if (how->takes_value && *end == '=')
        return cli_parse(cli, "VALUE", end + 1, out);
    if (!how->takes_value && *end == '\0')
        return true;
    cli_usage(cli, "%s takes %s, not \"%.60s\"", how->name,
              how->takes_value ? "PATH=VALUE" : "PATH", word);
    return false;
}

bool changes_parse(struct cli *cli, const char *const *words, unsigned count,
                   struct hf_pack *out)
{
    const struct operator* how = & operators[0];
    struct hf_pack changes = {0};
    uint32_t taken = 0;
    bool ok = true, fresh = false; /* an operator that has no path yet */

    for (unsigned i = 0; ok && i < count; i++) {
        const struct operator* next = operator_find(words[i]);

        if (next && fresh)
            break;
        if (next) {
            how = next;
            fresh = true;
            continue;
        }
        if (taken == 0 && !fresh && words[i][0] != '[' && !strchr(words[i], '=')) {
            cli_usage(cli,
                      "unknown change \"%.60s\"; expected set, add, min, max, append, unset, "
                      "commit or PATH=VALUE",
                      words[i]);
            ok = false;
        }
        ok = ok && take_change(cli, how, words[i], &changes);
        fresh = false;
        taken++;
    }
    if (ok && fresh) {
        cli_usage(cli, "%s needs %s", how->name, how->takes_value ? "PATH=VALUE" : "PATH");
        ok = false;
    }
    hf_pack_array(out, taken);
    hf_pack_raw(out, hf_pack_bytes(&changes));
    hf_pack_fini(&changes);
    return ok;
}
