#include "client/cli/csv.h"
#include "client/cli/json.h"
#include "client/cli/text.h"
#include "proto/msgpack.h"
#include "proto/timestamp.h"

#include <strings.h>

const char *const csv_type_names[CSV_TYPE_COUNT] = {
    [CSV_TEXT] = "text",     [CSV_BOOLEAN] = "boolean",     [CSV_INTEGER] = "integer",
    [CSV_NUMBER] = "number", [CSV_TIMESTAMP] = "timestamp", [CSV_JSON] = "json",
};

/* ---- Reading ---- */

static bool is_word(struct slice text, const char *word)
{
    return text.size == strlen(word) &&
           strncasecmp((const char *)text.data, word, text.size) == 0;
}

/* A number as JSON has them; an integer only as one that loses no digits. */
static bool take_number(struct slice text, enum csv_type type, struct hf_pack *out)
{
    struct json_error error;
    struct msgpack_cursor at;
    struct msgpack_token token;
    size_t before = out->size;
    bool digits = true;

    if (text.size == 0 || !strchr("-0123456789", text.data[0]))
        return false;
    for (size_t i = 0; i < text.size; i++)
        digits = digits && !strchr(".eE", text.data[i]);
    if (!json_parse(text, JSON_PLAIN, out, &error))
        return false;
    at = msgpack_open(slice_make(out->data + before, out->size - before));
    if (msgpack_read(&at, &token) == ERR_OK &&
        (token.type == MSGPACK_FLOAT ? !digits && type == CSV_NUMBER : true))
        return true;
    out->size = before;
    return false;
}

static bool take_timestamp(struct slice text, struct hf_pack *out)
{
    uint32_t nanoseconds;
    int64_t seconds;

    if (!timestamp_parse(text, &seconds, &nanoseconds))
        return false;
    hf_pack_timestamp(out, seconds, nanoseconds);
    return true;
}

static bool take_json(struct slice text, struct hf_pack *out)
{
    struct json_error error;

    return text.size > 0 && strchr("{[", text.data[0]) &&
           json_parse(text, JSON_TYPED, out, &error);
}

bool csv_value(const struct csv_cell *cell, enum csv_type type, struct hf_pack *out)
{
    struct slice text = cell->text;

    if (!cell->quoted && slice_equal(text, slice_text("null"))) {
        hf_pack_nil(out);
        return true;
    }
    switch (type) {
    case CSV_BOOLEAN:
        if (cell->quoted || (!is_word(text, "true") && !is_word(text, "false")))
            return false;
        hf_pack_bool(out, is_word(text, "true"));
        return true;
    case CSV_INTEGER:
    case CSV_NUMBER: return !cell->quoted && take_number(text, type, out);
    case CSV_TIMESTAMP: return !cell->quoted && take_timestamp(text, out);
    case CSV_JSON:
        return take_json(text, out) || (!cell->quoted && take_number(text, CSV_NUMBER, out));
    default: hf_pack_text_bytes(out, (struct hf_bytes){text.data, text.size}); return true;
    }
}

void csv_narrow(const struct csv_cell *cell, unsigned *mask)
{
    for (unsigned type = CSV_BOOLEAN; type < CSV_TYPE_COUNT; type++) {
        struct hf_pack ignored = {0};

        if (*mask & 1u << type && !csv_value(cell, (enum csv_type)type, &ignored))
            *mask &= ~(1u << type);
        hf_pack_fini(&ignored);
    }
}

enum csv_type csv_type_of(unsigned mask)
{
    for (unsigned type = CSV_BOOLEAN; type < CSV_TYPE_COUNT; type++)
        if (mask & 1u << type)
            return (enum csv_type)type;
    return CSV_TEXT;
}

/* ---- Printing ---- */

/* Whether a text in no quotes would be read as something else. */
static bool is_ambiguous(struct slice text)
{
    struct csv_cell cell = {text, false};
    unsigned mask = CSV_MASK_ALL;

    if (text.size == 0 || slice_equal(text, slice_text("null")))
        return true;
    /* Most texts begin with a letter that nothing else begins with. */
    if (!strchr("-0123456789{[tTfF", text.data[0]))
        return false;
    csv_narrow(&cell, &mask);
    return mask != 1u << CSV_TEXT;
}

static bool needs_quotes(struct slice text)
{
    if (text.size > 0 && (text.data[0] == ' ' || text.data[text.size - 1] == ' '))
        return true;
    for (size_t i = 0; i < text.size; i++)
        if (memchr(",\"\r\n", text.data[i], 4))
            return true;
    return false;
}

static void print_quoted(struct slice text, struct hf_pack *out)
{
    text_append(out, "\"");
    while (text.size > 0) {
        const uint8_t *quote = memchr(text.data, '"', text.size);
        size_t size = quote ? (size_t)(quote - text.data) + 1 : text.size;

        text_append_slice(out, slice_make(text.data, size));
        text_append(out, quote ? "\"" : "");
        text = slice_make(text.data + size, text.size - size);
    }
    text_append(out, "\"");
}

static void print_escaped(struct slice text, struct hf_pack *out)
{
    for (size_t i = 0; i < text.size; i++) {
        switch (text.data[i]) {
        case '\t': text_append(out, "\\t"); break;
        case '\n': text_append(out, "\\n"); break;
        case '\r': text_append(out, "\\r"); break;
        case '\\': text_append(out, "\\\\"); break;
        default: text_append_slice(out, slice_make(text.data + i, 1));
        }
    }
}

static void print_cell(struct slice text, bool tsv, bool quoted, struct hf_pack *out)
{
    if (tsv)
        print_escaped(text, out);
    else if (quoted || needs_quotes(text))
        print_quoted(text, out);
    else
        text_append_slice(out, text);
}

void csv_print_name(struct slice name, bool tsv, struct hf_pack *out)
{
    print_cell(name, tsv, name.size == 0, out);
}

void csv_print(struct slice value, bool tsv, unsigned style, struct hf_pack *out)
{
    struct msgpack_cursor at = msgpack_open(value);
    struct msgpack_token token;
    struct hf_pack text = {0};
    char moment[TIMESTAMP_TEXT_MAX];
    uint32_t nanoseconds;
    int64_t seconds;

    if (slice_is_none(value) || msgpack_read(&at, &token) != ERR_OK)
        return;
    if (token.type == MSGPACK_TEXT) {
        print_cell(token.bytes, tsv, is_ambiguous(token.bytes), out);
    } else if (token.type == MSGPACK_EXT && token.ext_type == -1 &&
               msgpack_token_timestamp(&token, &seconds, &nanoseconds) == ERR_OK &&
               seconds >= TIMESTAMP_SECONDS_MIN && seconds <= TIMESTAMP_SECONDS_MAX) {
        timestamp_print(moment, seconds, nanoseconds);
        text_append(out, moment);
    } else {
        json_print(value, style, &text);
        print_cell(slice_make(text.data, text.failed ? 0 : text.size), tsv, false, out);
    }
    hf_pack_fini(&text);
}
