#include "server/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void assert_failed(const char *fact, const char *file, int line)
{
    fprintf(stderr, "holdfastd: assertion failed at %s:%d: %s\n", file, line, fact);
    abort();
}
