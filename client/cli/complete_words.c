/* complete_words.c - words to offer, and names that the server knows. */
#include "client/cli/complete_internal.h"
#include "client/cli/seen.h"

#define SAMPLE_RECORDS 20
#define SAMPLED_STORES_MAX 32

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

/* Whether it is the first time that this store is asked for. */
static bool is_new(const struct cli *cli, const char *store)
{
    static char sampled[SAMPLED_STORES_MAX][512];
    static unsigned next;
    char name[512];

    snprintf(name, sizeof name, "%.250s/%.250s", cli_database(cli), store);
    for (unsigned i = 0; i < SAMPLED_STORES_MAX; i++)
        if (strcmp(sampled[i], name) == 0)
            return false;
    memcpy(sampled[next++ % SAMPLED_STORES_MAX], name, sizeof name);
    return true;
}

/* The names of a record's fields, and of those of the maps in it. */
static void note_fields(struct hf_bytes map, unsigned depth)
{
    struct hf_walk walk = hf_walk(map);
    struct hf_bytes name, value;
    char text[SEEN_NAME_BYTES_MAX + 1];

    if (hf_type(map) != HF_TYPE_MAP)
        return;
    while (hf_walk_next(&walk, &name, &value)) {
        if (hf_read_string(name, text, sizeof text) == HF_OK)
            seen_note(slice_text(text));
        if (depth > 0)
            note_fields(value, depth - 1);
    }
}

void complete_sample(struct cli *cli, const char *store)
{
    struct hf_scan_options options = {
        .has_limit = true, .limit = SAMPLE_RECORDS, .values_only = true};
    struct hf_cursor *cursor;
    struct hf_row row;

    if (!cli->conn || hf_conn_fd(cli->conn) < 0 || !is_new(cli, store) ||
        hf_cursor_open(cli->conn, NULL, store, NULL, &options, &cursor) != HF_OK)
        return;
    while (hf_cursor_next(cursor, &row) == HF_OK)
        note_fields(row.value, 1);
    hf_cursor_close(cursor);
}
