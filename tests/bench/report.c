#include "tests/bench/report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* A run that has done nothing has no rate. */
void result_add(struct result *r, const struct measure *m)
{
    double done = r->is_rows ? (double)m->rows : (double)m->ops;

    r->runs++;
    if (r->repeats < REPORT_REPEATS_MAX && m->seconds > 0 && done > 0)
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

double median_of(const double *values, unsigned count)
{
    double sorted[REPORT_REPEATS_MAX];

    if (count == 0)
        return 0;
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, rate_order);
    if (count % 2)
        return sorted[count / 2];
    return (sorted[count / 2] + sorted[count / 2 - 1]) / 2;
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

bool is_ours(const struct peer *p)
{
    return p->driver == &driver_holdfast || p->driver == &driver_core;
}

/* The best of the others that are run the same way: over a socket, or in process. */
static double best_rival(const struct result *results, unsigned count, const struct peer *p)
{
    double best = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct peer *o = results[i].peer;
        double median = median_of(results[i].rates, results[i].repeats);

        if (!is_ours(o) && !o->driver->run == !p->driver->run && median > best)
            best = median;
    }
    return best;
}

static const char *latency_text(const struct result *r, char room[96])
{
    char p50[32], p99[32];

    if (r->sum.latency.count == 0)
        return "–";
    snprintf(room, 96, "%s / %s", time_text(histogram_at(&r->sum.latency, 0.5), p50),
             time_text(histogram_at(&r->sum.latency, 0.99), p99));
    return room;
}

static const char *trouble(const struct result *r)
{
    if (r->sum.failed)
        return " FAILED";
    if (r->sum.missing)
        return " MISSING";
    return r->repeats == 0 ? " nothing was done in the time" : "";
}

static void report_row(FILE *to, const struct result *r, double best)
{
    char a[32], b[32], c[32], latency[96], ratio[32] = "–", client[32] = "–";
    double least = r->rates[0], most = r->rates[0], median = median_of(r->rates, r->repeats);
    uint64_t all = r->sum.ops + r->sum.refused, costly = r->is_rows ? r->sum.rows : all;
    const char *mark = is_ours(r->peer) ? "**" : "";

    for (unsigned i = 1; i < r->repeats; i++) {
        least = r->rates[i] < least ? r->rates[i] : least;
        most = r->rates[i] > most ? r->rates[i] : most;
    }
    if (best > 0)
        snprintf(ratio, sizeof ratio, "%.2f", median / best);
    all += all == 0;
    costly += costly == 0;
    if (!r->peer->driver->run)
        snprintf(client, sizeof client, "%.2f", r->sum.client_cpu * 1e6 / (double)costly);
    fprintf(to, "| %s%s%s | %s | %s–%s | %s | %s | %.2f | %s | %.1f |%s\n", mark, r->peer->name,
            mark, report_number(median, a), report_number(least, b), report_number(most, c),
            ratio, latency_text(r, latency), r->sum.server_cpu * 1e6 / (double)costly, client,
            100.0 * (double)r->sum.refused / (double)all, trouble(r));
}

void report_table(struct report *r, const char *name, const char *title, struct result *results,
                  unsigned count)
{
    char *text, each[32];
    size_t size;
    FILE *to = open_memstream(&text, &size);

    fprintf(to, "### %s: %s\n\n", name, title);
    fprintf(to, "| peer | per second | range | of best rival | p50 / p99 | server CPU µs | "
                "client CPU µs | refused, %% |\n|---|---|---|---|---|---|---|---|\n");
    for (unsigned i = 0; i < count; i++) {
        if (results[i].runs > 0)
            report_row(to, &results[i], best_rival(results, count, results[i].peer));
        r->bad += results[i].sum.failed || results[i].sum.missing;
    }
    fclose(to);
    snprintf(each, sizeof each, " of %.1f s", r->options->seconds);
    report_put(r, name, text, each, r->options->records, r->options->repeats);
    free(text);
}

static void put_when(FILE *to)
{
    char when[64];
    time_t now = time(NULL);

    strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", gmtime(&now));
    fputs(when, to);
}

void report_put(struct report *r, const char *name, const char *text, const char *each,
                uint64_t records, unsigned repeats)
{
    char *whole, number[32];
    size_t size;
    FILE *to = open_memstream(&whole, &size);

    fprintf(to, "%s\n*", text);
    put_when(to);
    fprintf(to, "; %u %s%s; %s records*\n", repeats, repeats == 1 ? "run" : "runs", each,
            report_number((double)records, number));
    fclose(to);
    printf("\n%s", whole);
    fflush(stdout);
    if (r->page) {
        markdown_put(r->page, name, whole);
        markdown_write(r->page);
    }
    free(whole);
}

void report_machine(FILE *to, const struct bench_options *o)
{
    char cpu[256] = "", number[32];
    struct utsname u;
    FILE *f = fopen("/proc/cpuinfo", "r");

    while (f && fgets(cpu, sizeof cpu, f) && strncmp(cpu, "model name", 10) != 0)
        cpu[0] = 0;
    if (f)
        fclose(f);
    cpu[strcspn(cpu, "\n")] = 0;
    uname(&u);
    put_when(to);
    fprintf(
        to,
        ": %ld cores (%s), %s %s. %s records of 16 + 100 bytes; cells of W1 to W4 and Y are "
        "medians of %u runs of %.1f s, peers interleaved in each repetition.\n",
        sysconf(_SC_NPROCESSORS_ONLN), cpu[0] ? strchr(cpu, ':') + 2 : "unknown", u.sysname,
        u.release, report_number((double)o->records, number), o->repeats, o->seconds);
}
