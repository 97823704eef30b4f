/* fuzz.h - what every fuzz target has, and a driver for compilers without libFuzzer.
 *
 * A target is one file with LLVMFuzzerTestOneInput and fuzz_seed. With clang it is
 * linked with -fsanitize=fuzzer; with -DFUZZ_STANDALONE this header brings a main()
 * that mutates the seeds at random: `fuzz_x RUNS [SEED [FILE...]]`, after the files, which are
 * inputs that were worth keeping (tests/fuzz/corpus). Both link libsim (for the
 * values and models of tests/unit), libcore, libproto, and what the unit tests link.
 * The name of a file as the first argument runs that input alone. An input that ends the
 * program is kept beside it, in fuzz_x.finding, or in the directory PROVE_KEEP. With
 * PROVE_SECONDS the runs end after that time. */
#ifndef HOLDFAST_TESTS_FUZZ_H
#define HOLDFAST_TESTS_FUZZ_H

#include "tests/sim/totals.h"
#include "tests/unit/values.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Append an input worth mutating, another one for each state of the dice. */
void fuzz_seed(struct dice *d, struct buffer *out);

/* A target whose runs take long makes only one in so many of those that are asked for. */
#ifndef FUZZ_SHARE
#define FUZZ_SHARE 1
#endif

/* A fact that no input may falsify. */
#define FUZZ_CHECK(fact)                                                              \
    ((fact) ? (void)0                                                                 \
            : (fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #fact), abort()))

#ifdef FUZZ_STANDALONE

/* Some damage: bits, bytes, pieces removed, doubled, moved, numbers at their edges. */
static void fuzz_mutate(struct dice *d, struct buffer *b)
{
    static const uint8_t edges[] = {0x00, 0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                    0xc0, 0xc1, 0xc4, 0xc7, 0xcb, 0xcf, 0xd3, 0xd9, 0xdc,
                                    0xdd, 0xde, 0xdf, 0xe0, 0xfe, 0xff};

    for (uint64_t n = dice_below(d, 6); n > 0 && b->size > 0; n--) {
        size_t at = dice_below(d, b->size);
        size_t run = 1 + dice_below(d, dice_below(d, 4) ? 4 : b->size);

        if (run > b->size - at)
            run = b->size - at;
        switch (dice_below(d, 6)) {
        case 0: b->data[at] ^= (uint8_t)(1 << dice_below(d, 8)); break;
        case 1: b->data[at] = (uint8_t)dice_next(d); break;
        case 2: b->data[at] = edges[dice_below(d, sizeof edges)]; break;
        case 3:
            memmove(b->data + at, b->data + at + run, b->size - at - run);
            b->size -= run;
            break;
        case 4: {
            uint8_t *copy = exact_copy(slice_make(b->data + at, run));

            buffer_put(b, copy, run);
            free(copy);
            break;
        }
        default: {
            size_t to = dice_below(d, b->size - run + 1);

            memmove(b->data + to, b->data + at, run);
        }
        }
    }
}

/* Run data from a block of its exact size, so that a sanitizer sees a step outside. */
static void fuzz_run(struct slice data)
{
    uint8_t *block = exact_copy(data);

    LLVMFuzzerTestOneInput(block, data.size);
    totals_add(TOTAL_EXECUTIONS, 1);
    free(block);
}

static struct {
    struct slice input; /* the one at work */
    char path[512];     /* where it is kept if it ends the program */
} fuzz_now;

/* The sanitizers' hook, if there is one. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void fuzz_keep(void)
{
    FILE *file = fopen(fuzz_now.path, "wb");

    if (!file)
        return;
    fwrite(fuzz_now.input.data, 1, fuzz_now.input.size, file);
    fclose(file);
    fprintf(stderr, "the input is kept in %s\n", fuzz_now.path);
}

static void fuzz_on_signal(int number)
{
    fuzz_keep();
    signal(number, SIG_DFL);
    raise(number);
}

static void fuzz_watch(const char *program, uint64_t seed)
{
    const char *keep = getenv("PROVE_KEEP"), *name = strrchr(program, '/');

    if (keep)
        snprintf(fuzz_now.path, sizeof fuzz_now.path, "%s/%s-%llu", keep,
                 name ? name + 1 : program, (unsigned long long)seed);
    else
        snprintf(fuzz_now.path, sizeof fuzz_now.path, "%s.finding", program);
    signal(SIGABRT, fuzz_on_signal);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(fuzz_keep);
    else
        signal(SIGSEGV, fuzz_on_signal);
}

static int fuzz_run_file(FILE *file)
{
    struct buffer b = {NULL, 0, 0};
    int c;

    if (!file) {
        perror("the input cannot be read");
        return 1;
    }
    while ((c = getc(file)) != EOF)
        buffer_put_byte(&b, (uint8_t)c);
    fclose(file);
    fuzz_now.input = buffer_slice(&b);
    fuzz_run(buffer_slice(&b));
    buffer_fini(&b);
    return 0;
}

int main(int argc, char **argv)
{
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    uint64_t runs = (argc > 1 ? strtoull(argv[1], NULL, 10) : 100000) / FUZZ_SHARE;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    double end = 0;
    struct buffer b = {NULL, 0, 0};

    if (file)
        return fuzz_run_file(file);
    fuzz_watch(argv[0], seed);
    if (totals_seconds() > 0)
        end = totals_now() + totals_seconds(), runs = UINT64_MAX;
    for (int i = 3; i < argc; i++)
        if (fuzz_run_file(fopen(argv[i], "rb")))
            return 1;
    for (uint64_t i = 0; i < runs; i++) {
        if (end > 0 && totals_now() > end)
            runs = i + 1;
        struct dice dice = {seed << 40 | i};

        buffer_clear(&b);
        fuzz_seed(&dice, &b);
        fuzz_mutate(&dice, &b);
        fuzz_now.input = buffer_slice(&b);
        fuzz_run(buffer_slice(&b));
    }
    buffer_fini(&b);
    printf("%s: %d files, and %llu runs from seed %llu\n", argv[0], argc > 3 ? argc - 3 : 0,
           (unsigned long long)runs, (unsigned long long)seed);
    return 0;
}

#endif

#endif
