/* records.h - the records of the benchmark, and which of them come next.
 *
 * A key is "k" and 15 digits. A value is 8 digits of a counter, 46 bytes of noise
 * and 46 bytes that are always the same: what packs well and what does not, mixed
 * as in real records.
 *
 * Threads: one at a time on one stream. */
#ifndef HOLDFAST_TESTS_BENCH_RECORDS_H
#define HOLDFAST_TESTS_BENCH_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#define RECORD_KEY_BYTES 16
#define RECORD_COUNTER_BYTES 8
#define RECORD_NOISE_BYTES 46
#define RECORD_CONSTANT_BYTES 46
#define RECORD_VALUE_BYTES (RECORD_COUNTER_BYTES + RECORD_NOISE_BYTES + RECORD_CONSTANT_BYTES)

void record_key(char to[RECORD_KEY_BYTES], uint64_t number);
uint64_t record_number(const char key[RECORD_KEY_BYTES]);
void record_value(uint8_t to[RECORD_VALUE_BYTES], uint32_t counter, uint64_t *random);
uint32_t record_counter(const uint8_t *value, size_t size);

enum key_order {
    KEYS_UNIFORM,
    KEYS_ZIPF,       /* 0.99 over all, the hot ones spread over the key space */
    KEYS_ZIPF_1000,  /* 0.99 over 1,000 keys */
    KEYS_LATEST,     /* 0.99 by age, the newest record hottest */
    KEYS_SORTED,     /* each once, ascending */
    KEYS_SHUFFLED,   /* each once, in an order that looks random */
};

struct key_stream {
    enum key_order order;
    uint64_t records;  /* key space */
    uint64_t next;     /* SORTED, SHUFFLED */
    uint64_t random;   /* state of the generator; not 0 */
    double zeta, zeta_two, eta, alpha;
    uint64_t zipf_over;
};

void key_stream_init(struct key_stream *s, enum key_order order, uint64_t records,
                     uint64_t seed);
uint64_t key_stream_next(struct key_stream *s);
/* Two different keys, the smaller first. */
void key_stream_pair(struct key_stream *s, uint64_t out[2]);
/* Below bound. */
uint64_t random_below(uint64_t *state, uint64_t bound);

#endif
