#include "tests/bench/long.h"

void long_run(const struct bench_options *o, FILE *markdown)
{
    (void)o;
    (void)markdown;
}

void long_list(void)
{
}
