/* test_os.c - what os.h promises of files, asked of both tables: the real one in a
 * fresh directory and the simulated one. The loop index says which; the last test
 * lives one random life on both and compares every answer. */
#include "tests/unit/os_rig.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(a_missing_file_is_not_found)
{
    struct os_rig rig;
    struct os_file *file = (struct os_file *)&rig;

    os_rig_open(&rig, _i);
    ck_assert_int_eq(os_file_open(rig.os, "none", OS_READ, &file), ERR_NOT_FOUND);
    ck_assert_ptr_null(file);
    ck_assert_int_eq(os_file_open(rig.os, "none/none", OS_WRITE | OS_CREATE, &file),
                     ERR_NOT_FOUND);
    ck_assert_int_eq(rig.os->ops->file_remove(rig.os, "none"), ERR_NOT_FOUND);
    ck_assert_int_eq(rig.os->ops->file_rename(rig.os, "none", "other"), ERR_NOT_FOUND);
    ck_assert_int_eq(rig.os->ops->dir_sync(rig.os, "none"), ERR_NOT_FOUND);
    ck_assert_int_eq(rig.os->ops->dir_list(rig.os, "none", NULL, NULL), ERR_NOT_FOUND);
    os_rig_close(&rig);
}
END_TEST

START_TEST(an_exclusive_create_refuses_what_is_there)
{
    struct os_rig rig;
    struct os_file *file;

    os_rig_open(&rig, _i);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE | OS_EXCLUSIVE);
    rig.os->ops->file_close(file);
    ck_assert_int_eq(os_file_open(rig.os, "a", OS_WRITE | OS_CREATE | OS_EXCLUSIVE, &file),
                     ERR_LOCKED);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

