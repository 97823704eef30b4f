/* test_wal_damage.c - the log's bytes: golden ones, rotten ones, stale ones, forged ones. */
#include "server/base/bytes.h"
#include "server/storage/wal_format.h"
#include "tests/unit/wal_rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#define SEGMENT (64u << 10)

static void path_of(uint64_t number, char *to)
{
    snprintf(to, 32, "wal/%016llx", (unsigned long long)number);
}

/* ---- golden bytes ---- */

static void check_bytes(const uint8_t *from, const uint8_t *golden, size_t size)
{
    size_t i;

    if (memcmp(from, golden, size) != 0)
        for (i = 0; i < size; i++)
            fprintf(stderr, "0x%02x,%s", from[i], i % 12 == 11 ? "\n" : " ");
    ck_assert_mem_eq(from, golden, size);
}

START_TEST(a_segment_header_has_its_golden_bytes)
{
    static const uint8_t golden[72] = {
        'H',  'F',  'L',  'O',  'G',  'S',  'E',  'G',  0x50, 0x8f, 0x5c, 0x04,
        0x96, 0xf8, 0x70, 0x9d, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x00, 0x00, 0x00, 0x04,
        0x00, 0x00, 0x00, 0x00, 0x2a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01, 0x73, 0x69, 0x78, 0x74,
        0x65, 0x65, 0x6e, 0x20, 0x6c, 0x65, 0x74, 0x74, 0x65, 0x72, 0x73, 0x21,
    };
    struct wal_segment_header header = {.number = 0x0102030405060708,
                                        .segment_bytes = 64 << 20,
                                        .epoch = 42,
                                        .salt = 0x0123456789abcdef,
                                        .identity = "sixteen letters!"};
    struct wal_segment_header back;
    uint8_t sector[WAL_SECTOR_BYTES];
    unsigned i;

    wal_segment_header_encode(&header, sector);
    check_bytes(sector, golden, sizeof golden);
    for (i = sizeof golden; i < sizeof sector; i++)
        ck_assert_uint_eq(sector[i], 0);
    ck_assert_int_eq(wal_segment_header_decode(sector, &back), ERR_OK);
    ck_assert_mem_eq(&back, &header, sizeof header);
}
END_TEST

START_TEST(a_batch_has_its_golden_bytes)
{
    static const uint8_t golden[159] = {
        'H',  'F',  'L',  'O',  'G',  'B',  'A',  'T',  0x87, 0x83, 0x6c, 0xc9, 0xf0, 0x1f,
        0xde, 0x7f, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x50, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x30,
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x11, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x22, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x15, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
        0x9f, 0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3c, 0x2d,
        0x1e, 0x0b, 0x9f, 0x01, 0x00, 0x00, 's',  'i',  'x',  't',  'e',  'e',  'n',  ' ',
        'l',  'e',  't',  't',  'e',  'r',  's',  '!',  0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x15, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0f, 0x00, 0x00, 0x00,
        0x03, 0x00, 0x00, 0x00, 0x66, 0x69, 0x66, 0x74, 0x65, 0x65, 0x6e, 0x20, 0x62, 0x79,
        0x74, 0x65, 0x73, 0x21, 0x21,
    };
    struct wal_fragment fragment = {21, 15, WAL_FRAGMENT_FIRST | WAL_FRAGMENT_LAST};
    struct wal_batch batch = {.flags = WAL_BATCH_EPOCH,
                              .epoch = 7,
                              .position = 0x15000,
                              .previous = 0x13000,
                              .synced = 0x14000,
                              .numbers = {0x11, 0x22},
                              .first_item = 21,
                              .fragments = 1,
                              .used = WAL_HEADER_BYTES + WAL_FRAGMENT_BYTES + 15,
                              .span = WAL_SECTOR_BYTES,
                              .time_ms = 0x019f0b1e2d3c,
                              .identity = (const uint8_t *)"sixteen letters!"};
    struct wal_batch back;
    uint8_t sector[WAL_SECTOR_BYTES];

    memset(sector, 0xff, sizeof sector);
    wal_fragment_encode(&fragment, sector + WAL_HEADER_BYTES);
    memcpy(sector + WAL_HEADER_BYTES + WAL_FRAGMENT_BYTES, "fifteen bytes!!", 15);
    wal_batch_encode(&batch, 0x0123456789abcdef, sector);
    check_bytes(sector, golden, sizeof golden);
    ck_assert_int_eq(
        wal_batch_decode(sector, sizeof sector, 0x0123456789abcdef, 0x15000, &back), ERR_OK);
    ck_assert_uint_eq(back.synced, batch.synced);
    ck_assert_uint_eq(back.used, batch.used);
    ck_assert_uint_eq(back.time_ms, batch.time_ms);
    ck_assert_mem_eq(back.identity, "sixteen letters!", WAL_IDENTITY_BYTES);
    /* The salt, the place and the room are part of what makes it valid. */
    ck_assert_int_eq(wal_batch_decode(sector, sizeof sector, 1, 0x15000, &back), ERR_CORRUPT);
    ck_assert_int_eq(
        wal_batch_decode(sector, sizeof sector, 0x0123456789abcdef, 0x16000, &back),
        ERR_CORRUPT);
    ck_assert_int_eq(wal_batch_decode(sector, 0, 0x0123456789abcdef, 0x15000, &back),
                     ERR_CORRUPT);
}
END_TEST

