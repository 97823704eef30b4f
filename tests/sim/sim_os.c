/* sim_os.c - the simulated machine's chance, clock, memory and faults, and the
 * ends of its lives. */
#include "tests/sim/sim_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_MAGIC UINT64_C(0x486f6c6466617374)
#define MEMORY_FREED UINT64_C(0xdeaddeaddeaddead)
#define MEMORY_FILL_BYTES_MAX 4096
/* Behind each piece stands a mark; AddressSanitizer has a better one of its own,
 * which must then lie right behind the piece. */
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define MEMORY_TAIL_BYTES 0
#define MEMORY_GUARD(head) ASAN_POISON_MEMORY_REGION((head), sizeof *(head))
#define MEMORY_UNGUARD(head) ASAN_UNPOISON_MEMORY_REGION((head), sizeof *(head))
#else
#define MEMORY_TAIL_BYTES sizeof(uint64_t)
#define MEMORY_GUARD(head) ((void)(head))
#define MEMORY_UNGUARD(head) ((void)(head))
#endif
#define CLOCK_START_NS UINT64_C(1000000000)
#define CLOCK_CALL_NS 200
#define CLOCK_DAY_MS UINT64_C(1795737600000) /* 2026-11-27 */

/* Before each piece of the core's memory; the tail mark follows the piece. */
struct memory_head {
    uint64_t size;
    uint64_t magic;
};

static uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

/* xoshiro256** by Blackman and Vigna. */
static uint64_t chance_next(struct sim *sim)
{
    uint64_t *s = sim->chance;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* splitmix64 spreads a small seed over the whole state. */
static void chance_seed(struct sim *sim, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        sim->chance[i] = z ^ (z >> 31);
    }
}

uint64_t sim_random(struct sim *sim, uint64_t bound)
{
    ASSERT(bound > 0);
    return (uint64_t)(((unsigned __int128)chance_next(sim) * bound) >> 64);
}

bool sim_chance(struct sim *sim, unsigned percent)
{
    return sim_random(sim, 100) < percent;
}

void sim_random_fill(struct os *os, void *to, size_t size)
{
    uint8_t *at = to;

    while (size > 0) {
        uint64_t n = chance_next(sim_of(os));
        size_t part = size < sizeof n ? size : sizeof n;

        memcpy(at, &n, part);
        at += part;
        size -= part;
    }
}

uint64_t sim_clock_now(struct os *os)
{
    struct sim *sim = sim_of(os);

    return sim->now_ns += sim->knobs.clock_ns;
}

uint64_t sim_clock_day(struct os *os)
{
    return CLOCK_DAY_MS + sim_of(os)->now_ns / 1000000;
}

void sim_advance_ms(struct sim *sim, uint64_t ms)
{
    sim->now_ns += ms * 1000000;
}

void *sim_malloc(size_t size)
{
    void *memory = malloc(size ? size : 1);

    ASSERT(memory);
    return memory;
}

/* Real malloc, so that the sanitizers watch each piece; filled, so that who
 * counts on zeros or on freed bytes is found without them too. */
void *sim_memory_alloc(struct os *os, size_t size)
{
    struct sim *sim = sim_of(os);
    struct memory_head *head;
    uint64_t tail = MEMORY_MAGIC;
    uint8_t *piece;

    sim->alloc_calls++;
    if (sim_fault_due(sim, SIM_FAULT_ALLOC, NULL))
        return NULL;
    head = sim_malloc(sizeof *head + size + MEMORY_TAIL_BYTES);
    head->size = size;
    head->magic = MEMORY_MAGIC;
    piece = (uint8_t *)(head + 1);
    memset(piece, 0xa5, size < MEMORY_FILL_BYTES_MAX ? size : MEMORY_FILL_BYTES_MAX);
    memcpy(piece + size, &tail, MEMORY_TAIL_BYTES);
    MEMORY_GUARD(head);
    sim->alloc_bytes += size;
    sim->alloc_pieces++;
    return piece;
}

void sim_memory_free(struct os *os, void *memory, size_t size)
{
    struct sim *sim = sim_of(os);
    struct memory_head *head;
    uint64_t tail = MEMORY_MAGIC;

    if (!memory)
        return;
    head = (struct memory_head *)memory - 1;
    MEMORY_UNGUARD(head);
    ASSERT(head->magic == MEMORY_MAGIC);
    ASSERT(head->size == size);
    memcpy(&tail, (uint8_t *)memory + size, MEMORY_TAIL_BYTES);
    ASSERT(tail == MEMORY_MAGIC);
    ASSERT(sim->alloc_bytes >= size && sim->alloc_pieces > 0);
    sim->alloc_bytes -= size;
    sim->alloc_pieces--;
    head->magic = MEMORY_FREED;
    memset(memory, 0xdd, size < MEMORY_FILL_BYTES_MAX ? size : MEMORY_FILL_BYTES_MAX);
    free(head);
}

uint64_t sim_alloc_outstanding(const struct sim *sim)
{
    return sim->alloc_bytes;
}

uint64_t sim_alloc_pieces(const struct sim *sim)
{
    return sim->alloc_pieces;
}

uint64_t sim_alloc_calls(const struct sim *sim)
{
    return sim->alloc_calls;
}

