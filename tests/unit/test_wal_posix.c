/* test_wal_posix.c - the log on a real disk with real threads: what the simulator cannot
 * show are races and mistakes about the system's calls. */
#include "server/os/os_lanes.h"
#include "server/os/os_posix.h"
#include "server/storage/wal.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ITEMS 3000

struct item {
    struct wal_item item;
    bool out; /* lent to the log */
};

struct rig {
    char directory[64];
    struct os_posix *posix;
    struct os_lanes *lanes;
    struct wal *wal;
    struct item items[ITEMS];
    uint64_t appended, durable, replayed;
    bool failed, room;
};

static uint64_t size_of(uint64_t number)
{
    return number % 300 == 7 ? 300000 : 20 + number % 400;
}

/* Records of at most 8000 bytes. */
static size_t item_encode(struct wal_item *item, uint8_t *to, size_t room, bool *last)
{
    uint64_t left = size_of(item->number) - item->progress;
    size_t put = left < 8000 ? left : 8000;

    if (put > room)
        return 0;
    memset(to, (int)(item->number % 251), put);
    item->progress += put;
    *last = item->progress == size_of(item->number);
    return put;
}

static void on_written(void *context, uint64_t number)
{
}

static void on_durable(void *context, uint64_t number)
{
    struct rig *rig = context;

    while (rig->durable < number)
        rig->items[rig->durable++].out = false;
}

static void on_reserved(void *context, struct wal_numbers numbers)
{
}

static void on_failed(void *context, enum err e, const char *text)
{
    ((struct rig *)context)->failed = true;
    fprintf(stderr, "%s\n", text);
}

static void on_room(void *context)
{
    ((struct rig *)context)->room = true;
}

static enum err replay_piece(void *context, uint64_t number, bool first, bool last,
                             struct slice bytes, struct failure *f)
{
    struct rig *rig = context;
    size_t i;

    for (i = 0; i < bytes.size && bytes.data[i] == number % 251; i++)
        continue;
    ck_assert_uint_eq(i, bytes.size);
    if (last)
        ck_assert_uint_eq(number, ++rig->replayed);
    return ERR_OK;
}

static void rig_open(struct rig *rig)
{
    struct wal_options options = {.segment_bytes = 1 << 20,
                                  .in_flight_max = 4,
                                  .spare_segments = 2,
                                  .interval_ms = 20,
                                  .piece_bytes_max = 64 << 10};
    struct wal_events events = {rig,       on_written, on_durable, on_reserved,
                                on_failed, on_room,    NULL};
    struct wal_replay replay = {rig, replay_piece, NULL};
    struct os_lanes_options lanes = os_lanes_defaults();
    struct wal_numbers numbers = {0, 0};
    struct failure failure;
    char why[256];

    ck_assert_msg(!os_posix_open(rig->directory, true, &rig->posix, why, sizeof why), "%s",
                  why);
    ck_assert_int_eq(os_lanes_start(&lanes, &rig->lanes), ERR_OK);
    os_posix_set_jobs(rig->posix, os_lanes_submit, rig->lanes);
    rig->replayed = 0;
    failure_init(&failure);
    ck_assert_msg(!wal_open(os_posix_table(rig->posix), &options, &events, &replay, 0, &numbers,
                            &rig->wal, &failure),
                  "%s", failure.text);
    ck_assert_int_eq(wal_begin(rig->wal, wal_epoch(rig->wal) + 1, &failure), ERR_OK);
}

static void turn(struct rig *rig, bool wait)
{
    wal_kick(rig->wal);
    if (wait)
        os_lanes_wait(rig->lanes);
    os_lanes_drain(rig->lanes);
    ck_assert(!rig->failed);
}

static void rig_close(struct rig *rig)
{
    wal_tick(rig->wal, UINT64_MAX);
    while (wal_is_busy(rig->wal))
        turn(rig, true);
    wal_close(rig->wal, false);
    os_lanes_stop(rig->lanes);
    os_posix_close(rig->posix);
}

static void append(struct rig *rig)
{
    struct item *i = &rig->items[rig->appended];
    uint64_t number = rig->appended + 1;
    enum err e;

    while ((e = wal_reserve(rig->wal, size_of(number) + WAL_ITEM_OVERHEAD)) == ERR_WAIT) {
        rig->room = false;
        while (!rig->room)
            turn(rig, true);
    }
    ck_assert_int_eq(e, ERR_OK);
    i->item.number = number;
    i->item.bytes = size_of(number);
    i->item.durability = number % 10 == 3 ? DURABILITY_INTERVAL : DURABILITY_SYNC;
    i->item.encode = item_encode;
    i->item.progress = 0;
    i->out = true;
    rig->appended++;
    wal_append(rig->wal, &i->item);
}

START_TEST(the_log_works_on_a_real_disk_with_threads)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct wal_stats stats;
    char command[128];

    snprintf(rig->directory, sizeof rig->directory, "/tmp/holdfast-wal-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(rig->directory));
    rig_open(rig);
    while (rig->appended < ITEMS) {
        append(rig);
        if (rig->appended % 16 == 0)
            turn(rig, rig->appended % 64 == 0);
    }
    wal_tick(rig->wal, UINT64_MAX);
    while (rig->durable < ITEMS)
        turn(rig, true);
    wal_stats(rig->wal, &stats);
    ck_assert_uint_eq(stats.items, ITEMS);
    ck_assert_uint_lt(stats.syncs, ITEMS);
    rig_close(rig);
    rig_open(rig);
    ck_assert_uint_eq(rig->replayed, ITEMS);
    rig_close(rig);
    snprintf(command, sizeof command, "rm -rf '%s'", rig->directory);
    ck_assert_int_eq(system(command), 0);
    free(rig);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("wal_posix");
    TCase *c = tcase_create("wal_posix");
    SRunner *runner;
    int failed;

    tcase_set_timeout(c, 120);
    tcase_add_test(c, the_log_works_on_a_real_disk_with_threads);
    suite_add_tcase(s, c);
    runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