START_TEST(a_mark_has_its_golden_bytes)
{
    static const uint8_t golden[WAL_MARK_BYTES] = {
        'H',  'F',  'L',  'O',  'G',  'E',  'N',  'D',  0x39, 0x0d, 0xda, 0xb2, 0xb8, 0x6a,
        0x15, 0x86, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x73, 0x69, 0x78, 0x74,
        0x65, 0x65, 0x6e, 0x20, 0x6c, 0x65, 0x74, 0x74, 0x65, 0x72, 0x73, 0x21, 0x09, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x70, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    };
    struct wal_mark mark = {.identity = "sixteen letters!", .epoch = 9, .position = 0x7000},
                    back;
    uint8_t bytes[WAL_MARK_BYTES];

    wal_mark_encode(&mark, WAL_MARK_FAILED, bytes);
    check_bytes(bytes, golden, sizeof golden);
    ck_assert_int_eq(wal_mark_decode(bytes, WAL_MARK_FAILED, &back), ERR_OK);
    ck_assert_mem_eq(&back, &mark, sizeof mark);
    ck_assert_int_eq(wal_mark_decode(bytes, WAL_MARK_CLOSED, &back), ERR_CORRUPT);
    bytes[24] ^= 1;
    ck_assert_int_eq(wal_mark_decode(bytes, WAL_MARK_FAILED, &back), ERR_CORRUPT);
    wal_mark_encode(&mark, WAL_MARK_CLOSED, bytes);
    ck_assert_mem_eq(bytes, "HFLOGCLO", 8);
    ck_assert_int_eq(wal_mark_decode(bytes, WAL_MARK_CLOSED, &back), ERR_OK);
}
END_TEST