void sim_trace(struct sim *sim, const char *format, ...)
{
    va_list arguments;

    if (!sim->knobs.trace)
        return;
    va_start(arguments, format);
    fprintf(stderr, "sim %" PRIu64 ": ", sim->changes);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

bool sim_fault_due(struct sim *sim, enum sim_fault fault, const char *path)
{
    struct sim_fault_state *state = &sim->faults[fault];

    if (state->countdown == 0)
        return false;
    if (path && strncmp(path, sim->fault_path, strlen(sim->fault_path)) != 0)
        return false;
    if (state->countdown > 1) {
        state->countdown--;
        return false;
    }
    if (!state->stays)
        state->countdown = 0;
    state->fired++;
    totals_add(TOTAL_FAULTS, 1);
    sim_trace(sim, "fault %d %s", (int)fault, path ? path : "");
    return true;
}

void sim_fail_at(struct sim *sim, enum sim_fault fault, uint64_t n)
{
    sim->faults[fault] = (struct sim_fault_state){.countdown = n};
}

void sim_fail_from(struct sim *sim, enum sim_fault fault, uint64_t n)
{
    sim->faults[fault] = (struct sim_fault_state){.countdown = n, .stays = true};
}

void sim_fail_only(struct sim *sim, const char *path_beginning)
{
    const char *path = path_beginning ? path_beginning : "";

    ASSERT(strlen(path) < sizeof sim->fault_path);
    memcpy(sim->fault_path, path, strlen(path) + 1);
}

uint64_t sim_fault_fired(const struct sim *sim, enum sim_fault fault)
{
    return sim->faults[fault].fired;
}

/* What has fired stays readable, so that a test may ask after a crash. */
void sim_fail_clear(struct sim *sim)
{
    for (int i = 0; i < SIM_FAULT_COUNT; i++)
        sim->faults[i].countdown = 0;
    sim_fail_only(sim, NULL);
}

enum err sim_change_begin(struct sim *sim)
{
    if (sim->off)
        return ERR_IO;
    if (sim->off_in != SIM_LIMIT_NONE && --sim->off_in == 0) {
        sim_trace(sim, "the power goes off");
        sim->off = true;
        return ERR_IO;
    }
    sim->changes++;
    return ERR_OK;
}

void sim_power_off_after(struct sim *sim, uint64_t operations)
{
    sim->off_in = operations ? operations : SIM_LIMIT_NONE;
    if (operations == 0)
        sim->off = true;
}

bool sim_is_off(const struct sim *sim)
{
    return sim->off;
}

uint64_t sim_changes(const struct sim *sim)
{
    return sim->changes;
}

void sim_set_disk_limit(struct sim *sim, uint64_t bytes)
{
    sim->disk_limit = bytes;
}

uint64_t sim_disk_used(const struct sim *sim)
{
    uint64_t sectors = 0;

    LIST_EACH (link, &sim->nodes) {
        const struct sim_node *node = LIST_ENTRY(link, struct sim_node, in_sim);

        if (node->names > 0 || node->handles > 0)
            sectors += node->sectors;
    }
    return sectors * SIM_SECTOR_BYTES;
}

struct sim *sim_new(uint64_t seed)
{
    struct sim *sim = sim_malloc(sizeof *sim);

    *sim = (struct sim){
        .os.ops = &sim_ops,
        .knobs = {.wait_percent = 50,
                  .survive_percent = -1,
                  .torn_percent = 2,
                  .lane_width = {[OS_LANE_LOG] = 8,
                                 [OS_LANE_MERGE] = 1,
                                 [OS_LANE_READ] = 4,
                                 [OS_LANE_PREPARE] = 1},
                  .preempt_percent = 30,
                  .clock_ns = CLOCK_CALL_NS,
                  .refused_percent = -1,
                  .trace = getenv("SIM_TRACE") != NULL},
        .seed = seed,
        .now_ns = CLOCK_START_NS,
        .disk_limit = SIM_LIMIT_NONE,
        .off_in = SIM_LIMIT_NONE,
    };
    chance_seed(sim, seed);
    list_init(&sim->nodes);
    list_init(&sim->files);
    sim_jobs_init(sim);
    list_init(&sim->fibers);
    sim->root = sim_node_new(sim, true);
    sim->root->names = 1;
    return sim;
}

void sim_free(struct sim *sim)
{
    if (!sim)
        return;
    sim_jobs_fini(sim);
    sim_files_make_stale(sim);
    LIST_EACH_SAFE (link, &sim->files) {
        list_remove(link);
        free(LIST_ENTRY(link, struct os_file, in_sim));
    }
    sim_node_unref(sim->root);
    ASSERT(list_is_empty(&sim->nodes));
    free(sim);
}

struct os *sim_table(struct sim *sim)
{
    return &sim->os;
}

struct sim_knobs *sim_knobs(struct sim *sim)
{
    return &sim->knobs;
}

/* What ends with the process: its jobs, its files and locks. */
static void life_end(struct sim *sim)
{
    sim_fail_clear(sim);
    sim_jobs_unwind(sim);
    sim_jobs_forget(sim);
    sim_files_make_stale(sim);
    sim->off_in = SIM_LIMIT_NONE;
    sim->is_image = true;
}

void sim_crash(struct sim *sim)
{
    sim_trace(sim, "crash");
    ASSERT(!sim->fiber);
    life_end(sim);
    sim_tree_crash(sim->root);
    LIST_EACH (link, &sim->nodes) {
        struct sim_node *node = LIST_ENTRY(link, struct sim_node, in_sim);

        if (!node->is_directory)
            sim_node_crash(node);
    }
    sim->off = false;
}

void sim_forget(struct sim *sim)
{
    sim_trace(sim, "forget");
    LIST_EACH (link, &sim->nodes) {
        struct sim_node *node = LIST_ENTRY(link, struct sim_node, in_sim);

        if (!node->is_directory)
            sim_node_forget(node);
    }
}

void sim_kill(struct sim *sim)
{
    sim_trace(sim, "kill");
    ASSERT(!sim->fiber);
    ASSERT(!sim->off); /* after a power cut only sim_crash makes sense */
    life_end(sim);
}
