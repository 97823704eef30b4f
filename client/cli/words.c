#include "client/cli/words.h"
#include "client/cli/json.h"
#include "client/cli/text.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The JSON value at *at goes into word as it stands. */
static bool take_json(struct words *w, const char *line, const char **at, struct hf_pack *word)
{
    struct hf_pack ignored = {0};
    struct json_error error;
    size_t used;
    bool ok = json_parse_first(slice_text(*at), JSON_PLAIN, &ignored, &used, &error);

    hf_pack_fini(&ignored);
    if (!ok) {
        if (error.line > 1) /* of a value over several lines */
            snprintf(w->why, sizeof w->why, "line %lu of the value, column %lu: %.100s",
                     error.line, error.column, error.message);
        else
            snprintf(w->why, sizeof w->why, "column %lu: %.110s",
                     (unsigned long)(*at - line) + error.column, error.message);
        return false;
    }
    text_append_slice(word, slice_make(*at, used));
    *at += used;
    if (**at && !is_blank(**at) && **at != '=') {
        snprintf(w->why, sizeof w->why, "column %lu: expected a space after the JSON value",
                 (unsigned long)(*at - line) + 1);
        return false;
    }
    return true;
}

static bool take_word(struct words *w, const char *line, const char **at, struct hf_pack *word)
{
    const char *from = *at;

    while (**at && !is_blank(**at)) {
        bool begins = *at == from || (*at)[-1] == '=';
        const char *end;

        if (begins && (**at == '{' || **at == '[' || **at == '"')) {
            if (!take_json(w, line, at, word))
                return false;
            continue;
        }
        if (**at != '\'') {
            text_append_slice(word, slice_make((*at)++, 1));
            continue;
        }
        end = strchr(*at + 1, '\'');
        if (!end) {
            snprintf(w->why, sizeof w->why, "column %lu: unterminated quote",
                     (unsigned long)(*at - line) + 1);
            return false;
        }
        text_append_slice(word, slice_make(*at + 1, (size_t)(end - *at - 1)));
        *at = end + 1;
    }
    return true;
}

bool words_split(struct words *w, const char *line)
{
    const char *at = line;

    memset(w, 0, sizeof *w);
    for (;;) {
        struct hf_pack word = {0};
        bool ok;

        while (is_blank(*at))
            at++;
        if (*at == '\0' || *at == '#')
            return true;
        ok = take_word(w, line, &at, &word);
        hf_pack_raw(&word, (struct hf_bytes){"", 1});
        if (ok && (w->count == WORDS_MAX || word.failed)) {
            snprintf(w->why, sizeof w->why, "too many words");
            ok = false;
        }
        if (ok)
            w->words[w->count] = strdup((const char *)word.data);
        hf_pack_fini(&word);
        if (!ok || !w->words[w->count])
            return false;
        w->count++;
    }
}

void words_free(struct words *w)
{
    for (int i = 0; i < w->count; i++)
        free(w->words[i]);
    w->count = 0;
}
