#include "client/cli/dump.h"

#include <strings.h>

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);

    return size >= end_size && strcasecmp(text + size - end_size, end) == 0;
}

bool dump_is_packed(struct cli *cli, const char *path, bool *gzip)
{
    static const char *const others[] = {".csv",     ".tsv", ".csv.gz", ".tsv.gz", ".json",
                                         ".json.gz", ".sql", ".zip",    ".bz2",    ".xz",
                                         ".zst",     ".tar", ".tgz",    ".sql.gz", ".tar.gz"};

    *gzip = ends_with(path, ".gz");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (!ends_with(path, others[i]))
            continue;
        cli_usage(cli,
                  "%.200s: a dump is text, optionally compressed with gzip: name it FILE.dump "
                  "or FILE.dump.gz, not %s",
                  path, others[i]);
        return false;
    }
    return true;
}
