#include "tests/bench/attack.h"

#include "tests/bench/peer.h"
#include "tests/bench/workloads.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SMALL_RECORDS 100000u /* with fewer records than that everything is made small */
#define SMALL_DIVISOR 20u
#define PING_PAUSE_NS 500000

/* The innocent client. */
struct innocent {
    struct attacker client;
    struct histogram pings; /* nanoseconds */
    sem_t ended;            /* posted when the strike has ended */
    bool is_lost;           /* a ping was not answered */
};

struct attack_result {
    double turn_ms, ping_p99_ms, ping_max_ms, seconds, cpu_ms;
    uint64_t refused;
    char note[128]; /* "": all as it should be */
};

/* Waits for it, but no longer than until the next ping is due. */
static bool strike_has_ended(struct innocent *i)
{
    struct timespec due;

    clock_gettime(CLOCK_REALTIME, &due);
    due.tv_nsec += PING_PAUSE_NS;
    if (due.tv_nsec >= 1000000000) {
        due.tv_nsec -= 1000000000;
        due.tv_sec++;
    }
    return sem_timedwait(&i->ended, &due) == 0;
}

static void *innocent_pings(void *argument)
{
    struct innocent *i = argument;
    while (!strike_has_ended(i)) {
        uint64_t began = now_ns();

        attacker_ask(&i->client, "ping", 0);
        if (!attacker_wait(&i->client) || i->client.refused) {
            i->is_lost = true;
            break;
        }
        histogram_add(&i->pings, now_ns() - began);
    }
    return NULL;
}

double attack_cpu(pid_t pid)
{
    struct timespec now;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &now) != 0)
        return 0;
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool attack_prepare(const struct attack *a, struct attack_run *r)
{
    return attacker_open(&r->main, r->peer) && (!a->prepare || a->prepare(r));
}

static void attack_judge(const struct attack *a, struct attack_run *r, const struct innocent *i,
                         struct attack_result *out)
{
    out->refused = r->main.refused;
    for (unsigned k = 0; k < r->other_count; k++) {
        out->refused += r->others[k].refused;
        if (r->others[k].refused)
            memcpy(r->main.error, r->others[k].error, sizeof r->main.error);
    }
    if (i->is_lost)
        snprintf(out->note, sizeof out->note, "FAILED: the other's ping was not answered");
    else if (out->refused && (!a->error || strcmp(a->error, r->main.error) != 0))
        snprintf(out->note, sizeof out->note, "FAILED: %s", r->main.error);
    else if (out->refused)
        snprintf(out->note, sizeof out->note, "%llu refused: %s",
                 (unsigned long long)out->refused, r->main.error);
}

/* The strike beside the innocent client. */
static bool attack_strike(const struct attack *a, struct attack_run *r, struct innocent *i,
                          struct attack_result *out)
{
    pthread_t thread;
    bool ok;

    r->begun_ns = now_ns();
    if (pthread_create(&thread, NULL, innocent_pings, i) != 0)
        return false;
    ok = a->strike(r);
    out->seconds = (double)(now_ns() - r->begun_ns) / 1e9;
    out->cpu_ms = (attack_cpu(r->peer->pid) - r->begun_cpu) * 1e3;
    sem_post(&i->ended);
    pthread_join(thread, NULL);
    return ok;
}

static bool attack_do(const struct attack *a, struct attack_run *r, struct attack_result *out)
{
    static struct innocent i;
    struct attacker watch;
    bool ok;

    memset(&i, 0, sizeof i);
    sem_init(&i.ended, 0, 0);
    ok = attacker_open(&watch, r->peer) && attacker_open(&i.client, r->peer) &&
         attack_prepare(a, r) && attack_strike(a, r, &i, out);
    if (ok) {
        attack_judge(a, r, &i, out);
        out->turn_ms = (double)attacker_turn_max(&watch) / 1e3;
        out->ping_p99_ms = (double)histogram_at(&i.pings, 0.99) / 1e6;
        out->ping_max_ms = (double)i.pings.max / 1e6;
        ok = out->turn_ms > 0;
    }
    for (unsigned k = 0; k < r->other_count; k++)
        attacker_close(&r->others[k]);
    free(r->others);
    attacker_close(&r->main);
    attacker_close(&i.client);
    attacker_close(&watch);
    sem_destroy(&i.ended);
    return ok;
}

static void attack_row(FILE *to, const struct attack *a, const struct attack_result *best)
{
    fprintf(to, "| %s | %.1f | %.1f | %.1f | %.3f | %.0f | %s |\n", a->name, best->turn_ms,
            best->ping_p99_ms, best->ping_max_ms, best->seconds, best->cpu_ms, best->note);
}

/* Each in a server of its own, as often as asked; the median by its longest turn is told. */
static void attack_run_all(const struct attack *a, struct report *report, struct peer *p,
                           FILE *to)
{
    const struct bench_options *o = report->options;
    struct attack_result results[REPORT_REPEATS_MAX], *median = results;
    double turns[REPORT_REPEATS_MAX], middle;
    unsigned done = 0;

    fprintf(stderr, "bench: %s, %s\n", ATTACK_NAME, a->name);
    for (unsigned i = 0; i < o->repeats; i++) {
        struct attack_run r = {.peer = p, .main.fd = -1};

        r.divisor = o->records < SMALL_RECORDS ? SMALL_DIVISOR : 1;
        memset(&results[done], 0, sizeof *results);
        if (peer_up(p, o) && attack_do(a, &r, &results[done])) {
            turns[done] = results[done].turn_ms;
            done++;
        }
        peer_down(p, true);
        directory_remove(p->directory);
    }
    if (done == 0) {
        fprintf(to, "| %s | – | – | – | – | – | FAILED |\n", a->name);
        report->bad++;
        return;
    }
    middle = median_of(turns, done);
    for (unsigned i = 0; i < done; i++)
        median = results[i].turn_ms == middle ? &results[i] : median;
    attack_row(to, a, median);
    report->bad += strstr(median->note, "FAILED") != NULL || done < o->repeats;
}

void attacks_run(struct report *report)
{
    struct peer *p = peers;
    char *text;
    size_t size;
    FILE *to;

    while (strcmp(p->name, "holdfast") != 0)
        p++;
    if (!peer_is_here(p, report->options))
        return;
    to = open_memstream(&text, &size);
    fprintf(to,
            "### %s: %s\n\n| attack | longest turn ms | another's ping, p99 ms | longest ms | "
            "s | server CPU ms | |\n|---|---|---|---|---|---|---|\n",
            ATTACK_NAME, ATTACK_TITLE);
    for (unsigned i = 0; i < attack_count; i++)
        attack_run_all(&attacks[i], report, p, to);
    fclose(to);
    report_put(report, ATTACK_NAME, text, "", 0, report->options->repeats);
    free(text);
}