START_TEST(every_flipped_bit_of_a_batch_is_seen)
{
    struct wal_batch batch = {
        .epoch = 7, .position = 0x15000, .used = WAL_HEADER_BYTES, .span = WAL_SECTOR_BYTES};
    struct wal_batch back;
    uint8_t sector[WAL_SECTOR_BYTES];
    unsigned bit;

    wal_batch_encode(&batch, 5, sector);
    for (bit = 0; bit < 8 * WAL_SECTOR_BYTES; bit++) {
        sector[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(wal_batch_decode(sector, sizeof sector, 5, 0x15000, &back),
                         ERR_CORRUPT);
        sector[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

/* ---- a map of a log's sectors, made from its files ---- */

#define BATCHES_MAX 512

struct map {
    uint64_t salt;
    struct wal_batch batches[BATCHES_MAX]; /* the chain */
    size_t items[BATCHES_MAX];             /* complete ones in front of the batch */
    size_t count, items_all;
    uint64_t proven; /* durable, as the chain says */
    uint64_t files;  /* how many there are */
};

static size_t items_ending(const uint8_t *at, uint32_t fragments)
{
    struct wal_fragment fragment;
    size_t n = 0;

    at += WAL_HEADER_BYTES;
    while (fragments--) {
        wal_fragment_decode(at, &fragment);
        n += (fragment.flags & WAL_FRAGMENT_LAST) != 0;
        at += WAL_FRAGMENT_BYTES + fragment.bytes;
    }
    return n;
}

static void map_make(struct wal_rig *rig, struct map *map)
{
    static uint8_t segment[SEGMENT];
    struct wal_segment_header header;
    struct wal_batch *b = map->batches;
    uint64_t raw = 0, number;
    char path[32];

    memset(map, 0, sizeof *map);
    for (number = 0;; number++) {
        path_of(number, path);
        if (!sim_file_read(rig->sim, path, 0, segment, sizeof segment))
            break;
        ck_assert_int_eq(wal_segment_header_decode(segment, &header), ERR_OK);
        map->salt = header.salt;
        for (;;) {
            uint64_t place = raw % SEGMENT ? raw : raw + WAL_SECTOR_BYTES, at = place % SEGMENT;

            if (place / SEGMENT != number ||
                wal_batch_decode(segment + at, SEGMENT - at, map->salt, place, b))
                break;
            ck_assert_uint_lt(map->count, BATCHES_MAX);
            if (b->synced > map->proven)
                map->proven = b->synced;
            map->items[map->count++] = map->items_all;
            map->items_all += items_ending(segment + at, b->fragments);
            raw = b->flags & WAL_BATCH_SKIP ? (number + 1) * SEGMENT : place + b->span;
            b++;
        }
    }
    map->files = number;
}

/* The batch that has the position, or -1. */
static int map_find(const struct map *map, uint64_t position)
{
    size_t i;

    for (i = 0; i < map->count; i++)
        if (position >= map->batches[i].position &&
            position < map->batches[i].position + map->batches[i].span)
            return (int)i;
    return -1;
}

static void build(struct wal_rig *rig)
{
    unsigned i;

    wal_rig_init(rig, 3);
    wal_rig_open(rig);
    wal_rig_settle(rig);
    for (i = 0; i < 14; i++)
        wal_rig_put(rig, i % 5 == 4 ? 9 : 2, i % 5 == 4 ? 4096 : 400);
    wal_rig_close(rig);
    wal_rig_open(rig);
    for (i = 0; i < 14; i++)
        wal_rig_put(rig, i % 5 == 4 ? 9 : 2, i % 5 == 4 ? 4096 : 400);
    wal_rig_crash(rig);
}

/* What must happen when the sector is rotten. */
static void check_rot(const struct map *map, struct wal_rig *rig, uint64_t number,
                      uint64_t offset)
{
    uint64_t last = map->batches[map->count - 1].position / SEGMENT;
    int index = map_find(map, number * SEGMENT + offset);
    bool damage =
        offset == 0 ? number <= last : index >= 0 && map->batches[index].position < map->proven;
    enum err e;
    char path[32];

    rig->durable = 0; /* a rotten tail may cost what was acknowledged last */
    e = wal_rig_try_open(rig);
    path_of(number, path);
    if (damage) {
        ck_assert_msg(e == ERR_CORRUPT, "%s %llu: %s %s", path, (unsigned long long)offset,
                      err_name(e), rig->failure.text);
        ck_assert_str_eq(rig->failure.file, path);
        ck_assert_uint_eq(rig->failure.offset,
                          offset ? map->batches[index].position % SEGMENT : 0);
        return;
    }
    ck_assert_msg(e == ERR_OK, "%s %llu: %s %s %s %llu", path, (unsigned long long)offset,
                  err_name(e), rig->failure.text, rig->failure.file,
                  (unsigned long long)rig->failure.offset);
    ck_assert_uint_eq(rig->count, index < 0 ? map->items_all : map->items[index]);
}

START_TEST(rot_in_any_sector_is_reported_where_it_is_or_cut)
{
    struct wal_rig rig;
    struct map map;
    uint64_t number, offset;
    unsigned part = 0;

    build(&rig);
    map_make(&rig, &map);
    wal_rig_fini(&rig);
    ck_assert_uint_eq(map.items_all, 28);
    ck_assert_uint_gt(map.files, 4);
    for (number = 0; number < map.files; number++)
        for (offset = 0; offset < SEGMENT; offset += WAL_SECTOR_BYTES) {
            char path[32];

            build(&rig);
            path_of(number, path);
            ck_assert(sim_rot(rig.sim, path, offset + part++ % 8 * SIM_SECTOR_BYTES,
                              SIM_SECTOR_BYTES));
            check_rot(&map, &rig, number, offset);
            wal_rig_fini(&rig);
        }
}
END_TEST

START_TEST(a_segment_that_is_missing_or_short_is_reported)
{
    struct wal_rig rig;
    struct map map;
    uint64_t number, last;

    build(&rig);
    map_make(&rig, &map);
    last = map.batches[map.count - 1].position / SEGMENT;
    wal_rig_fini(&rig);
    for (number = 0; number <= last; number++) {
        struct os *os;
        char path[32];

        build(&rig);
        os = sim_table(rig.sim);
        path_of(number, path);
        if (_i == 0)
            ck_assert_int_eq(os->ops->file_remove(os, path), ERR_OK);
        else
            ck_assert(sim_file_truncate(rig.sim, path, 8192));
        ck_assert_int_eq(wal_rig_try_open(&rig), ERR_CORRUPT);
        ck_assert_str_eq(rig.failure.file, path);
        ck_assert_uint_eq(rig.failure.offset, 0);
        wal_rig_fini(&rig);
    }
}
END_TEST

START_TEST(a_log_without_any_file_is_missed_when_the_root_knows_of_one)
{
    struct wal_rig rig;

    wal_rig_init(&rig, 4);
    rig.root = 3 * SEGMENT + 8192;
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_CORRUPT);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(a_log_that_ends_before_what_the_root_says_is_reported)
{
    struct wal_rig rig;
    struct map map;

    build(&rig);
    map_make(&rig, &map);
    rig.root = map.batches[map.count - 1].position + 5 * WAL_SECTOR_BYTES;
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_CORRUPT);
    rig.root = 100 * SEGMENT + 8192;
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_CORRUPT);
    rig.root = 8193;
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_CORRUPT);
    wal_rig_fini(&rig);
}
END_TEST

/* ---- stale batches ---- */

/* Three batches of one length are in flight; the first is lost, the others are there. The
 * cut puts a batch of the same length over the first. */
START_TEST(a_stale_batch_right_behind_the_cut_does_not_come_back)
{
    struct wal_rig rig;
    struct map map;
    char path[32];
    unsigned i;

    wal_rig_init(&rig, 5);
    wal_rig_open(&rig);
    wal_rig_settle(&rig);
    wal_rig_put(&rig, 1, 100);
    for (i = 0; i < 3; i++) {
        ck_assert(wal_rig_append(&rig, 1, 100, true));
        wal_kick(rig.wal);
    }
    ck_assert_uint_eq(sim_lane_jobs(rig.sim, OS_LANE_LOG), 3);
    sim_run_until_idle(rig.sim);
    wal_rig_crash(&rig);
    map_make(&rig, &map);
    ck_assert_uint_eq(map.count, 5);
    path_of(0, path);
    ck_assert(sim_rot(rig.sim, path, map.batches[2].position, 512));
    rig.durable = 0;
    for (i = 0; i < 3; i++) {
        wal_rig_open(&rig); /* checks that nothing comes back from nowhere */
        ck_assert_uint_eq(rig.count, 1);
        wal_rig_crash(&rig);
        map_make(&rig, &map);
    }
    wal_rig_open(&rig);
    wal_rig_put(&rig, 1, 100);
    wal_rig_crash(&rig);
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 2);
    wal_rig_fini(&rig);
}
END_TEST

