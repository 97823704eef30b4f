#include "client/cli/seen.h"

#include <ctype.h>

static char names[SEEN_NAMES_MAX][SEEN_NAME_BYTES_MAX + 1];
static unsigned count;

void seen_note(struct slice name)
{
    if (name.size == 0 || name.size > SEEN_NAME_BYTES_MAX || count == SEEN_NAMES_MAX)
        return;
    for (size_t i = 0; i < name.size; i++)
        if (!isalnum(name.data[i]) && name.data[i] != '_')
            return;
    for (unsigned i = 0; i < count; i++)
        if (strlen(names[i]) == name.size && memcmp(names[i], name.data, name.size) == 0)
            return;
    memcpy(names[count++], name.data, name.size);
}

const char *seen_name(unsigned n)
{
    return n < count ? names[n] : NULL;
}
