#include "tests/bench/records.h"

#include <math.h>
#include <string.h>

#define ZIPF_SHARE 0.99

static uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

uint64_t random_below(uint64_t *state, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)random_next(state) * bound) >> 64);
}

void record_key(char to[RECORD_KEY_BYTES], uint64_t number)
{
    to[0] = 'k';
    for (unsigned i = RECORD_KEY_BYTES - 1; i > 0; i--) {
        to[i] = (char)('0' + number % 10);
        number /= 10;
    }
}

uint64_t record_number(const char key[RECORD_KEY_BYTES])
{
    uint64_t number = 0;

    for (unsigned i = 1; i < RECORD_KEY_BYTES; i++)
        number = number * 10 + (uint64_t)(key[i] - '0');
    return number;
}

void record_value(uint8_t to[RECORD_VALUE_BYTES], uint32_t counter, uint64_t *random)
{
    uint8_t *at = to + RECORD_COUNTER_BYTES;

    for (unsigned i = RECORD_COUNTER_BYTES; i-- > 0; counter /= 10)
        to[i] = (uint8_t)('0' + counter % 10);
    for (unsigned left = RECORD_NOISE_BYTES; left > 0;) {
        uint64_t noise = random_next(random);
        unsigned size = left < 8 ? left : 8;

        memcpy(at, &noise, size);
        at += size;
        left -= size;
    }
    memset(at, 'c', RECORD_CONSTANT_BYTES);
}

uint32_t record_counter(const uint8_t *value, size_t size)
{
    uint32_t counter = 0;

    if (size != RECORD_VALUE_BYTES)
        return 0;
    for (unsigned i = 0; i < RECORD_COUNTER_BYTES; i++)
        counter = counter * 10 + (uint32_t)(value[i] - '0');
    return counter;
}

/* Gray and others, "Quickly generating billion-record synthetic databases", as in YCSB.
 * The sum is kept for the size that was asked for last: it is a second's work. */
static double zeta_of(uint64_t n)
{
    static uint64_t known_n;
    static double known;

    if (n == known_n)
        return known;
    known = 0;
    for (uint64_t i = 1; i <= n; i++)
        known += 1 / pow((double)i, ZIPF_SHARE);
    known_n = n;
    return known;
}

static void zipf_init(struct key_stream *s, uint64_t over)
{
    s->zipf_over = over;
    s->zeta = zeta_of(over);
    s->zeta_two = 1 + 1 / pow(2, ZIPF_SHARE);
    s->alpha = 1 / (1 - ZIPF_SHARE);
    s->eta = (1 - pow(2.0 / (double)over, 1 - ZIPF_SHARE)) / (1 - s->zeta_two / s->zeta);
}

static uint64_t zipf_next(struct key_stream *s)
{
    double u = (double)(random_next(&s->random) >> 11) * 0x1p-53;
    double uz = u * s->zeta;
    uint64_t rank;

    if (uz < 1)
        return 0;
    if (uz < s->zeta_two)
        return 1;
    rank = (uint64_t)((double)s->zipf_over * pow(s->eta * u - s->eta + 1, s->alpha));
    return rank < s->zipf_over ? rank : s->zipf_over - 1;
}

void key_stream_init(struct key_stream *s, enum key_order order, uint64_t records,
                     uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->order = order;
    s->records = records;
    s->random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    if (order == KEYS_ZIPF || order == KEYS_LATEST)
        zipf_init(s, records);
    else if (order == KEYS_ZIPF_1000)
        zipf_init(s, records < 1000 ? records : 1000);
}

/* A permutation of [0, n): four rounds of a Feistel net over the next even number of
 * bits, walked until it falls inside. */
static uint64_t shuffle(uint64_t number, uint64_t n)
{
    unsigned half = 1;

    while ((UINT64_C(1) << (2 * half)) < n)
        half++;
    do {
        uint64_t mask = (UINT64_C(1) << half) - 1;
        uint64_t left = number >> half, right = number & mask;

        for (unsigned round = 1; round <= 4; round++) {
            uint64_t mixed = (right + round) * UINT64_C(0xff51afd7ed558ccd);
            uint64_t turned = left ^ ((mixed ^ (mixed >> 29)) >> 7 & mask);

            left = right;
            right = turned;
        }
        number = left << half | right;
    } while (number >= n);
    return number;
}

uint64_t key_stream_next(struct key_stream *s)
{
    switch (s->order) {
    case KEYS_ZIPF: return shuffle(zipf_next(s), s->records);
    case KEYS_ZIPF_1000: return shuffle(zipf_next(s), s->records);
    case KEYS_LATEST: return s->records - 1 - zipf_next(s) % s->records;
    case KEYS_SORTED: return s->next++ % s->records;
    case KEYS_SHUFFLED: return shuffle(s->next++ % s->records, s->records);
    case KEYS_UNIFORM: break;
    }
    return random_below(&s->random, s->records);
}

void key_stream_pair(struct key_stream *s, uint64_t out[2])
{
    uint64_t a = key_stream_next(s), b = key_stream_next(s);

    while (b == a && s->records > 1)
        b = key_stream_next(s);
    out[0] = a < b ? a : b;
    out[1] = a < b ? b : a;
}