/* A client can put the image of a batch into a record, at a place where the log may look
 * one day. Without the salt it is only bytes. */
START_TEST(a_forged_batch_is_only_bytes)
{
    struct wal_rig rig;
    struct map map;
    struct wal_batch batch = {
        .epoch = 1000, .used = WAL_HEADER_BYTES, .span = WAL_SECTOR_BYTES, .synced = 1u << 30};
    uint8_t sector[WAL_SECTOR_BYTES];
    char path[32];
    uint64_t end;

    build(&rig);
    map_make(&rig, &map);
    end = map.batches[map.count - 1].position + map.batches[map.count - 1].span;
    batch.position = end + (_i ? WAL_SECTOR_BYTES : 0);
    path_of(end / SEGMENT, path);
    wal_batch_encode(&batch, 12345, sector);
    ck_assert(sim_file_write(rig.sim, path, batch.position % SEGMENT, sector, sizeof sector));
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, map.items_all);
    wal_rig_crash(&rig);
    /* With the salt it would be evidence. */
    map_make(&rig, &map);
    batch.position = map.batches[map.count - 1].position + 3 * WAL_SECTOR_BYTES;
    wal_batch_encode(&batch, map.salt, sector);
    ck_assert(sim_file_write(rig.sim, path, batch.position % SEGMENT, sector, sizeof sector));
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_CORRUPT);
    wal_rig_fini(&rig);
}
END_TEST

