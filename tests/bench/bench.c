/* bench - Holdfast beside its rivals, on one machine, in one call.
 *
 * Starts the peers that are wanted and here, loads each with the same records, and
 * runs each workload on one after another, as often as asked, so that a slow moment
 * of the machine falls on all. Prints a table for each workload. */
#include "tests/bench/attack.h"
#include "tests/bench/client.h"
#include "tests/bench/guard.h"
#include "tests/bench/long.h"
#include "tests/bench/peer.h"
#include "tests/bench/report.h"
#include "tests/bench/workloads.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_wanted(const struct bench_options *o, const char *name, bool only_full)
{
    if (o->only)
        return is_listed(o->only, name);
    return o->full || !only_full;
}

static bool workload_is_wanted(const struct bench_options *o, const struct workload *w)
{
    return is_wanted(o, w->name, w->only_full);
}

/* A table's place in a page: that of its workload in the lists. */
static unsigned table_order(const char *name)
{
    for (unsigned i = 0; i < workload_count; i++) {
        if (strcmp(workloads[i].name, name) == 0)
            return i;
    }
    for (unsigned i = 0; i < long_count; i++) {
        if (strcmp(long_workloads[i].name, name) == 0)
            return workload_count + i;
    }
    return workload_count + long_count + (strcmp(name, ATTACK_NAME) != 0);
}

static bool takes_part(const struct bench_options *o, const struct peer *p)
{
    if (!is_listed(o->peers, p->name))
        return false;
    for (unsigned w = 0; w < workload_count; w++) {
        if (workload_is_wanted(o, &workloads[w]) && workload_suits(&workloads[w], p))
            return true;
    }
    return false;
}

static bool guest_takes_part(const struct bench_options *o, const struct peer *host)
{
    for (unsigned i = 0; i < peer_count; i++) {
        if (peers[i].host && strcmp(peers[i].host, host->name) == 0 && takes_part(o, &peers[i]))
            return true;
    }
    return false;
}

static uint64_t indexed_records(const struct bench_options *o)
{
    return o->records < BENCH_INDEXED_RECORDS ? o->records : BENCH_INDEXED_RECORDS;
}

/* Make and fill the stores of the index workloads, if any is wanted. */
static void prepare_indexes(struct peer *p, const struct bench_options *o)
{
    static const unsigned stores[] = {0, 1, 4, INDEXED_BY_FIRST};
    static struct measure m;
    bool wanted = false;

    for (unsigned w = 0; w < workload_count; w++)
        wanted = wanted || (workload_is_wanted(o, &workloads[w]) &&
                            (workloads[w].serves & p->serves & BENCH_SERVES_INDEXES));
    if (!wanted)
        return;
    if (p->driver->prepare && !p->driver->prepare(p)) {
        fprintf(stderr, "bench: %s: cannot make the stores with indexes\n", p->name);
        p->is_lost = true;
        return;
    }
    for (unsigned i = 0; i < sizeof stores / sizeof *stores; i++) {
        struct run_spec spec = {.durability = UNSYNCED,
                                .connections = 16,
                                .depth = 4,
                                .order = KEYS_SHUFFLED,
                                .indexes = stores[i],
                                .mix = {[OP_INDEX_PUT] = 100},
                                .inserts = &p->inserts};

        spec.records = spec.load_count = indexed_records(o);
        peer_run(p, &spec, &m);
    }
    if (p->driver->compact)
        p->driver->compact(p);
}

/* Start and load everybody who takes part in anything; who does not start is told of. */
static void open_peers(struct report *r)
{
    const struct bench_options *o = r->options;
    static struct measure m;

    for (unsigned i = 0; i < peer_count; i++) {
        struct peer *p = &peers[i];
        double seconds;

        if (!p->driver->available() || (!takes_part(o, p) && !guest_takes_part(o, p)))
            continue;
        if (!peer_up(p, o)) {
            printf("%s FAILED to start: left out.\n", p->name);
            r->bad++;
            continue;
        }
        if (p->host)
            continue;
        seconds = peer_load(p, o->records, KEYS_SHUFFLED, &m);
        if (p->driver->compact)
            p->driver->compact(p);
        fprintf(stderr, "bench: %s: %llu records loaded in %.2f s\n", p->name,
                (unsigned long long)m.rows, seconds);
        prepare_indexes(p, o);
    }
}

