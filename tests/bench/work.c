#include "tests/bench/bench.h"

#include <string.h>

void work_source_init(struct work_source *s, const struct run_spec *spec)
{
    s->spec = spec;
    s->loaded = 0;
    key_stream_init(&s->keys, spec->order, spec->records, spec->seed);
}

static enum op_kind kind_choose(struct work_source *s)
{
    uint64_t dice;
    unsigned sum = 0;

    for (unsigned kind = 0; kind < OP_KINDS; kind++) {
        if (s->spec->mix[kind] == 100)
            return (enum op_kind)kind;
    }
    dice = random_below(&s->keys.random, 100);
    for (unsigned kind = 0; kind < OP_KINDS; kind++) {
        sum += s->spec->mix[kind];
        if (dice < sum)
            return (enum op_kind)kind;
    }
    return OP_GET;
}

bool work_next(struct work_source *s, struct work *w)
{
    const struct run_spec *spec = s->spec;
    uint64_t *load_keys = w->load_keys, random = w->random;

    memset(w, 0, sizeof *w);
    w->load_keys = load_keys;
    w->random = random;
    w->kind = kind_choose(s);
    w->durability = spec->durability;
    w->shape = spec->shape;
    w->isolation = spec->isolation;
    w->indexes = spec->indexes;
    if (spec->order == KEYS_LATEST) /* those that have surely been acknowledged */
        s->keys.records = *spec->inserts - 2 * (uint64_t)spec->connections * spec->depth;
    switch (w->kind) {
    case OP_INSERT:
        w->kind = OP_PUT;
        w->key[0] = (*spec->inserts)++;
        break;
    case OP_TXN:
        key_stream_pair(&s->keys, w->key);
        memcpy(w->write_key, w->key, sizeof w->key);
        if (spec->writes_others)
            key_stream_pair(&s->keys, w->write_key);
        break;
    case OP_INDEX_SCAN:
    case OP_SCAN:
        w->rows = spec->rows;
        w->key[0] = key_stream_next(&s->keys);
        break;
    case OP_LOAD:
        while (w->batch < spec->load_batch && s->loaded < spec->load_count) {
            load_keys[w->batch++] = key_stream_next(&s->keys);
            s->loaded++;
        }
        return w->batch > 0;
    case OP_FULL: break;
    case OP_ADD: break;
    case OP_INDEX_PUT:
    case OP_PUT:
        if (spec->load_count && s->loaded++ >= spec->load_count)
            return false;
        w->key[0] = key_stream_next(&s->keys);
        break;
    default: w->key[0] = key_stream_next(&s->keys); break;
    }
    return true;
}

void work_numbers(struct work *w, uint64_t numbers[BENCH_NUMBERS])
{
    numbers[0] = w->key[0];
    for (unsigned i = 1; i < BENCH_NUMBERS; i++)
        numbers[i] = random_below(&w->random, UINT64_C(1) << 32);
}

void measure_add(struct measure *m, const struct work *w, uint64_t began_ns, uint64_t ended_ns)
{
    if (w->failed)
        m->failed++;
    else if (w->refused)
        m->refused++;
    else
        m->ops++;
    m->missing += w->missing;
    histogram_add(&m->latency, ended_ns - began_ns);
}

void measure_merge(struct measure *into, const struct measure *from)
{
    if (from->seconds > into->seconds)
        into->seconds = from->seconds;
    into->ops += from->ops;
    into->refused += from->refused;
    into->failed += from->failed;
    into->missing += from->missing;
    into->rows += from->rows;
    histogram_merge(&into->latency, &from->latency);
}
