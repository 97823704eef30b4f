#include "tests/unit/sim_rig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct sim_rig sim_rig_open(uint64_t seed)
{
    struct sim_rig rig = {.sim = sim_new(seed)};

    rig.os = sim_table(rig.sim);
    rig.ops = rig.os->ops;
    return rig;
}

void sim_rig_close(struct sim_rig *rig)
{
    ck_assert_uint_eq(sim_open_files(rig->sim), 0);
    ck_assert_uint_eq(sim_alloc_outstanding(rig->sim), 0);
    ck_assert_uint_eq(sim_alloc_pieces(rig->sim), 0);
    sim_free(rig->sim);
}

void sim_rig_set_fate(struct sim_rig *rig, int survive_percent)
{
    sim_knobs(rig->sim)->survive_percent = survive_percent;
    sim_knobs(rig->sim)->torn_percent = 0;
}

struct os_file *sim_rig_file(struct sim_rig *rig, const char *path, unsigned flags)
{
    struct os_file *file;

    ck_assert_int_eq(os_file_open(rig->os, path, flags, &file), ERR_OK);
    return file;
}

struct os_file *sim_rig_prepare(struct sim_rig *rig, const char *path, size_t sectors, int byte)
{
    struct os_file *file = sim_rig_file(rig, path, OS_WRITE | OS_CREATE);
    uint8_t *bytes = malloc(sectors * SECTOR);

    memset(bytes, byte, sectors * SECTOR);
    ck_assert_int_eq(rig->ops->file_write(file, 0, bytes, sectors * SECTOR), ERR_OK);
    ck_assert_int_eq(rig->ops->file_sync(file), ERR_OK);
    ck_assert_int_eq(rig->ops->dir_sync(rig->os, ""), ERR_OK);
    free(bytes);
    return file;
}

enum err sim_rig_fill(struct sim_rig *rig, struct os_file *file, uint64_t offset, size_t size,
                      int byte)
{
    uint8_t *bytes = malloc(size + 1);
    enum err e;

    memset(bytes, byte, size);
    e = rig->ops->file_write(file, offset, bytes, size);
    free(bytes);
    return e;
}

bool sim_rig_sector_is(struct sim_rig *rig, const char *path, size_t sector, int byte)
{
    uint8_t bytes[SECTOR];

    ck_assert(sim_file_read(rig->sim, path, sector * SECTOR, bytes, SECTOR));
    for (size_t i = 0; i < SECTOR; i++) {
        if (bytes[i] != byte)
            return false;
    }
    return true;
}

bool sim_rig_has(struct sim_rig *rig, const char *path)
{
    uint64_t size;

    return sim_file_size(rig->sim, path, &size);
}

uint64_t sim_rig_size(struct sim_rig *rig, const char *path)
{
    uint64_t size;

    ck_assert(sim_file_size(rig->sim, path, &size));
    return size;
}