/* Valid checksums do not make nonsense harmless: lengths are bounded by what is there. */
START_TEST(a_batch_that_contradicts_itself_is_reported)
{
    struct wal_rig rig;
    struct map map;
    struct wal_batch batch;
    struct wal_fragment fragment = {.number = 1000000, .bytes = 0xfffffff0, .flags = 3};
    uint8_t sector[WAL_SECTOR_BYTES] = {0};
    char path[32];

    build(&rig);
    map_make(&rig, &map);
    batch = map.batches[map.count - 1];
    batch.previous = batch.position;
    batch.position += batch.span;
    batch.span = WAL_SECTOR_BYTES;
    batch.used = WAL_HEADER_BYTES + 16;
    batch.flags = 0;
    batch.fragments = _i == 0 ? 1 : 0xffffffff;
    if (_i == 1)
        fragment.bytes = 0;
    wal_fragment_encode(&fragment, sector + WAL_HEADER_BYTES);
    wal_batch_encode(&batch, map.salt, sector);
    path_of(batch.position / SEGMENT, path);
    ck_assert(sim_file_write(rig.sim, path, batch.position % SEGMENT, sector, sizeof sector));
    /* The number is not in the model. */
    rig.last_number = 1000000;
    ck_assert(rig.count < rig.capacity);
    if (_i == 0)
        ck_assert_int_eq(wal_rig_try_open(&rig), ERR_CORRUPT);
    ck_assert_int_eq(wal_batch_decode(sector, sizeof sector, map.salt, batch.position, &batch),
                     ERR_OK);
    bytes_put_le32(sector + 88, 0xfffff000);
    ck_assert_int_eq(wal_batch_decode(sector, sizeof sector, map.salt, batch.position, &batch),
                     ERR_CORRUPT);
    wal_rig_fini(&rig);
}
END_TEST

/* ---- other versions, other logs ---- */

static void reseal(uint8_t *bytes, size_t size, uint64_t salt)
{
    bytes_put_le64(bytes + 8, XXH3_64bits_withSeed(bytes + 16, size - 16, salt));
}