START_TEST(reads_end_at_the_end_and_holes_are_zero)
{
    struct os_rig rig;
    struct os_file *file;
    uint8_t bytes[16];
    size_t got;
    uint64_t size;

    os_rig_open(&rig, _i);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(rig.os->ops->file_write(file, 1000, "abc", 3), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_size(file, &size), ERR_OK);
    ck_assert_uint_eq(size, 1003);
    ck_assert_int_eq(rig.os->ops->file_read(file, 998, bytes, sizeof bytes, &got), ERR_OK);
    ck_assert_uint_eq(got, 5);
    ck_assert_mem_eq(bytes, "\0\0abc", 5);
    ck_assert_int_eq(rig.os->ops->file_read(file, 1003, bytes, sizeof bytes, &got), ERR_OK);
    ck_assert_uint_eq(got, 0);
    ck_assert_int_eq(rig.os->ops->file_read(file, 99999, bytes, sizeof bytes, &got), ERR_OK);
    ck_assert_uint_eq(got, 0);
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

START_TEST(a_shrunk_file_comes_back_as_zeros)
{
    struct os_rig rig;
    struct os_file *file;

    os_rig_open(&rig, _i);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(rig.os->ops->file_write(file, 0, "abcdef", 6), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_truncate(file, 2), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_truncate(file, 6), ERR_OK);
    os_rig_expect(&rig, file, 0, "ab\0\0\0\0", 6);
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

START_TEST(allocating_grows_and_never_shrinks_nor_clears)
{
    struct os_rig rig;
    struct os_file *file;
    uint64_t size;

    os_rig_open(&rig, _i);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(rig.os->ops->file_allocate(file, 0), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_write(file, 0, "abc", 3), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_allocate(file, 70000), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_size(file, &size), ERR_OK);
    ck_assert_uint_eq(size, 70000);
    ck_assert_int_eq(rig.os->ops->file_allocate(file, 5), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_size(file, &size), ERR_OK);
    ck_assert_uint_eq(size, 70000);
    os_rig_expect(&rig, file, 0, "abc\0", 4);
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

START_TEST(a_hole_reads_as_zeros_or_as_before_and_can_be_written)
{
    enum { BLOCK = 4096, BLOCKS = 8 };
    static const uint8_t zeros[BLOCK];
    uint8_t block[BLOCK], back[BLOCK];
    struct os_rig rig;
    struct os_file *file;
    uint64_t size;
    size_t got;

    os_rig_open(&rig, _i);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    memset(block, 7, BLOCK);
    for (unsigned i = 0; i < BLOCKS; i++)
        ck_assert_int_eq(rig.os->ops->file_write(file, i * BLOCK, block, BLOCK), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_punch(file, BLOCK, 0), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_punch(file, 2 * BLOCK, 3 * BLOCK), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_size(file, &size), ERR_OK);
    ck_assert_uint_eq(size, BLOCKS * BLOCK);
    for (unsigned i = 0; i < BLOCKS; i++) {
        ck_assert_int_eq(rig.os->ops->file_read(file, i * BLOCK, back, BLOCK, &got), ERR_OK);
        ck_assert_uint_eq(got, BLOCK);
        ck_assert(memcmp(back, block, BLOCK) == 0 ||
                  (i >= 2 && i < 5 && memcmp(back, zeros, BLOCK) == 0));
    }
    ck_assert_int_eq(rig.os->ops->file_write(file, 3 * BLOCK, "abc", 3), ERR_OK);
    os_rig_expect(&rig, file, 3 * BLOCK, "abc", 3);
    /* behind the end there is nothing to give back */
    ck_assert_int_eq(rig.os->ops->file_punch(file, BLOCKS * BLOCK, BLOCK), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_size(file, &size), ERR_OK);
    ck_assert_uint_eq(size, BLOCKS * BLOCK);
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

START_TEST(a_file_opened_to_read_cannot_be_written)
{
    struct os_rig rig;
    struct os_file *file;

    os_rig_open(&rig, _i);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    rig.os->ops->file_close(file);
    file = os_rig_file(&rig, "a", OS_READ);
    ck_assert_int_eq(rig.os->ops->file_write(file, 0, "abc", 3), ERR_IO);
    ck_assert_int_eq(rig.os->ops->file_truncate(file, 3), ERR_IO);
    ck_assert_int_eq(rig.os->ops->file_allocate(file, 3), ERR_IO);
    ck_assert_int_eq(rig.os->ops->file_punch(file, 0, 4096), ERR_IO);
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

START_TEST(a_file_opened_twice_is_one_file)
{
    struct os_rig rig;
    struct os_file *one, *two;

    os_rig_open(&rig, _i);
    one = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    two = os_rig_file(&rig, "a", OS_READ);
    ck_assert_int_eq(rig.os->ops->file_write(one, 0, "abc", 3), ERR_OK);
    os_rig_expect(&rig, two, 0, "abc", 3);
    /* Removed, it lives as long as it is open. */
    ck_assert_int_eq(rig.os->ops->file_remove(rig.os, "a"), ERR_OK);
    rig.os->ops->file_close(one);
    os_rig_expect(&rig, two, 0, "abc", 3);
    rig.os->ops->file_close(two);
    os_rig_close(&rig);
}
END_TEST

START_TEST(the_data_directory_is_held_whatever_is_in_it)
{
    struct os_rig rig;
    struct os_file *one, *two, *file;

    os_rig_open(&rig, _i);
    ck_assert_int_eq(rig.os->ops->dir_lock(rig.os, &one), ERR_OK);
    ck_assert_ptr_nonnull(one);
    file = os_rig_file(&rig, "lock", OS_WRITE | OS_CREATE);
    rig.os->ops->file_close(file);
    ck_assert_int_eq(rig.os->ops->file_remove(rig.os, "lock"), ERR_OK);
    ck_assert_int_eq(rig.os->ops->dir_lock(rig.os, &two), ERR_LOCKED);
    rig.os->ops->file_close(one);
    ck_assert_int_eq(rig.os->ops->dir_lock(rig.os, &two), ERR_OK);
    rig.os->ops->file_close(two);
    os_rig_close(&rig);
}
END_TEST

START_TEST(a_lock_holds_until_the_file_is_closed)
{
    struct os_rig rig;
    struct os_file *one, *two;

    os_rig_open(&rig, _i);
    one = os_rig_file(&rig, "lock", OS_WRITE | OS_CREATE);
    two = os_rig_file(&rig, "lock", OS_WRITE);
    ck_assert_int_eq(rig.os->ops->file_lock(one), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_lock(one), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_lock(two), ERR_LOCKED);
    rig.os->ops->file_close(two); /* closing another open of it frees nothing */
    two = os_rig_file(&rig, "lock", OS_WRITE);
    ck_assert_int_eq(rig.os->ops->file_lock(two), ERR_LOCKED);
    rig.os->ops->file_close(one);
    ck_assert_int_eq(rig.os->ops->file_lock(two), ERR_OK);
    rig.os->ops->file_close(two);
    os_rig_close(&rig);
}
END_TEST

struct names {
    char text[1024]; /* sorted, each followed by a blank */
    char name[32][64];
    size_t count;
};

static void names_add(void *context, const char *name)
{
    struct names *names = context;

    ck_assert_uint_lt(names->count, 32);
    snprintf(names->name[names->count++], sizeof names->name[0], "%s", name);
}

static int names_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static const char *names_of(struct os_rig *rig, const char *path, struct names *names)
{
    memset(names, 0, sizeof *names);
    ck_assert_int_eq(rig->os->ops->dir_list(rig->os, path, names_add, names), ERR_OK);
    qsort(names->name, names->count, sizeof names->name[0], names_compare);
    for (size_t i = 0; i < names->count; i++) {
        strcat(names->text, names->name[i]);
        strcat(names->text, " ");
    }
    return names->text;
}

START_TEST(directories_list_what_was_made_renamed_and_not_removed)
{
    struct os_rig rig;
    struct names names;
    struct os_file *file;

    os_rig_open(&rig, _i);
    ck_assert_int_eq(rig.os->ops->dir_make(rig.os, "d"), ERR_OK);
    ck_assert_int_eq(rig.os->ops->dir_make(rig.os, "d"), ERR_OK);
    for (int i = 0; i < 4; i++) {
        char path[16];

        snprintf(path, sizeof path, "d/%d", i);
        file = os_rig_file(&rig, path, OS_WRITE | OS_CREATE);
        ck_assert_int_eq(rig.os->ops->file_write(file, 0, path, 4), ERR_OK);
        rig.os->ops->file_close(file);
    }
    ck_assert_int_eq(rig.os->ops->file_rename(rig.os, "d/0", "d/1"), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_rename(rig.os, "d/2", "d/new"), ERR_OK);
    ck_assert_int_eq(rig.os->ops->file_remove(rig.os, "d/3"), ERR_OK);
    ck_assert_int_eq(rig.os->ops->dir_sync(rig.os, "d"), ERR_OK);
    ck_assert_int_eq(rig.os->ops->dir_sync(rig.os, ""), ERR_OK);
    ck_assert_str_eq(names_of(&rig, "d", &names), "1 new ");
    ck_assert_str_eq(names_of(&rig, "", &names), "d ");
    file = os_rig_file(&rig, "d/1", OS_READ);
    os_rig_expect(&rig, file, 0, "d/0", 4);
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

START_TEST(a_directory_is_no_file_and_a_file_no_directory)
{
    struct os_rig rig;
    struct os_file *file;

    os_rig_open(&rig, _i);
    ck_assert_int_eq(rig.os->ops->dir_make(rig.os, "d"), ERR_OK);
    ck_assert_int_eq(os_file_open(rig.os, "d", OS_WRITE, &file), ERR_IO);
    ck_assert_int_eq(os_file_open(rig.os, "d", OS_READ, &file), ERR_IO);
    ck_assert_int_eq(rig.os->ops->file_remove(rig.os, "d"), ERR_IO);
    file = os_rig_file(&rig, "f", OS_WRITE | OS_CREATE);
    rig.os->ops->file_close(file);
    ck_assert_int_eq(rig.os->ops->dir_make(rig.os, "f"), ERR_IO);
    ck_assert_int_eq(os_file_open(rig.os, "f/g", OS_READ, &file), ERR_NOT_FOUND);
    os_rig_close(&rig);
}
END_TEST

START_TEST(a_read_without_waiting_gives_the_same_bytes_or_says_wait)
{
    struct os_rig rig;
    struct os_file *file;
    uint8_t bytes[8];
    size_t got;

    os_rig_open(&rig, _i);
    file = os_rig_file(&rig, "a", OS_WRITE | OS_CREATE);
    ck_assert_int_eq(rig.os->ops->file_write(file, 0, "abcdef", 6), ERR_OK);
    for (int i = 0; i < 20; i++) {
        enum err e = rig.os->ops->file_read_nowait(file, 2, bytes, sizeof bytes, &got);

        if (e == ERR_WAIT) {
            ck_assert_uint_eq(got, 0);
            continue;
        }
        ck_assert_int_eq(e, ERR_OK);
        ck_assert_uint_eq(got, 4);
        ck_assert_mem_eq(bytes, "cdef", 4);
    }
    rig.os->ops->file_close(file);
    os_rig_close(&rig);
}
END_TEST

START_TEST(the_clock_goes_forward_and_chance_differs)
{
    struct os_rig rig;
    uint64_t before, a[4], b[4], space;

    os_rig_open(&rig, _i);
    before = rig.os->ops->now_ns(rig.os);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = rig.os->ops->now_ns(rig.os);

        ck_assert_uint_ge(now, before);
        before = now;
    }
    rig.os->ops->random(rig.os, a, sizeof a);
    rig.os->ops->random(rig.os, b, sizeof b);
    ck_assert_mem_ne(a, b, sizeof a);
    ck_assert_int_eq(rig.os->ops->disk_free(rig.os, &space), ERR_OK);
    ck_assert_uint_gt(space, 0);
    os_rig_close(&rig);
}
END_TEST

START_TEST(memory_of_no_size_is_memory)
{
    struct os_rig rig;
    void *memory;

    os_rig_open(&rig, _i);
    memory = os_alloc(rig.os, 0);
    ck_assert_ptr_nonnull(memory);
    os_free(rig.os, memory, 0);
    memory = os_alloc(rig.os, 100);
    memset(memory, 1, 100);
    os_free(rig.os, memory, 100);
    os_free(rig.os, NULL, 100);
    os_rig_close(&rig);
}
END_TEST

/* ---- one random life on both ---- */

#define LIFE_FILES 4
#define LIFE_BYTES_MAX 20000

struct life {
    struct os_rig rig[TABLE_COUNT];
    struct os_file *file[TABLE_COUNT][LIFE_FILES]; /* open handles, or NULL */
    struct sim *chance;
};

static const char *life_path(uint64_t n)
{
    static const char *const paths[] = {"a", "b", "d/a", "d/b", "x/none"};

    return paths[n % 5];
}

static void life_both(enum err a, enum err b)
{
    ck_assert_str_eq(err_name(a), err_name(b));
}

static void life_open_or_close(struct life *life)
{
    uint64_t slot = sim_random(life->chance, LIFE_FILES);
    const char *path = life_path(sim_random(life->chance, 5));
    unsigned flags = OS_WRITE | (unsigned)sim_random(life->chance, 4) * OS_CREATE;
    enum err e[TABLE_COUNT];

    for (int t = 0; t < TABLE_COUNT; t++) {
        const struct os_ops *ops = life->rig[t].os->ops;

        if (life->file[t][slot]) {
            ops->file_close(life->file[t][slot]);
            life->file[t][slot] = NULL;
            e[t] = ERR_OK;
        } else {
            e[t] = ops->file_open(life->rig[t].os, path, flags, &life->file[t][slot]);
        }
    }
    life_both(e[0], e[1]);
}

static void life_change(struct life *life)
{
    static uint8_t bytes[LIFE_BYTES_MAX];
    uint64_t slot = sim_random(life->chance, LIFE_FILES);
    uint64_t offset = sim_random(life->chance, LIFE_BYTES_MAX);
    size_t size = sim_random(life->chance, 5000);
    uint64_t verb = sim_random(life->chance, 6);
    enum err e[TABLE_COUNT];

    memset(bytes, (int)sim_random(life->chance, 256), size);
    for (int t = 0; t < TABLE_COUNT; t++) {
        const struct os_ops *ops = life->rig[t].os->ops;
        struct os_file *file = life->file[t][slot];

        if (!file)
            return;
        if (verb < 3)
            e[t] = ops->file_write(file, offset, bytes, size);
        else if (verb == 3)
            e[t] = ops->file_truncate(file, offset);
        else if (verb == 4)
            e[t] = ops->file_allocate(file, offset);
        else
            e[t] = ops->file_sync(file);
    }
    life_both(e[0], e[1]);
}

static void life_compare(struct life *life)
{
    static uint8_t bytes[TABLE_COUNT][LIFE_BYTES_MAX];
    uint64_t slot = sim_random(life->chance, LIFE_FILES);
    uint64_t offset = sim_random(life->chance, LIFE_BYTES_MAX);
    size_t size = sim_random(life->chance, LIFE_BYTES_MAX);
    uint64_t length[TABLE_COUNT];
    size_t got[TABLE_COUNT];
    struct names names[TABLE_COUNT];

    for (int t = 0; t < TABLE_COUNT; t++) {
        const struct os_ops *ops = life->rig[t].os->ops;
        struct os_file *file = life->file[t][slot];

        names_of(&life->rig[t], "d", &names[t]);
        if (!file)
            continue;
        ck_assert_int_eq(ops->file_read(file, offset, bytes[t], size, &got[t]), ERR_OK);
        ck_assert_int_eq(ops->file_size(file, &length[t]), ERR_OK);
    }
    ck_assert_str_eq(names[0].text, names[1].text);
    if (!life->file[0][slot])
        return;
    ck_assert_uint_eq(got[0], got[1]);
    ck_assert_uint_eq(length[0], length[1]);
    if (got[0] > 0)
        ck_assert_mem_eq(bytes[0], bytes[1], got[0]);
}

/* Names are changed within one directory only: the simulated disk knows no other. */
static void life_names(struct life *life)
{
    const char *from = life_path(sim_random(life->chance, 2) * 2);
    const char *to = from[1] ? "d/b" : "b";
    uint64_t verb = sim_random(life->chance, 3);
    enum err e[TABLE_COUNT];

    for (int t = 0; t < TABLE_COUNT; t++) {
        struct os *os = life->rig[t].os;

        if (verb == 0)
            e[t] = os->ops->file_rename(os, from, to);
        else if (verb == 1)
            e[t] = os->ops->file_remove(os, to);
        else
            e[t] = os->ops->dir_sync(os, "d");
    }
    life_both(e[0], e[1]);
}

START_TEST(both_tables_live_the_same_life)
{
    struct life life = {0};

    life.chance = sim_new((uint64_t)_i);
    for (int t = 0; t < TABLE_COUNT; t++) {
        os_rig_open(&life.rig[t], t);
        ck_assert_int_eq(life.rig[t].os->ops->dir_make(life.rig[t].os, "d"), ERR_OK);
    }
    for (int step = 0; step < 1500; step++) {
        uint64_t verb = sim_random(life.chance, 10);

        if (verb < 2)
            life_open_or_close(&life);
        else if (verb < 6)
            life_change(&life);
        else if (verb < 9)
            life_compare(&life);
        else
            life_names(&life);
    }
    for (int t = 0; t < TABLE_COUNT; t++) {
        for (int i = 0; i < LIFE_FILES; i++)
            life.rig[t].os->ops->file_close(life.file[t][i]);
        os_rig_close(&life.rig[t]);
    }
    sim_free(life.chance);
}
END_TEST

/* ---- the real machine only ---- */

START_TEST(files_and_directories_are_their_owners_alone)
{
    struct os_rig rig;
    struct os_file *file;
    struct stat status;
    char path[128];

    os_rig_open(&rig, TABLE_POSIX);
    umask(0);
    ck_assert_int_eq(rig.os->ops->dir_make(rig.os, "d"), ERR_OK);
    file = os_rig_file(&rig, "d/a", OS_WRITE | OS_CREATE);
    rig.os->ops->file_close(file);
    umask(022);
    snprintf(path, sizeof path, "%s/d", rig.directory);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0700);
    strcat(path, "/a");
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, 0600);
    os_rig_close(&rig);
}
END_TEST

struct reports {
    int count;
    int number; /* errno of the last */
    char path[64];
};

static void reports_take(void *context, const char *operation, const char *path, int number)
{
    struct reports *reports = context;

    reports->count++;
    reports->number = number;
    snprintf(reports->path, sizeof reports->path, "%s", path);
}

START_TEST(symbolic_links_and_pipes_are_refused_and_reported)
{
    struct os_rig rig;
    struct reports reports = {0};
    struct os_file *file;
    char path[128];

    os_rig_open(&rig, TABLE_POSIX);
    os_posix_set_report(rig.posix, reports_take, &reports);
    snprintf(path, sizeof path, "%s/link", rig.directory);
    ck_assert_int_eq(symlink("/etc/passwd", path), 0);
    ck_assert_int_eq(os_file_open(rig.os, "link", OS_READ, &file), ERR_IO);
    ck_assert_int_eq(reports.count, 1);
    ck_assert_int_eq(reports.number, ELOOP);
    ck_assert_str_eq(reports.path, "link");
    snprintf(path, sizeof path, "%s/up", rig.directory);
    ck_assert_int_eq(symlink("/tmp", path), 0);
    ck_assert_int_ne(os_file_open(rig.os, "up/x", OS_WRITE | OS_CREATE, &file), ERR_OK);
    ck_assert_int_ne(rig.os->ops->dir_make(rig.os, "up"), ERR_OK);
    ck_assert_int_ne(rig.os->ops->dir_sync(rig.os, "up"), ERR_OK);
    snprintf(path, sizeof path, "%s/pipe", rig.directory);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(os_file_open(rig.os, "pipe", OS_READ, &file), ERR_IO);
    os_rig_close(&rig);
}
END_TEST

START_TEST(a_data_directory_is_made_once_and_judged)
{
    struct os_rig rig;
    struct os_posix *posix;
    char path[128], why[256];

    os_rig_open(&rig, TABLE_POSIX);
    snprintf(path, sizeof path, "%s/data", rig.directory);
    ck_assert_int_eq(os_posix_open(path, false, &posix, why, sizeof why), ERR_NOT_FOUND);
    ck_assert_ptr_null(posix);
    ck_assert_ptr_nonnull(strstr(why, path));
    ck_assert_int_eq(os_posix_open(path, true, &posix, why, sizeof why), ERR_OK);
    os_posix_close(posix);
    ck_assert_int_eq(os_posix_open(path, true, &posix, why, sizeof why), ERR_OK);
    os_posix_close(posix);
    ck_assert_int_eq(chmod(path, 0777), 0);
    ck_assert_int_eq(os_posix_open(path, true, &posix, why, sizeof why), ERR_IO);
    ck_assert_ptr_nonnull(strstr(why, "world-writable"));
    strcat(path, "/far/away");
    ck_assert_int_eq(os_posix_open(path, true, &posix, why, sizeof why), ERR_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(why, "parent"));
    snprintf(path, sizeof path, "%s/file", rig.directory);
    rig.os->ops->file_close(os_rig_file(&rig, "file", OS_WRITE | OS_CREATE));
    ck_assert_int_ne(os_posix_open(path, true, &posix, why, sizeof why), ERR_OK);
    os_rig_close(&rig);
}
END_TEST

/* The child takes the lock, says so, and is killed: the lock must go with it. */
START_TEST(a_lock_dies_with_its_process)
{
    struct os_rig rig;
    struct os_file *file;
    int ready[2];
    char byte;
    pid_t child;

    os_rig_open(&rig, TABLE_POSIX);
    ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
    child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (rig.os->ops->file_open(rig.os, "lock", OS_WRITE | OS_CREATE, &file) ||
            rig.os->ops->file_lock(file) || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    file = os_rig_file(&rig, "lock", OS_WRITE);
    ck_assert_int_eq(rig.os->ops->file_lock(file), ERR_LOCKED);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_int_eq(rig.os->ops->file_lock(file), ERR_OK);
    rig.os->ops->file_close(file);
    close(ready[0]);
    close(ready[1]);
    os_rig_close(&rig);
}
END_TEST

static Suite *os_suite(void)
{
    Suite *suite = suite_create("os");
    TCase *both = tcase_create("both tables");
    TCase *posix = tcase_create("posix");

    tcase_add_loop_test(both, a_missing_file_is_not_found, 0, TABLE_COUNT);
    tcase_add_loop_test(both, an_exclusive_create_refuses_what_is_there, 0, TABLE_COUNT);
    tcase_add_loop_test(both, reads_end_at_the_end_and_holes_are_zero, 0, TABLE_COUNT);
    tcase_add_loop_test(both, a_shrunk_file_comes_back_as_zeros, 0, TABLE_COUNT);
    tcase_add_loop_test(both, allocating_grows_and_never_shrinks_nor_clears, 0, TABLE_COUNT);
    tcase_add_loop_test(both, a_hole_reads_as_zeros_or_as_before_and_can_be_written, 0,
                        TABLE_COUNT);
    tcase_add_loop_test(both, a_file_opened_to_read_cannot_be_written, 0, TABLE_COUNT);
    tcase_add_loop_test(both, a_file_opened_twice_is_one_file, 0, TABLE_COUNT);
    tcase_add_loop_test(both, a_lock_holds_until_the_file_is_closed, 0, TABLE_COUNT);
    tcase_add_loop_test(both, the_data_directory_is_held_whatever_is_in_it, 0, TABLE_COUNT);
    tcase_add_loop_test(both, directories_list_what_was_made_renamed_and_not_removed, 0,
                        TABLE_COUNT);
    tcase_add_loop_test(both, a_directory_is_no_file_and_a_file_no_directory, 0, TABLE_COUNT);
    tcase_add_loop_test(both, a_read_without_waiting_gives_the_same_bytes_or_says_wait, 0,
                        TABLE_COUNT);
    tcase_add_loop_test(both, the_clock_goes_forward_and_chance_differs, 0, TABLE_COUNT);
    tcase_add_loop_test(both, memory_of_no_size_is_memory, 0, TABLE_COUNT);
    tcase_add_loop_test(both, both_tables_live_the_same_life, 0, 10);
    tcase_add_test(posix, files_and_directories_are_their_owners_alone);
    tcase_add_test(posix, symbolic_links_and_pipes_are_refused_and_reported);
    tcase_add_test(posix, a_data_directory_is_made_once_and_judged);
    tcase_add_test(posix, a_lock_dies_with_its_process);
    suite_add_tcase(suite, both);
    suite_add_tcase(suite, posix);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(os_suite());
    int failed;

    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
