#include "client/cli/file_format.h"

#include <strings.h>
#include <sys/stat.h>

/* "ndjson", or "csv.gz", without a dot before it. */
static bool take_name(const char *name, struct file_format *out)
{
    static const struct {
        const char *name;
        enum file_kind kind;
    } kinds[] = {{"ndjson", FILE_NDJSON},   {"jsonl", FILE_NDJSON}, {"json", FILE_JSON},
                 {"csv", FILE_CSV},         {"tsv", FILE_TSV},      {"tab", FILE_TSV},
                 {"msgpack", FILE_MSGPACK}, {"mp", FILE_MSGPACK}};
    size_t size = strlen(name);

    out->gzip = size > 3 && strcasecmp(name + size - 3, ".gz") == 0;
    size -= out->gzip ? 3 : 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strlen(kinds[i].name) == size && strncasecmp(kinds[i].name, name, size) == 0) {
            out->kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

const char *file_format_unit(const struct file_format *format)
{
    return format->kind == FILE_MSGPACK ? "record" : "line";
}

/* The extension, "csv.gz" of "a.b.csv.gz"; "" if there is none. */
static const char *extension_of(const char *path)
{
    const char *name = strrchr(path, '/'), *last;
    size_t size;

    name = name ? name + 1 : path;
    last = strrchr(name, '.');
    if (!last || last == name)
        return "";
    size = (size_t)(last - name);
    if (strcasecmp(last, ".gz") == 0) {
        while (size > 0 && name[size - 1] != '.')
            size--;
        return size > 1 ? name + size : last + 1;
    }
    return last + 1;
}

bool file_format_choose(struct cli *cli, const char *path, const char *given,
                        struct file_format *out)
{
    const char *extension = extension_of(path);
    struct stat info;

    *out = (struct file_format){.kind = FILE_NDJSON};
    if (given) {
        if (take_name(given, out))
            return true;
        cli_usage(cli, "unknown format \"%.40s\": files can be " FILE_FORMATS, given);
        return false;
    }
    if (strcmp(path, "-") == 0 || !extension[0] ||
        (stat(path, &info) == 0 && !S_ISREG(info.st_mode)))
        return true;
    if (take_name(extension, out))
        return true;
    cli_usage(cli,
              "%.200s: unknown extension \".%.40s\": files can be " FILE_FORMATS
              "; use --format NAME",
              path, extension);
    return false;
}