START_TEST(a_newer_format_is_refused_by_name)
{
    struct wal_rig rig;
    struct map map;
    uint8_t sector[WAL_SECTOR_BYTES];
    uint64_t offset;
    char path[32];

    build(&rig);
    map_make(&rig, &map);
    offset = _i == 0 ? 0 : map.batches[3].position;
    path_of(0, path);
    ck_assert_uint_eq(map.batches[3].span, WAL_SECTOR_BYTES);
    ck_assert(sim_file_read(rig.sim, path, offset, sector, sizeof sector));
    bytes_put_le32(sector + 16, WAL_FORMAT + 1);
    reseal(sector, sizeof sector, _i == 0 ? 0 : map.salt);
    ck_assert(sim_file_write(rig.sim, path, offset, sector, sizeof sector));
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_FORMAT);
    ck_assert_str_eq(rig.failure.file, path);
    ck_assert_uint_eq(rig.failure.offset, offset);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(a_mark_of_a_newer_format_is_refused_by_name)
{
    static const char *const names[] = {"wal/failed", "wal/closed"};
    struct wal_rig rig;
    uint8_t mark[WAL_MARK_BYTES];

    build(&rig);
    ck_assert(sim_file_read(rig.sim, names[_i], 0, mark, sizeof mark));
    bytes_put_le32(mark + 16, bytes_get_le32(mark + 16) + 1);
    reseal(mark, sizeof mark, 0);
    ck_assert(sim_file_write(rig.sim, names[_i], 0, mark, sizeof mark));
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_FORMAT);
    ck_assert_str_eq(rig.failure.file, names[_i]);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(a_segment_of_another_log_is_refused)
{
    struct wal_rig rig;
    uint8_t sector[WAL_SECTOR_BYTES];
    char path[32];

    build(&rig);
    path_of(2, path);
    ck_assert(sim_file_read(rig.sim, path, 0, sector, sizeof sector));
    sector[48] ^= 1;
    reseal(sector, sizeof sector, 0);
    ck_assert(sim_file_write(rig.sim, path, 0, sector, sizeof sector));
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_CORRUPT);
    ck_assert_str_eq(rig.failure.file, path);
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(a_file_of_another_database_is_refused_by_name)
{
    static const char *const names[] = {"wal/0000000000000002", "wal/failed", "wal/closed"};
    struct wal_rig rig, other;
    uint8_t sector[WAL_SECTOR_BYTES];

    wal_rig_init(&rig, 301);
    wal_rig_open(&rig);
    build(&other);
    wal_rig_close(&rig);
    memcpy(rig.options.identity, "sixteen letters!", WAL_IDENTITY_BYTES);
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_CORRUPT); /* its own, of another name */
    ck_assert_str_eq(rig.failure.file, "wal/0000000000000000");
    ck_assert_ptr_nonnull(strstr(rig.failure.text, "different databases"));
    memset(rig.options.identity, 0, WAL_IDENTITY_BYTES);
    ck_assert(sim_file_read(rig.sim, names[_i], 0, sector, sizeof sector));
    sector[_i ? 24 : 56] ^= 1;
    if (_i)
        bytes_put_le64(sector + 8, XXH3_64bits_withSeed(sector + 16, WAL_MARK_BYTES - 16, 0));
    else
        reseal(sector, sizeof sector, 0);
    ck_assert(sim_file_write(rig.sim, names[_i], 0, sector, sizeof sector));
    ck_assert_int_eq(wal_rig_try_open(&rig), ERR_CORRUPT);
    ck_assert_str_eq(rig.failure.file, names[_i]);
    ck_assert_ptr_nonnull(strstr(rig.failure.text, "different databases"));
    wal_rig_fini(&other);
    wal_rig_fini(&rig);
}
END_TEST

/* The first bytes of the last batch are lost, be it that a crash or a clean stop came before. */
START_TEST(after_a_clean_stop_a_cut_of_the_last_batch_is_damage)
{
    static const uint8_t zeros[WAL_SECTOR_BYTES];
    struct wal_rig rig;
    struct wal_stats stats;
    char path[32];
    unsigned life;

    wal_rig_init(&rig, 302 + _i);
    wal_rig_open(&rig);
    wal_rig_put(&rig, 1, 100);
    wal_rig_close(&rig);
    for (life = 0; life < 3; life++) { /* what one stop has said the next start keeps */
        wal_rig_open(&rig);
        wal_rig_put(&rig, 2, 500);
        wal_stats(rig.wal, &stats);
        if (_i)
            wal_rig_close(&rig);
        else
            wal_rig_kill(&rig);
    }
    path_of(stats.position / SEGMENT, path);
    ck_assert(sim_file_write(rig.sim, path, stats.position % SEGMENT - WAL_SECTOR_BYTES, zeros,
                             sizeof zeros));
    rig.durable = rig.written = rig.killed = 0; /* it was told: this is rot */
    if (_i) {
        ck_assert_int_eq(wal_rig_try_open(&rig), ERR_CORRUPT);
        ck_assert_ptr_nonnull(strstr(rig.failure.text, "clean shutdown"));
        ck_assert_str_eq(rig.failure.file, path);
    } else {
        wal_rig_open(&rig);
    }
    wal_rig_fini(&rig);
}
END_TEST

