#include "tests/unit/wal_rig.h"

#include "server/base/bytes.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- items whose bytes follow from their number ---- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 32);
}

static uint32_t record_size(const struct wal_rig_item *i, unsigned record)
{
    return 8 + (uint32_t)(mix(i->item.number * 1000003 + record) % (i->record_bytes - 7));
}

static void record_fill(const struct wal_rig_item *i, unsigned record, uint8_t *to)
{
    uint32_t size = record_size(i, record), at;
    uint64_t seed = mix(i->item.number * 77 + record);

    bytes_put_le32(to, size);
    for (at = 4; at < size; at++)
        to[at] = (uint8_t)(seed >> (at % 8 * 8)) ^ (uint8_t)at;
}

static size_t item_encode(struct wal_item *item, uint8_t *to, size_t room, bool *last)
{
    struct wal_rig_item *i = LIST_ENTRY(item, struct wal_rig_item, item);
    size_t put = 0;

    while (item->progress < i->records) {
        uint32_t size = record_size(i, (unsigned)item->progress);

        if (put + size > room)
            break;
        record_fill(i, (unsigned)item->progress, to + put);
        put += size;
        item->progress++;
        if (mix(item->number + item->progress) % 5 == 0)
            break; /* a piece need not fill the room */
    }
    *last = item->progress == i->records;
    return put;
}

static struct wal_rig_item *item_add(struct wal_rig *rig, unsigned records,
                                     uint32_t record_bytes)
{
    struct wal_rig_item *i = calloc(1, sizeof *i);
    unsigned r;

    ck_assert_ptr_nonnull(i);
    i->records = records;
    i->record_bytes = record_bytes;
    i->item.number = ++rig->last_number;
    i->item.encode = item_encode;
    for (r = 0; r < records; r++)
        i->item.bytes += record_size(i, r);
    if (rig->count == rig->capacity) {
        rig->capacity = rig->capacity ? rig->capacity * 2 : 64;
        rig->items = realloc(rig->items, rig->capacity * sizeof *rig->items);
    }
    rig->items[rig->count++] = i;
    return i;
}

/* ---- events ---- */

static void on_written(void *context, uint64_t number)
{
    struct wal_rig *rig = context;

    ck_assert_uint_gt(number, rig->written);
    rig->written = number;
}

static void on_durable(void *context, uint64_t number)
{
    struct wal_rig *rig = context;

    ck_assert_uint_gt(number, rig->durable);
    ck_assert_uint_le(number, rig->written);
    ck_assert_uint_eq(rig->failures, 0);
    rig->durable = number;
}

static void on_reserved(void *context, struct wal_numbers numbers)
{
    struct wal_rig *rig = context;

    ck_assert_uint_ge(numbers.version, rig->reserved.version);
    ck_assert_uint_ge(numbers.commit, rig->reserved.commit);
    ck_assert_uint_eq(rig->failures, 0);
    rig->reserved = numbers;
}

static void on_failed(void *context, enum err e, const char *text)
{
    struct wal_rig *rig = context;

    ck_assert(e != ERR_OK);
    ck_assert_ptr_nonnull(strstr(text, "wal/"));
    rig->failures++;
    ck_assert_uint_eq(rig->failures, 1);
}

static void on_room(void *context)
{
    struct wal_rig *rig = context;

    rig->rooms++;
}

static void on_issued(void *context, uint64_t position, struct slice bytes)
{
    struct wal_rig *rig = context;

    ck_assert_uint_gt(position, rig->issued);
    ck_assert_uint_eq(bytes.size % WAL_SECTOR_BYTES, 0);
    rig->issued = position;
    rig->issued_bytes = bytes;
}

/* ---- replay ---- */

/* Where the item is in the model; rig->count: it was never appended, or was struck out by
 * an earlier crash. */
