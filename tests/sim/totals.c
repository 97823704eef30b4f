#include "tests/sim/totals.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static uint64_t *totals; /* shared with the processes that are forked; NULL: nobody asks */
static pid_t owner;

/* Once, by the process that has made them. */
static void totals_write(void)
{
    static const char *const names[] = {"images",     "seeds", "transactions", "faults",
                                        "executions", "lost",  "wrong"};
    const char *path = getenv("PROVE_TOTALS");
    FILE *file = path && getpid() == owner ? fopen(path, "a") : NULL;
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

/* Before main, so that whatever forks its tests shares them. */
__attribute__((constructor)) static void totals_begin(void)
{
    void *memory;

    if (!getenv("PROVE_TOTALS"))
        return;
    memory = mmap(NULL, sizeof *totals * TOTAL_COUNT, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    totals = memory;
    owner = getpid();
    atexit(totals_write);
}

void totals_add(enum total which, uint64_t n)
{
    if (totals)
        __atomic_fetch_add(&totals[which], n, __ATOMIC_RELAXED);
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