static void close_peers(void)
{
    for (unsigned i = 0; i < peer_count; i++) {
        struct peer *p = &peers[i];
        bool was_up = p->is_up && !p->host;

        peer_down(p, false);
        if (was_up)
            directory_remove(p->directory);
    }
}

static void run_cell(const struct workload *w, const struct bench_options *o, struct peer *p,
                     unsigned repeat, struct result *result)
{
    static struct measure m;
    struct run_spec spec;

    if (!p->is_up || p->is_lost || !is_listed(o->peers, p->name) || !workload_suits(w, p))
        return;
    workload_spec(w, p, &spec);
    spec.records = w->serves == BENCH_SERVES_INDEXES ? indexed_records(o) : o->records;
    spec.seconds = o->seconds;
    spec.seed = repeat + 1;
    spec.inserts = &p->inserts;
    peer_run(p, &spec, &m);
    result_add(result, &m);
}

/* Every other repetition goes round the other way, so that nobody is always behind the
 * same neighbour and what that one still has to do. */
static void run_workload(const struct workload *w, struct report *r)
{
    const struct bench_options *o = r->options;
    struct result *results = calloc(peer_count, sizeof *results);

    for (unsigned i = 0; i < peer_count; i++) {
        results[i].peer = &peers[i];
        results[i].is_rows = w->mix[OP_FULL] != 0;
    }
    for (unsigned repeat = 0; repeat < o->repeats; repeat++) {
        for (unsigned k = 0; k < peer_count; k++) {
            unsigned i = repeat % 2 ? peer_count - 1 - k : k;

            run_cell(w, o, &peers[i], repeat, &results[i]);
        }
    }
    report_table(r, w->name, w->title, results, peer_count);
    free(results);
}

static void list_all(void)
{
    for (unsigned i = 0; i < workload_count; i++)
        printf("%-22s %s%s\n", workloads[i].name, workloads[i].title,
               workloads[i].only_full ? " (full form)" : "");
    for (unsigned i = 0; i < long_count; i++)
        printf("%-22s %s%s\n", long_workloads[i].name, long_workloads[i].title,
               long_workloads[i].only_full ? " (full form)" : "");
    printf("%-22s %s\n", ATTACK_NAME, ATTACK_TITLE);
    for (unsigned i = 0; i < peer_count; i++)
        printf("%-22s %s%s\n", peers[i].name, peers[i].driver->available() ? "" : "(not here) ",
               peers[i].config);
}

static void say_who_is_missing(const struct bench_options *o)
{
    for (unsigned i = 0; i < peer_count; i++) {
        if (is_listed(o->peers, peers[i].name) && !peers[i].driver->available())
            printf("%s is not installed here: left out.\n", peers[i].name);
    }
}

/* 0: all that was measured can be trusted. */
static int bench_work(void *context)
{
    struct report *r = context;
    const struct bench_options *o = r->options;

    signal(SIGPIPE, SIG_IGN);
    report_machine(stdout, o);
    say_who_is_missing(o);
    open_peers(r);
    for (unsigned i = 0; i < workload_count; i++) {
        if (workload_is_wanted(o, &workloads[i]))
            run_workload(&workloads[i], r);
    }
    close_peers();
    for (unsigned i = 0; i < long_count; i++) {
        if (is_wanted(o, long_workloads[i].name, long_workloads[i].only_full))
            long_run(&long_workloads[i], r);
    }
    if (is_wanted(o, ATTACK_NAME, false))
        attacks_run(r);
    markdown_free(r->page);
    if (r->bad)
        fprintf(stderr, "bench: %u cells are not to be trusted\n", r->bad);
    return r->bad ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct bench_options o;
    struct report report = {.options = &o};

    if (!bench_options_parse(argc, argv, &o))
        return 1;
    if (o.list) {
        list_all();
        return 0;
    }
    directory_remove(o.directory);
    if (!directory_make(o.directory, NULL) || chmod(o.directory, 0755) != 0) {
        fprintf(stderr, "bench: %s cannot be made; give another with --dir\n", o.directory);
        return 1;
    }
    if (o.markdown && !(report.page = markdown_open(o.markdown, table_order)))
        return 1;
    return guard_run(bench_work, &report, o.keep ? NULL : o.directory);
}
