/* test_os_short.c - the real table where the system interrupts calls, and does less than it was
 * asked for: what stands below instead of the library's functions does so, by a seed. A file read
 * past the system's memory comes by halves of a block, too. */
#include "tests/unit/os_rig.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define BYTES (64 * 1024)
#define TAIL 1234 /* behind the last whole block */
#define ROUNDS 200

static uint64_t dice; /* 0: nothing is hindered */
static unsigned interrupted, shortened;

static unsigned throw_dice(void)
{
    dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (unsigned)(dice >> 33);
}

static bool is_interrupted(void)
{
    if (!dice || throw_dice() % 3)
        return false;
    interrupted++;
    errno = EINTR;
    return true;
}

static size_t less(int fd, size_t size)
{
    size_t unit = fcntl(fd, F_GETFL) & O_DIRECT ? 512 : 1;

    if (!dice || size < 2 * unit || throw_dice() % 2)
        return size;
    shortened++;
    return unit * (1 + throw_dice() % (size / unit - 1));
}

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
    return is_interrupted() ? -1 : syscall(SYS_pread64, fd, to, less(fd, size), offset);
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t offset)
{
    return is_interrupted() ? -1 : syscall(SYS_pwrite64, fd, from, less(fd, size), offset);
}

ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    struct iovec part = *parts;

    ck_assert_int_eq(count, 1);
    if (is_interrupted())
        return -1;
    part.iov_len = less(fd, part.iov_len);
    return syscall(SYS_preadv2, fd, &part, 1L, offset, 0L, (long)flags);
}

int ftruncate(int fd, off_t size)
{
    return is_interrupted() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    return is_interrupted() ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

static void fill(uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 31 + (i >> 8) * 7);
}

/* _i: OS_UNCACHED or not. */
START_TEST(what_is_hindered_is_done_all_the_same)
{
    static uint8_t bytes[BYTES + TAIL];
    struct os_file *file, *reader;
    struct os_rig rig;
    uint8_t *to = NULL;
    uint64_t size;
    size_t got;

    fill(bytes, sizeof bytes);
    os_rig_open(&rig, TABLE_POSIX);
    dice = 7 + (uint64_t)_i;
    ck_assert_int_eq(posix_memalign((void **)&to, OS_UNCACHED_BYTES, 2 * BYTES), 0);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(rig.os->ops->file_allocate(file, 2 * BYTES), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_write(file, 0, bytes, sizeof bytes), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_truncate(file, sizeof bytes), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_sync(file), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_size(file, &size), ERR_OK);
    ck_assert_uint_eq(size, sizeof bytes);
    reader = os_rig_file(&rig, "a", OS_READ | (_i ? OS_UNCACHED : 0));
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t at = throw_dice() % 8 * OS_UNCACHED_BYTES;
        size_t asked = (size_t)(1 + throw_dice() % 18) * OS_UNCACHED_BYTES;
        size_t there = sizeof bytes - at < asked ? sizeof bytes - at : asked;
        enum err e = _i || i % 2 ? rig.os->ops->file_read(reader, at, to, asked, &got)
                                 : rig.os->ops->file_read_nowait(reader, at, to, asked, &got);

        if (e == ERR_WAIT)
            continue;
        ck_assert_int_eq(e, ERR_OK);
        ck_assert_uint_eq(got, there);
        ck_assert_int_eq(memcmp(to, bytes + at, got), 0);
    }
    ck_assert_uint_gt(interrupted, 50);
    ck_assert_uint_gt(shortened, 50);
    dice = 0;
    rig.os->ops->file_close(reader);
    rig.os->ops->file_close(file);
    free(to);
    os_rig_close(&rig);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("os_short");
    TCase *all = tcase_create("all");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(all, what_is_hindered_is_done_all_the_same, 0, 2);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
