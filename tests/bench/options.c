#include "tests/bench/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static void print_help(void)
{
    printf("bench - Holdfast beside its rivals\n\n"
           "  --full              every workload, not only the short form\n"
           "  --only NAMES        workloads or their groups: W1,W3z-two,Y-A (see --list)\n"
           "  --peers NAMES       holdfast,core,redis,tarantool,postgres,lmdb,rocksdb\n"
           "  --seconds S         of each run (0.6; with --full 1)\n"
           "  --repeat N          runs of each cell (3)\n"
           "  --records N         (1000000)\n"
           "  --many N            records of the long workloads (10000000)\n"
           "  --minutes M         of random writes in W6 (10)\n"
           "  --rival-minutes M   of the others' random writes there (2)\n"
           "  --dir DIRECTORY     for the peers' data; removed first (build/bench)\n"
           "  --keep              leave it there\n"
           "  --markdown FILE     bring the tables of that page up to date; its prose and\n"
           "                      the tables that are not measured stay\n"
           "  --list              what there is\n\n"
           "The environment's HOLDFASTD names the daemon (build/release/holdfastd).\n"
           "Ends with 1 if any cell is not to be trusted (FAILED or MISSING).\n");
}

static const struct option flags[] = {
    {"only", required_argument, NULL, 'o'},
    {"peers", required_argument, NULL, 'p'},
    {"seconds", required_argument, NULL, 's'},
    {"repeat", required_argument, NULL, 'r'},
    {"records", required_argument, NULL, 'n'},
    {"many", required_argument, NULL, 'm'},
    {"minutes", required_argument, NULL, 't'},
    {"rival-minutes", required_argument, NULL, 'v'},
    {"dir", required_argument, NULL, 'd'},
    {"keep", no_argument, NULL, 'k'},
    {"markdown", required_argument, NULL, 'w'},
    {"list", no_argument, NULL, 'l'},
    {"full", no_argument, NULL, 'f'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static bool options_are_sane(const struct bench_options *o)
{
    return o->seconds > 0 && o->repeats >= 1 && o->repeats <= 16 && o->records >= 1000 &&
           o->many >= 10000 && o->minutes > 0 && o->rival_minutes > 0;
}

bool bench_options_parse(int argc, char **argv, struct bench_options *out)
{
    int flag;

    *out = (struct bench_options){.directory = "build/bench",
                                  .repeats = 3,
                                  .records = 1000000,
                                  .many = 10000000,
                                  .minutes = 10,
                                  .rival_minutes = 2};
    while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
        switch (flag) {
        case 'o': out->only = optarg; break;
        case 'p': out->peers = optarg; break;
        case 's': out->seconds = atof(optarg); break;
        case 'r': out->repeats = (unsigned)atoi(optarg); break;
        case 'n': out->records = strtoull(optarg, NULL, 10); break;
        case 'm': out->many = strtoull(optarg, NULL, 10); break;
        case 't': out->minutes = atof(optarg); break;
        case 'v': out->rival_minutes = atof(optarg); break;
        case 'f': out->full = true; break;
        case 'd': out->directory = optarg; break;
        case 'k': out->keep = true; break;
        case 'w': out->markdown = optarg; break;
        case 'l': out->list = true; break;
        case 'h': print_help(); return false;
        default: return false;
        }
    }
    if (out->seconds == 0)
        out->seconds = out->full ? 1 : 0.6;
    if (optind < argc || !options_are_sane(out)) {
        fprintf(stderr, "bench: seconds and minutes over 0, 1 to 16 repeats, 1000 records or "
                        "more, 10000 for --many; see --help\n");
        return false;
    }
    return true;
}
