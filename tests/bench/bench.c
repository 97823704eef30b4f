/* bench - Holdfast beside its rivals, on one machine, in one call.
 *
 * Starts the peers that are wanted and here, loads each with the same records, and
 * runs each workload on one after another, as often as asked, so that a slow moment
 * of the machine falls on all. Prints a table for each workload. */
#include "tests/bench/client.h"
#include "tests/bench/long.h"
#include "tests/bench/peer.h"
#include "tests/bench/report.h"
#include "tests/bench/workloads.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_wanted(const struct bench_options *o, const struct workload *w)
{
    if (o->only)
        return is_listed(o->only, w->name);
    return o->full || !w->only_full;
}

/* Start and load everybody who takes part in anything. */
static void open_peers(const struct bench_options *o)
{
    static struct measure m;

    for (unsigned i = 0; i < peer_count; i++) {
        struct peer *p = &peers[i];
        bool wanted = false;
        double seconds;

        for (unsigned w = 0; w < workload_count; w++)
            wanted |= is_wanted(o, &workloads[w]) && workload_suits(&workloads[w], p);
        if (!wanted || !is_listed(o->peers, p->name))
            continue;
        if (!p->driver->available()) {
            fprintf(stderr, "bench: %s is not installed here: left out\n", p->name);
            continue;
        }
        if (!peer_up(p, o))
            continue;
        seconds = peer_load(p, o->records, KEYS_SHUFFLED, &m);
        if (p->driver->compact)
            p->driver->compact(p);
        fprintf(stderr, "bench: %s: %llu records loaded in %.2f s\n", p->name,
                (unsigned long long)m.rows, seconds);
    }
}

static void run_workload(const struct bench_options *o, const struct workload *w,
                         FILE *markdown)
{
    struct result *results = calloc(peer_count, sizeof *results);
    static struct measure m;

    for (unsigned repeat = 0; repeat < o->repeats; repeat++) {
        for (unsigned i = 0; i < peer_count; i++) {
            struct run_spec spec;

            if (!peers[i].is_up || !workload_suits(w, &peers[i]))
                continue;
            workload_spec(w, &peers[i], &spec);
            spec.records = o->records;
            spec.seconds = o->seconds;
            spec.seed = repeat + 1;
            spec.inserts = &peers[i].inserts;
            peer_run(&peers[i], &spec, &m);
            results[i].peer = &peers[i];
            result_add(&results[i], &m, w->mix[OP_FULL] != 0);
        }
    }
    for (unsigned i = 0; i < peer_count; i++)
        results[i].peer = &peers[i];
    report_table(stdout, w->name, w->title, results, peer_count);
    if (markdown)
        report_table(markdown, w->name, w->title, results, peer_count);
    free(results);
}

static void list_all(void)
{
    for (unsigned i = 0; i < workload_count; i++)
        printf("%-20s %s%s\n", workloads[i].name, workloads[i].title,
               workloads[i].only_full ? " (full form)" : "");
    long_list();
    for (unsigned i = 0; i < peer_count; i++)
        printf("%-20s %s%s\n", peers[i].name, peers[i].driver->available() ? "" : "(not here) ",
               peers[i].config);
}

int main(int argc, char **argv)
{
    struct bench_options o;
    FILE *markdown = NULL;

    if (!bench_options_parse(argc, argv, &o))
        return 1;
    if (o.list) {
        list_all();
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    directory_remove(o.directory);
    if (!directory_make(o.directory, NULL) || chmod(o.directory, 0755) != 0) {
        fprintf(stderr, "bench: %s cannot be made; give another with --dir\n", o.directory);
        return 1;
    }
    if (o.markdown)
        markdown = fopen(o.markdown, "w");
    report_machine(stdout, o.repeats, o.seconds, o.records);
    if (markdown)
        report_machine(markdown, o.repeats, o.seconds, o.records);
    open_peers(&o);
    for (unsigned i = 0; i < workload_count; i++) {
        if (is_wanted(&o, &workloads[i]))
            run_workload(&o, &workloads[i], markdown);
    }
    for (unsigned i = 0; i < peer_count; i++)
        peer_down(&peers[i], false);
    long_run(&o, markdown);
    if (markdown)
        fclose(markdown);
    if (!o.keep)
        directory_remove(o.directory);
    return 0;
}