START_TEST(files_with_other_names_are_left_alone)
{
    static const char *const names[] = {"wal/README", "wal/0", "wal/00000000000000000",
                                        "wal/000000000000000G", "wal/00000000000000AB"};
    struct wal_rig rig;
    struct os_file *file;
    struct os *os;
    uint64_t size;
    unsigned i;

    build(&rig);
    os = sim_table(rig.sim);
    for (i = 0; i < 5; i++) {
        ck_assert_int_eq(os_file_open(os, names[i], OS_WRITE | OS_CREATE, &file), ERR_OK);
        os->ops->file_close(file);
    }
    wal_rig_open(&rig);
    ck_assert_uint_eq(rig.count, 28);
    for (i = 0; i < 5; i++)
        ck_assert(sim_file_size(rig.sim, names[i], &size));
    wal_rig_fini(&rig);
}
END_TEST

/* A disk that says OK and writes nothing, or elsewhere: never a wrong item, never a silent
 * hole before what a later batch proves. */
START_TEST(a_lying_disk_never_makes_items_wrong)
{
    uint64_t n, fired = 1;

    for (n = 1; fired && n < 60; n++) {
        struct wal_rig rig;
        unsigned i;
        enum err e;

        wal_rig_init(&rig, 6);
        wal_rig_open(&rig);
        wal_rig_settle(&rig);
        sim_fail_at(rig.sim, _i ? SIM_FAULT_MISPLACE : SIM_FAULT_LOSE, n);
        for (i = 0; i < 14; i++)
            wal_rig_put(&rig, i % 5 == 4 ? 9 : 2, i % 5 == 4 ? 4096 : 400);
        fired = sim_fault_fired(rig.sim, _i ? SIM_FAULT_MISPLACE : SIM_FAULT_LOSE);
        wal_rig_crash(&rig);
        rig.durable = 0; /* the disk has broken its promise: so may we, but not silently */
        e = wal_rig_try_open(&rig);
        ck_assert(e == ERR_OK || e == ERR_CORRUPT);
        if (!e)
            ck_assert_uint_ge(rig.count, 13); /* only the very last may be gone unseen */
        wal_rig_fini(&rig);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("wal_damage");
    TCase *c = tcase_create("wal_damage");

    tcase_set_timeout(c, 120);
    tcase_add_test(c, a_segment_header_has_its_golden_bytes);
    tcase_add_test(c, a_batch_has_its_golden_bytes);
    tcase_add_test(c, a_mark_has_its_golden_bytes);
    tcase_add_test(c, every_flipped_bit_of_a_batch_is_seen);
    tcase_add_test(c, rot_in_any_sector_is_reported_where_it_is_or_cut);
    tcase_add_loop_test(c, a_segment_that_is_missing_or_short_is_reported, 0, 2);
    tcase_add_test(c, a_log_without_any_file_is_missed_when_the_root_knows_of_one);
    tcase_add_test(c, a_log_that_ends_before_what_the_root_says_is_reported);
    tcase_add_test(c, a_stale_batch_right_behind_the_cut_does_not_come_back);
    tcase_add_loop_test(c, a_forged_batch_is_only_bytes, 0, 2);
    tcase_add_loop_test(c, a_batch_that_contradicts_itself_is_reported, 0, 2);
    tcase_add_loop_test(c, a_newer_format_is_refused_by_name, 0, 2);
    tcase_add_loop_test(c, a_mark_of_a_newer_format_is_refused_by_name, 0, 2);
    tcase_add_test(c, a_segment_of_another_log_is_refused);
    tcase_add_loop_test(c, a_file_of_another_database_is_refused_by_name, 0, 3);
    tcase_add_loop_test(c, after_a_clean_stop_a_cut_of_the_last_batch_is_damage, 0, 2);
    tcase_add_test(c, files_with_other_names_are_left_alone);
    tcase_add_loop_test(c, a_lying_disk_never_makes_items_wrong, 0, 2);
    suite_add_tcase(s, c);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
