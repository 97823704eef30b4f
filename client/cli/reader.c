/* reader.c - JSON: values that stand on a line each, which is most of all files,
 * are parsed where they are; others are first looked through for their end. reader_columns.c has
 * the files with columns. */
#include "client/cli/reader.h"
#include "client/cli/gzip.h"
#include "client/cli/json.h"
#include "client/cli/reader_internal.h"

#include <errno.h>
#include <sys/stat.h>

/* The first byte that is no blank; -1 at the end of the file, -2 after a failure. */
static int skip_blanks(struct reader *r)
{
    for (;;) {
        const uint8_t *data = r->buffer.data;
        size_t at = r->at;

        while (at < r->buffer.size &&
               (data[at] == ' ' || data[at] == '\n' || data[at] == '\r' || data[at] == '\t'))
            at++;
        reader_take(r, at - r->at);
        if (at < r->buffer.size)
            return data[at];
        if (r->at_end)
            return -1;
        if (!reader_fill(r))
            return -2;
    }
}

/* ---- JSON ---- */

/* Characters before at on its line, as far as they are still there. */
static unsigned long column_at(const struct reader *r)
{
    const uint8_t *data = r->buffer.data;
    unsigned long column = 0;

    for (size_t i = r->at; i > 0 && data[i - 1] != '\n'; i--)
        column += (data[i - 1] & 0xc0) != 0x80;
    return column;
}

static enum reader_result fail_json(struct reader *r, const struct json_error *error)
{
    unsigned long before = error->line == 1 ? column_at(r) : 0;

    if (error->line > 1)
        return reader_fail(r, r->line + error->line - 1,
                           "column %lu: %s, in the value that begins on line %llu",
                           error->column, error->message, (unsigned long long)r->line);
    return reader_fail(r, r->line + error->line - 1, "column %lu: %s", before + error->column,
                       error->message);
}

static enum reader_result take_value(struct reader *r, size_t size)
{
    r->first_line = r->line;
    reader_take(r, size);
    r->last_line = r->line;
    return READER_ONE;
}

/* The value from at on, wherever it ends. */
static enum reader_result take_long(struct reader *r, struct hf_pack *out)
{
    enum json_scan_state state = JSON_SCAN_MORE;
    struct json_error error;
    struct json_scan scan;
    size_t used;

    json_scan_init(&scan);
    for (;;) {
        state =
            json_scan_feed(&scan, slice_make(r->buffer.data + r->at, r->buffer.size - r->at));
        if (state != JSON_SCAN_MORE || r->at_end)
            break;
        if (!reader_fill(r))
            return READER_FAILED;
    }
    if (!json_parse_first(slice_make(r->buffer.data + r->at, scan.used), r->style, out, &used,
                          &error))
        return fail_json(r, &error);
    return take_value(r, used);
}

/* The value that begins at at, if it ends on its line and that is in the buffer. */
static bool take_short(struct reader *r, struct hf_pack *out)
{
    const uint8_t *data = r->buffer.data, *end;
    struct json_error error;
    size_t used;

    if (r->newline < r->at) {
        end = memchr(data + r->at, '\n', r->buffer.size - r->at);
        r->newline = end ? (size_t)(end - data) : r->buffer.size;
    }
    if (r->newline >= r->buffer.size ||
        !json_parse_first(slice_make(data + r->at, r->newline - r->at), r->style, out, &used,
                          &error))
        return false;
    take_value(r, used);
    return true;
}

/* Between the values of an array: the byte that the next one begins with. READER_ONE: there is
 * one. */
static enum reader_result next_element(struct reader *r)
{
    int c = skip_blanks(r);

