/* os_rig.h - one of the two tables of os.h for a test: the real one in a fresh
 * directory, or a simulated one. */
#ifndef HOLDFAST_TESTS_UNIT_OS_RIG_H
#define HOLDFAST_TESTS_UNIT_OS_RIG_H

#include "server/os/os_posix.h"
#include "tests/sim/sim_os.h"

enum os_rig_table { TABLE_POSIX, TABLE_SIM, TABLE_COUNT };

struct os_rig {
    struct os *os; /* the table under test; borrowed from one of the next two */
    struct os_posix *posix;
    struct sim *sim;
    char directory[64]; /* of posix */
};

void os_rig_open(struct os_rig *rig, int table);

/* Fails the test on a file left open or memory not freed (as far as the table
 * can tell), and removes the directory. */
void os_rig_close(struct os_rig *rig);

/* Must succeed. */
struct os_file *os_rig_file(struct os_rig *rig, const char *path, unsigned flags);

/* These bytes must be there. */
void os_rig_expect(struct os_rig *rig, struct os_file *file, uint64_t offset, const void *bytes,
                   size_t size);

#endif
