#include "tests/unit/os_rig.h"

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void os_rig_open(struct os_rig *rig, int table)
{
    char why[256];

    *rig = (struct os_rig){0};
    if (table == TABLE_SIM) {
        rig->sim = sim_new(1);
        rig->os = sim_table(rig->sim);
        return;
    }
    strcpy(rig->directory, "/tmp/holdfast-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(rig->directory));
    ck_assert_msg(os_posix_open(rig->directory, false, &rig->posix, why, sizeof why) == ERR_OK,
                  "%s", why);
    rig->os = os_posix_table(rig->posix);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    return remove(path);
}

void os_rig_close(struct os_rig *rig)
{
    if (rig->sim) {
        ck_assert_uint_eq(sim_open_files(rig->sim), 0);
        ck_assert_uint_eq(sim_alloc_outstanding(rig->sim), 0);
        sim_free(rig->sim);
    }
    if (rig->posix) {
        os_posix_close(rig->posix);
        ck_assert_int_eq(nftw(rig->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    }
}

struct os_file *os_rig_file(struct os_rig *rig, const char *path, unsigned flags)
{
    struct os_file *file;

    ck_assert_int_eq(os_file_open(rig->os, path, flags, &file), ERR_OK);
    ck_assert_ptr_nonnull(file);
    return file;
}

void os_rig_expect(struct os_rig *rig, struct os_file *file, uint64_t offset, const void *bytes,
                   size_t size)
{
    uint8_t *got = malloc(size + 1);
    size_t count;

    ck_assert_int_eq(rig->os->ops->file_read(file, offset, got, size, &count), ERR_OK);
    ck_assert_uint_eq(count, size);
    ck_assert_mem_eq(got, bytes, size);
    free(got);
}