    if (c == -2)
        return READER_FAILED;
    if (r->place == READER_ARRAY_END)
        return c == -1 ? READER_END
                       : reader_fail(r, r->line, "column %lu: unexpected text after the array",
                                     column_at(r) + 1);
    if (c == ']') {
        reader_take(r, 1);
        r->place = READER_ARRAY_END;
        return next_element(r);
    }
    if (r->place == READER_ARRAY_NEXT && c != ',' && c != -1)
        return reader_fail(r, r->line, "column %lu: expected \",\" or \"]\"", column_at(r) + 1);
    if (r->place == READER_ARRAY_NEXT && c == ',') {
        reader_take(r, 1);
        c = skip_blanks(r);
    }
    r->place = READER_ARRAY_NEXT;
    if (c == -2)
        return READER_FAILED;
    return c == -1 ? reader_fail(r, r->line, "unterminated array") : READER_ONE;
}

static enum reader_result next_json(struct reader *r, struct hf_pack *out)
{
    enum reader_result result;
    int c;

    if (r->place != READER_VALUES) {
        result = next_element(r);
        return result == READER_ONE ? take_long(r, out) : result;
    }
    c = skip_blanks(r);
    if (c < 0)
        return c == -1 ? READER_END : READER_FAILED;
    if (!r->begun && r->format.kind == FILE_JSON && c == '[') {
        r->begun = true;
        reader_take(r, 1);
        r->place = READER_ARRAY_FIRST;
        return next_json(r, out);
    }
    r->begun = true;
    return take_short(r, out) ? READER_ONE : take_long(r, out);
}

enum reader_result reader_next(struct reader *r, struct hf_pack *out)
{
    if (r->why[0])
        return READER_FAILED;
    hf_pack_reset(out);
    if (r->format.kind == FILE_MSGPACK)
        return msgpack_next(r, out);
    return r->columns ? columns_next(r, out) : next_json(r, out);
}

uint64_t reader_done_bytes(const struct reader *r)
{
    off_t at = r->packed ? ftello(r->packed) : -1;

    return at >= 0 ? (uint64_t)at : r->packed ? 0 : r->taken;
}

/* ---- Opening ---- */

static void skip_mark(struct reader *r)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};

    if (r->buffer.size >= sizeof mark && memcmp(r->buffer.data, mark, sizeof mark) == 0)
        reader_take(r, sizeof mark);
}

bool reader_open(struct reader *r, struct cli *cli, const char *path,
                 const struct file_format *format, const char *types)
{
    struct stat info;

    memset(r, 0, sizeof *r);
    r->format = *format;
    r->style = cli->style;
    r->line = 1;
    r->owned = path && strcmp(path, "-") != 0;
    r->file = r->owned ? fopen(path, "re") : cli->in;
    if (!r->file) {
        cli_usage(cli, "cannot open %s: %s", path, strerror(errno));
        return false;
    }
    if (fstat(fileno(r->file), &info) == 0 && S_ISREG(info.st_mode))
        r->bytes_total = (uint64_t)info.st_size;
    if (gzip_is(r->file)) {
        r->packed = r->file;
        r->file = gzip_reader(r->packed);
        if (!r->file) {
            cli_usage(cli, "out of memory");
            return false;
        }
    } else if (format->gzip) {
        cli_usage(cli, "%s is not a gzip file", r->owned ? path : "standard input");
        return false;
    }
    if (reader_fill(r) && format->kind != FILE_MSGPACK)
        skip_mark(r);
    if (!r->why[0] && (format->kind == FILE_CSV || format->kind == FILE_TSV))
        columns_begin(r, types);
    else if (!r->why[0] && types)
        reader_fail(r, 0, "--types applies to CSV and TSV");
    if (!r->why[0])
        return true;
    if (r->failed_line)
        cli_usage(cli, "%s:%llu: %s", r->owned ? path : "standard input",
                  (unsigned long long)r->failed_line, r->why);
    else
        cli_usage(cli, "%s", r->why);
    return false;
}

void reader_close(struct reader *r)
{
    FILE *lower = r->packed ? r->packed : r->file;

    if (r->packed && r->file)
        fclose(r->file);
    if (r->owned && lower)
        fclose(lower);
    columns_end(r);
    hf_pack_fini(&r->buffer);
}
