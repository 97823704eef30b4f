#include "tests/sim/totals.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t totals[TOTAL_COUNT];

static void totals_write(void)
{
    static const char *const names[] = {"images",     "seeds", "transactions", "faults",
                                        "executions", "lost",  "wrong"};
    const char *path = getenv("PROVE_TOTALS");
    FILE *file = path ? fopen(path, "a") : NULL;
    char line[256];
    int size = 0;

    if (!file)
        return;
    for (unsigned i = 0; i < TOTAL_COUNT; i++)
        size += snprintf(line + size, sizeof line - (size_t)size, "%s%s=%llu", i ? " " : "",
                         names[i], (unsigned long long)totals[i]);
    fprintf(file, "%s\n", line);
    fclose(file);
}

void totals_add(enum total which, uint64_t n)
{
    static bool is_known;

    if (!is_known && getenv("PROVE_TOTALS"))
        atexit(totals_write);
    is_known = true;
    totals[which] += n;
}

double totals_seconds(void)
{
    const char *text = getenv("PROVE_SECONDS");

    return text ? strtod(text, NULL) : 0;
}

uint64_t totals_seed(uint64_t otherwise)
{
    const char *text = getenv("PROVE_SEED");

    return text ? strtoull(text, NULL, 10) : otherwise;
}

double totals_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
