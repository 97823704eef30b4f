#include "client/cli/colour.h"

#include <stdlib.h>
#include <string.h>

bool colour_wanted(const struct cli *cli)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return cli->out_is_terminal && !(no && no[0]) && term && term[0] &&
           strcmp(term, "dumb") != 0;
}
