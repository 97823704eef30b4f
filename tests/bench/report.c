#include "tests/bench/report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

void result_add(struct result *r, const struct measure *m, bool is_rows)
{
    double done = is_rows ? (double)m->rows : (double)m->ops;

    if (r->repeats < REPORT_REPEATS_MAX && m->seconds > 0)
        r->rates[r->repeats++] = done / m->seconds;
    measure_merge(&r->sum, m);
    r->sum.server_cpu += m->server_cpu;
    r->sum.client_cpu += m->client_cpu;
}

static int rate_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double result_median(const struct result *r)
{
    double sorted[REPORT_REPEATS_MAX];

    if (r->repeats == 0)
        return 0;
    memcpy(sorted, r->rates, sizeof sorted);
    qsort(sorted, r->repeats, sizeof *sorted, rate_order);
    if (r->repeats % 2)
        return sorted[r->repeats / 2];
    return (sorted[r->repeats / 2] + sorted[r->repeats / 2 - 1]) / 2;
}

const char *report_number(double n, char room[32])
{
    if (n >= 1e6)
        snprintf(room, 32, "%.2fM", n / 1e6);
    else if (n >= 1e5)
        snprintf(room, 32, "%.0fk", n / 1e3);
    else if (n >= 1e4)
        snprintf(room, 32, "%.1fk", n / 1e3);
    else
        snprintf(room, 32, "%.0f", n);
    return room;
}

static const char *time_text(uint64_t ns, char room[32])
{
    if (ns >= 10000000)
        snprintf(room, 32, "%.1f ms", (double)ns / 1e6);
    else if (ns >= 1000000)
        snprintf(room, 32, "%.2f ms", (double)ns / 1e6);
    else
        snprintf(room, 32, "%.3g µs", (double)ns / 1e3);
    return room;
}

static bool is_ours(const struct peer *p)
{
    return p->driver == &driver_holdfast || p->driver == &driver_core;
}

/* The best of the others that are run the same way: over a socket, or in process. */
static double best_rival(const struct result *results, unsigned count, const struct peer *p)
{
    double best = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct peer *o = results[i].peer;
        double median = result_median(&results[i]);

        if (!is_ours(o) && !o->driver->run == !p->driver->run && median > best)
            best = median;
    }
    return best;
}

static void report_row(FILE *to, struct result *r, double best)
{
    char a[32], b[32], c[32], d[32], e[32], ratio[32] = "–", client[32] = "–";
    double least = r->rates[0], most = r->rates[0];
    uint64_t all = r->sum.ops + r->sum.refused;

    for (unsigned i = 1; i < r->repeats; i++) {
        least = r->rates[i] < least ? r->rates[i] : least;
        most = r->rates[i] > most ? r->rates[i] : most;
    }
    if (best > 0)
        snprintf(ratio, sizeof ratio, "%.2f", result_median(r) / best);
    if (all == 0)
        all = 1;
    if (!r->peer->driver->run)
        snprintf(client, sizeof client, "%.2f", r->sum.client_cpu * 1e6 / (double)all);
    fprintf(to, "| %s%s%s | %s | %s–%s | %s | %s / %s | %.2f | %s | %.1f |%s\n",
            is_ours(r->peer) ? "**" : "", r->peer->name, is_ours(r->peer) ? "**" : "",
            report_number(result_median(r), a), report_number(least, b), report_number(most, c),
            ratio, time_text(histogram_at(&r->sum.latency, 0.5), d),
            time_text(histogram_at(&r->sum.latency, 0.99), e),
            r->sum.server_cpu * 1e6 / (double)all, client,
            100.0 * (double)r->sum.refused / (double)all,
            r->sum.failed    ? " FAILED"
            : r->sum.missing ? " MISSING"
                             : "");
}

void report_table(FILE *to, const char *name, const char *title, struct result *results,
                  unsigned count)
{
    fprintf(to, "\n%s: %s\n\n", name, title);
    fprintf(to, "| peer | per second | range | of best rival | p50 / p99 | server CPU µs | "
                "client CPU µs | refused, %% |\n|---|---|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < count; i++) {
        if (results[i].repeats > 0)
            report_row(to, &results[i], best_rival(results, count, results[i].peer));
    }
    fflush(to);
}

void report_machine(FILE *to, unsigned repeats, double seconds, uint64_t records)
{
    char when[64], cpu[256] = "", number[32];
    time_t now = time(NULL);
    struct utsname u;
    FILE *f = fopen("/proc/cpuinfo", "r");

    while (f && fgets(cpu, sizeof cpu, f) && strncmp(cpu, "model name", 10) != 0)
        cpu[0] = 0;
    if (f)
        fclose(f);
    cpu[strcspn(cpu, "\n")] = 0;
    uname(&u);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", gmtime(&now));
    fprintf(to,
            "Measured on %s: %ld cores (%s), %s %s. %s records of 16 + 100 bytes; cells are "
            "medians of %u runs of %.1f s, peers interleaved in each repetition.\n",
            when, sysconf(_SC_NPROCESSORS_ONLN), cpu[0] ? strchr(cpu, ':') + 2 : "unknown",
            u.sysname, u.release, report_number((double)records, number), repeats, seconds);
}