static size_t find(struct wal_rig *rig, uint64_t number)
{
    size_t low = 0, high = rig->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (rig->items[middle]->item.number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < rig->count && rig->items[low]->item.number == number ? low : rig->count;
}

static void check_records(struct wal_rig *rig, const struct wal_rig_item *i, struct slice bytes)
{
    uint8_t expected[1u << 17];

    while (bytes.size) {
        uint32_t size;

        ck_assert_uint_lt(rig->open_records, i->records);
        size = record_size(i, rig->open_records);
        ck_assert_uint_le(size, bytes.size);
        record_fill(i, rig->open_records++, expected);
        ck_assert_mem_eq(bytes.data, expected, size);
        bytes.data += size;
        bytes.size -= size;
    }
}

static enum err replay_piece(void *context, uint64_t number, bool first, bool last,
                             struct slice bytes, struct failure *f)
{
    struct wal_rig *rig = context;
    size_t index;

    rig->pieces++;
    if (first) {
        ck_assert_uint_gt(number, rig->open_number);
        rig->open_number = number;
        rig->open_whole = true;
        rig->open_records = 0;
    } else if (rig->open_number != number) {
        ck_assert_uint_eq(rig->open_number, 0); /* only the very first may lack its beginning */
        rig->open_number = number;
        rig->open_whole = false;
    }
    index = find(rig, number);
    if (!rig->open_whole || (index == rig->count && !last))
        return ERR_OK; /* the beginning of an item that a crash has cut may still be there */
    ck_assert_msg(index < rig->count, "item %llu came back from nowhere",
                  (unsigned long long)number);
    check_records(rig, rig->items[index], bytes);
    if (!last)
        return ERR_OK;
    ck_assert_uint_eq(rig->open_records, rig->items[index]->records);
    if (!rig->replay_any)
        rig->replay_begin = rig->replay_at = index;
    rig->replay_any = true;
    ck_assert_uint_eq(index, rig->replay_at); /* none left out */
    rig->replay_at++;
    return ERR_OK;
}

static void replay_check(struct wal_rig *rig, struct wal_numbers numbers)
{
    size_t kept = rig->replay_any ? rig->replay_at : rig->root_index;
    uint64_t last;

    if (rig->replay_any)
        ck_assert_uint_le(rig->replay_begin, rig->root_index);
    if (kept < rig->root_index)
        kept = rig->root_index; /* these are in the root */
    last = kept ? rig->items[kept - 1]->item.number : 0;
    ck_assert_msg(last >= rig->durable, "item %llu was acknowledged, the last one here is %llu",
                  (unsigned long long)rig->durable, (unsigned long long)last);
    ck_assert_msg(last >= rig->killed, "item %llu was written, the last one here is %llu",
                  (unsigned long long)rig->killed, (unsigned long long)last);
    rig->killed = 0;
    while (rig->count > kept)
        free(rig->items[--rig->count]);
    rig->written = rig->durable = last;
    ck_assert_uint_ge(numbers.version, rig->reserved.version);
    ck_assert_uint_ge(numbers.commit, rig->reserved.commit);
    ck_assert_uint_ge(numbers.commit, last);
    ck_assert_uint_le(numbers.version, rig->asked.version);
    if (rig->last_number < numbers.commit)
        rig->last_number = numbers.commit;
    rig->asked = rig->reserved = numbers;
}

/* ---- lives ---- */

void wal_rig_init(struct wal_rig *rig, uint64_t seed)
{
    memset(rig, 0, sizeof *rig);
    rig->sim = sim_new(seed);
    failure_init(&rig->failure);
    rig->options = (struct wal_options){.segment_bytes = 64 << 10,
                                        .in_flight_max = 4,
                                        .spare_segments = 2,
                                        .interval_ms = 50,
                                        .piece_bytes_max = 4096};
}

void wal_rig_fini(struct wal_rig *rig)
{
    if (rig->wal)
        wal_rig_crash(rig);
    ck_assert_uint_eq(sim_alloc_outstanding(rig->sim), 0);
    ck_assert_uint_eq(sim_open_files(rig->sim), 0);
    failure_clear(&rig->failure);
    while (rig->count)
        free(rig->items[--rig->count]);
    free(rig->items);
    sim_free(rig->sim);
}

enum err wal_rig_try_open(struct wal_rig *rig)
{
    struct wal_events events = {rig,
                                on_written,
                                on_durable,
                                on_reserved,
                                on_failed,
                                on_room,
                                rig->is_lent ? on_issued : NULL};
    struct wal_replay replay = {rig, replay_piece, NULL};
    struct wal_numbers numbers = rig->root_numbers;
    enum err e;

    failure_clear(&rig->failure);
    rig->failures = 0;
    rig->replay_any = false;
    rig->replay_begin = rig->replay_at = 0;
    rig->open_number = 0;
    rig->next_root = 0; /* its stage went with the process */
    rig->pieces = 0;
    e = wal_open(sim_table(rig->sim), &rig->options, &events, &replay, rig->root, &numbers,
                 &rig->wal, &rig->failure);
    ck_assert_int_eq(e, rig->failure.error);
    if (e)
        ck_assert_ptr_null(rig->wal);
    if (!e && !rig->stays_closed)
        e = wal_begin(rig->wal, rig->epoch ? rig->epoch : wal_epoch(rig->wal) + 1,
                      &rig->failure);
    ck_assert_int_eq(e, rig->failure.error);
    if (!e) {
        replay_check(rig, numbers);
    } else {
        wal_close(rig->wal, false);
        rig->wal = NULL;
    }
    rig->killed = 0;
    return e;
}

void wal_rig_open(struct wal_rig *rig)
{
    enum err e = wal_rig_try_open(rig);

    ck_assert_msg(e == ERR_OK, "%s: %s %s at %llu", err_name(e), rig->failure.text,
                  rig->failure.file, (unsigned long long)rig->failure.offset);
}

bool wal_rig_append(struct wal_rig *rig, unsigned records, uint32_t record_bytes, bool sync)
{
    struct wal_rig_item *i = item_add(rig, records, record_bytes);
    enum err e = wal_reserve(rig->wal, i->item.bytes + WAL_ITEM_OVERHEAD);

    if (e) {
        free(i);
        rig->count--;
        rig->last_number--;
        return false;
    }
    i->item.durability = sync ? DURABILITY_SYNC : DURABILITY_INTERVAL;
    wal_append(rig->wal, &i->item);
    return true;
}

void wal_rig_settle(struct wal_rig *rig)
{
    do {
        wal_kick(rig->wal);
        wal_tick(rig->wal, UINT64_MAX);
    } while (sim_step(rig->sim));
    ck_assert(!wal_is_busy(rig->wal));
    if (rig->count && !rig->failures)
        ck_assert_uint_eq(rig->durable, rig->items[rig->count - 1]->item.number);
}

void wal_rig_put(struct wal_rig *rig, unsigned records, uint32_t record_bytes)
{
    unsigned tries;

    for (tries = 0; !wal_rig_append(rig, records, record_bytes, true); tries++) {
        ck_assert_uint_lt(tries, 1000);
        wal_rig_settle(rig);
    }
    wal_rig_settle(rig);
}

void wal_rig_note_root(struct wal_rig *rig)
{
    rig->next_root = wal_position(rig->wal);
    rig->next_root_index = rig->count;
}

void wal_rig_switch_root(struct wal_rig *rig)
{
    struct wal_numbers numbers = rig->reserved;
    uint64_t last;

    if (!rig->next_root)
        wal_rig_note_root(rig);
    last = rig->next_root_index ? rig->items[rig->next_root_index - 1]->item.number : 0;
    if (rig->durable < last)
        return;
    if (numbers.commit < last)
        numbers.commit = last; /* a root knows its last commit */
    rig->root = rig->next_root;
    rig->root_index = rig->next_root_index;
    rig->root_numbers = numbers;
    rig->next_root = 0;
    wal_trim(rig->wal, rig->root);
}

void wal_rig_crash(struct wal_rig *rig)
{
    sim_crash(rig->sim);
    wal_close(rig->wal, true);
    rig->wal = NULL;
}

void wal_rig_kill(struct wal_rig *rig)
{
    /* What was only written is safe from a kill, unless the disk has refused it. */
    if (!rig->failures && !sim_fault_fired(rig->sim, SIM_FAULT_SYNC) &&
        !sim_fault_fired(rig->sim, SIM_FAULT_WRITE) &&
        !sim_fault_fired(rig->sim, SIM_FAULT_WRITEBACK))
        rig->killed = rig->written;
    sim_kill(rig->sim);
    wal_close(rig->wal, true);
    rig->wal = NULL;
}

void wal_rig_close(struct wal_rig *rig)
{
    if (!rig->failures) {
        wal_rig_settle(rig);
    } else {
        sim_run_until_idle(rig->sim);
    }
    wal_close(rig->wal, false);
    rig->wal = NULL;
}
