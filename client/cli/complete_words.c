/* complete_words.c - words to offer, and names that the server knows. */
#include "client/cli/complete_internal.h"

/* Whether a name may stand in a line as it is. */
static bool is_plain(const char *name)
{
    return name[0] != '\0' && !strchr("{[\"'#-.", name[0]) && !strpbrk(name, " \t'");
}

void complete_offer(struct completion *out, const char *typed, const char *word)
{
    if (strncmp(word, typed, strlen(typed)) != 0 || out->count == COMPLETE_WORDS_MAX)
        return;
    for (unsigned i = 0; i < out->count; i++)
        if (strcmp(out->words[i], word) == 0)
            return;
    out->words[out->count] = strdup(word);
    out->count += out->words[out->count] != NULL;
}

/* The names of stores, or of the indexes of one. */
void complete_names(struct cli *cli, struct completion *out, const char *typed,
                    const char *of_store)
{
    struct hf_bytes stores, store;
    struct hf_walk walk;
    char name[256];

    if (!cli->conn || hf_conn_fd(cli->conn) < 0 || hf_stores(cli->conn, NULL, &stores) != HF_OK)
        return;
    if (of_store && strcmp(of_store, ".") == 0)
        of_store = cli->store;
    walk = hf_walk(stores);
    while (of_store && hf_walk_next(&walk, NULL, &store)) {
        if (hf_text_is(hf_field(store, "name"), of_store)) {
            stores = hf_field(store, "indexes");
            walk = hf_walk(stores);
            break;
        }
    }
    while (hf_walk_next(&walk, NULL, &store)) {
        if (hf_read_string(hf_field(store, "name"), name, sizeof name) == HF_OK &&
            is_plain(name))
            complete_offer(out, typed, name);
    }
}
